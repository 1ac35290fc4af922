import threading
from contextlib import closing

import pytest

from skipcast.database.locks import Locks
from skipcast.database.server import connect, open_connection


def test_only_one_at_a_time_is_within_exclusive(postgres, monkeypatch):
    """The second waits for the first; another name does not."""
    monkeypatch.setenv("DATABASE_URL", postgres)
    order = []

    def second():
        with connect() as connection, Locks(connection).exclusive("a"):
            order.append("second")

    with connect() as connection, Locks(connection).exclusive("a"):
        thread = threading.Thread(target=second)
        thread.start()
        with connect() as other, Locks(other).exclusive("b"):
            order.append("other name")
        thread.join(0.5)
        order.append("first leaves")
    thread.join(10)
    assert order == ["other name", "first leaves", "second"]


def test_exclusive_ends_with_an_error_inside(postgres, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", postgres)
    with connect() as connection:
        with pytest.raises(OSError, match="disk"), Locks(connection).exclusive("a"):
            raise OSError("disk full")
        with connect() as other, Locks(other).exclusive("a"):
            pass


def test_a_held_lock_is_seen_by_all_and_ends_with_its_connection(postgres):
    with closing(open_connection(postgres)) as mine, closing(open_connection(postgres)) as theirs:
        mine.autocommit = theirs.autocommit = True
        one, other = Locks(mine), Locks(theirs)
        one.hold("a")
        other.hold("a")  # beside the first
        one.hold("b")
        assert one.held(["a", "b", "c"]) == other.held(["a", "b", "c"]) == {"a", "b"}
        one.release("b")
        one.release("a")
        assert one.held(["a", "b"]) == {"a"}
        theirs.close()
        for _ in range(100):  # the server takes a moment to see it
            if not one.held(["a"]):
                break
        assert not one.held(["a"])
