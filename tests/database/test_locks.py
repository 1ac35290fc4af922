import threading
import time
from contextlib import closing

import pytest

from skipcast.database.locks import Locks
from skipcast.database.server import connect, open_connection


@pytest.fixture(autouse=True)
def _server(postgres, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", postgres)


@pytest.fixture
def connections(postgres):
    """Yield two connections in autocommit mode."""
    with closing(open_connection(postgres)) as one, closing(open_connection(postgres)) as other:
        one.autocommit = other.autocommit = True
        yield one, other


def test_only_one_at_a_time_is_within_exclusive():
    order = []

    def second():
        with connect() as connection, Locks(connection).exclusive("a"):
            order.append("second")

    with connect() as connection, Locks(connection).exclusive("a"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.5)
        order.append("first leaves")
    thread.join(10)
    assert order == ["first leaves", "second"]


def test_exclusive_does_not_wait_for_another_name(connections):
    one, other = map(Locks, connections)
    with one.exclusive("a"), other.exclusive("b"):
        assert other.held(["a", "b"]) == {"a", "b"}


def test_exclusive_ends_with_an_error_inside(connections):
    locks = Locks(connections[0])
    with pytest.raises(OSError, match="disk"), locks.exclusive("a"):
        raise OSError("disk full")
    assert not locks.held(["a"])


def test_all_connections_see_who_holds_a_lock(connections):
    one, other = map(Locks, connections)
    one.hold("a")
    assert one.held(["a", "b"]) == other.held(["a", "b"]) == {"a"}


def test_a_lock_is_held_until_the_last_holder_releases_it(connections):
    one, other = map(Locks, connections)
    one.hold("a")
    other.hold("a")
    one.release("a")
    assert one.held(["a"]) == {"a"}
    other.release("a")
    assert not one.held(["a"])


def test_a_lock_ends_with_its_connection(connections):
    one, other = map(Locks, connections)
    other.hold("a")
    connections[1].close()
    for _ in range(100):  # the server takes a moment to see it
        if not one.held(["a"]):
            break
        time.sleep(0.05)
    assert not one.held(["a"])
