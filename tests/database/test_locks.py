import threading
import time
from contextlib import closing

import psycopg2
import pytest
from harness.tables import load_frames
from harness.waiting import PATIENCE, STOP_SECONDS, wait_until

from skipcast.database import waits
from skipcast.database.locks import Locks, open_locks
from skipcast.errors import SkipcastError

pytestmark = pytest.mark.usefixtures("postgres")


@pytest.fixture
def two(postgres):
    """Yield locks of two connections."""
    with open_locks(postgres) as one, open_locks(postgres) as other:
        yield one, other


@pytest.fixture
def admin(postgres):
    """Yield a cursor of somebody else."""
    with closing(psycopg2.connect(postgres, application_name="psql")) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor


def cut(locks: Locks, admin) -> None:
    """End the connection of `locks` from outside, as a router or an administrator does."""
    (process,) = locks._run("SELECT pg_backend_pid()")[0]  # noqa: SLF001
    admin.execute("SELECT pg_terminate_backend(%s, 5000)", (process,))


def printed(capfd, word: str) -> str:
    """Return what is printed on standard error until a word of it."""
    text = ""

    def told() -> str:
        nonlocal text
        text += capfd.readouterr().err
        return text

    wait_until(lambda: word in told(), told=told)
    return text


def test_only_one_at_a_time_is_within_exclusive(two):
    one, other = two
    order = []

    def second():
        with other.exclusive("a"):
            order.append("second")

    with one.exclusive("a"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.3)
        order.append("first leaves")
    thread.join(PATIENCE)
    assert order == ["first leaves", "second"]


def test_exclusive_does_not_wait_for_another_name(two):
    one, other = two
    with one.exclusive("a"), other.exclusive("b"):
        assert other.held(["a", "b"]) == {"a", "b"}


def test_exclusive_ends_with_an_error_inside(two):
    locks = two[0]
    with pytest.raises(OSError, match="disk"), locks.exclusive("a"):
        raise OSError("disk full")
    assert not locks.held(["a"])


def test_all_connections_see_who_holds_a_lock(two):
    one, other = two
    one.hold("a")
    assert one.held(["a", "b"]) == other.held(["a", "b"]) == {"a"}


def test_a_lock_is_held_until_the_last_holder_releases_it(two):
    one, other = two
    one.hold("a")
    other.hold("a")
    one.release("a")
    assert one.held(["a"]) == {"a"}
    other.release("a")
    assert not one.held(["a"])


def test_a_lock_ends_with_its_connection(two):
    one, other = two
    other.hold("a")
    other.close()
    wait_until(lambda: not one.held(["a"]), STOP_SECONDS)  # the server takes a moment to see it


def test_a_connection_that_was_cut_is_opened_again_with_its_locks(two, admin):
    one, other = two
    one.hold("a")
    one.hold("b")
    one.release("b")
    cut(one, admin)
    assert not other.held(["a"])
    assert one.held(["a", "b"]) == {"a"}
    one.release("a")
    assert not other.held(["a"])


def test_exclusive_that_was_cut_is_told(two, admin):
    one, other = two

    def work():
        with one.exclusive("a"):
            cut(one, admin)
            with other.exclusive("a"):
                pass

    with pytest.raises(SkipcastError, match="must last as long as its locks but was cut"):
        work()


def test_what_failed_within_exclusive_is_told_and_not_that_it_was_cut(two, admin):
    one, _ = two

    def work():
        with one.exclusive("a"):
            cut(one, admin)
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk"):
        work()


def test_a_server_that_ends_idle_sessions_does_not_end_this_one(postgres, admin):
    admin.execute("ALTER ROLE postgres SET idle_session_timeout = '300ms'")
    try:
        with open_locks(postgres) as locks:
            before = locks._run("SELECT pg_backend_pid()")  # noqa: SLF001
            time.sleep(0.8)
            assert locks._run("SELECT pg_backend_pid()") == before  # noqa: SLF001
    finally:
        admin.execute("ALTER ROLE postgres RESET idle_session_timeout")


@pytest.fixture
def impatient(monkeypatch):
    """Have waits announced sooner than after ten seconds."""
    monkeypatch.setattr(waits, "WAIT_SECONDS", 0.2)
    monkeypatch.setattr(waits, "HOLDERS", waits.HOLDERS.replace("2 s", "0.1 s"))


def remedy(message: str) -> str:
    """Return what a message says to type in the database."""
    return message.split("`")[1]


@pytest.mark.usefixtures("impatient")
def test_a_wait_for_a_lock_says_who_holds_it_and_how_to_end_that(postgres, admin, capfd):
    done = []

    def work():
        with open_locks(postgres) as locks, locks.exclusive("a"):
            done.append("done")

    admin.execute("SELECT pg_advisory_lock(hashtextextended('a', 0))")
    thread = threading.Thread(target=work)
    thread.start()
    said = printed(capfd, "Waiting")
    assert "embedded, psql (active" in said or "embedded, psql (idle) holds a lock" in said
    assert not done
    with closing(psycopg2.connect(postgres)) as other, other.cursor() as cursor:
        cursor.execute(remedy(said))
    thread.join(PATIENCE)
    assert done == ["done"]


@pytest.mark.usefixtures("impatient")
def test_a_load_says_who_holds_its_tables(postgres, plays_and_tracks, capfd):
    plays, tracks = plays_and_tracks

    def load():
        load_frames([plays], tracks, schema="waited")

    load()
    with closing(psycopg2.connect(postgres, application_name="reader")) as reader:
        reader.cursor().execute("SELECT count(*) FROM waited.training_set")
        thread = threading.Thread(target=load)
        thread.start()
        said = printed(capfd, "Waiting")
        assert "reader (idle in transaction) holds a lock" in said
        reader.rollback()
    thread.join(PATIENCE)
    assert not thread.is_alive()


@pytest.mark.usefixtures("impatient")
def test_a_load_says_who_else_loads_into_the_schema(postgres, admin, plays_and_tracks, capfd):
    plays, tracks = plays_and_tracks
    admin.execute("SELECT pg_advisory_lock(hashtextextended('load waited', 0))")
    thread = threading.Thread(
        target=load_frames, args=([plays], tracks), kwargs={"schema": "waited"}
    )
    thread.start()
    said = printed(capfd, "Waiting")
    assert "psql (idle) holds a lock" in said
    with closing(psycopg2.connect(postgres)) as other, other.cursor() as cursor:
        cursor.execute(remedy(said))
    thread.join(PATIENCE)
    assert not thread.is_alive()


@pytest.mark.usefixtures("impatient")
def test_a_prepared_transaction_is_told():
    line = waits._describe((0, "", "", ""), "db:5432/music")  # noqa: SLF001
    assert "ROLLBACK PREPARED" in line


@pytest.mark.usefixtures("impatient")
def test_no_wait_is_announced_where_there_is_none(two, capfd):
    time.sleep(0.7)
    assert "Waiting" not in capfd.readouterr().err
