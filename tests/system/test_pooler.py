"""PgBouncer before Postgres: in session mode it is used, in transaction mode it is refused."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import psycopg2
import pytest
from harness.servers import free_port
from harness.tables import load_frames
from harness.waiting import wait_until

from skipcast.database import cluster, server
from skipcast.database.locks import open_locks
from skipcast.database.server import connect, connect_several, open_connection
from skipcast.errors import SkipcastError

PROGRAM = shutil.which("pgbouncer", path="/usr/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")
SETTINGS = """
[databases]
* = host={host} port=5432 user=postgres

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
server_round_robin = {round_robin}
default_pool_size = 5
{more}
"""
Pooler = Callable[..., str]


@contextmanager
def pgbouncer(
    folder: Path, host: str, mode: str, *, round_robin: int = 0, more: str = ""
) -> Iterator[str]:
    """Run PgBouncer before the server of a socket; yield the address of its pool."""
    port = free_port()
    text = SETTINGS.format(host=host, port=port, mode=mode, round_robin=round_robin, more=more)
    path = folder / f"{port}.ini"
    path.write_text(text)
    for opened in (folder, path):
        opened.chmod(0o755)
    cluster.let_through(path)
    user = ["-u", "nobody"] if cluster.IS_ROOT else []
    process = subprocess.Popen(
        [str(PROGRAM), "-q", *user, path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"postgresql://postgres:secret-word@127.0.0.1:{port}/postgres"

    def answers() -> bool:
        assert process.poll() is None
        with suppress(psycopg2.OperationalError):
            psycopg2.connect(url).close()
            return True
        return False

    try:
        wait_until(answers)
        yield url
    finally:
        process.terminate()
        process.wait()


@pytest.fixture
def pooler(postgres, tmp_path) -> Iterator[Pooler]:
    """Return what runs PgBouncer in a mode; skip where there is none."""
    if PROGRAM is None:
        pytest.skip("There is no pgbouncer: install it, e.g. `apt-get install pgbouncer`.")
    host = psycopg2.extensions.parse_dsn(postgres)["host"]
    with ExitStack() as stack:
        yield lambda mode, **options: stack.enter_context(
            pgbouncer(tmp_path, host, mode, **options)
        )


@pytest.mark.parametrize("mode", ["transaction", "statement"])
@pytest.mark.parametrize("round_robin", [0, 1])
def test_a_pooler_that_shares_processes_is_refused_at_once(pooler, mode, round_robin):
    url = pooler(mode, round_robin=round_robin)
    started = time.monotonic()
    with pytest.raises(SkipcastError, match="is a pooler in transaction mode") as error:
        open_connection(url)
    assert time.monotonic() - started < 5
    assert "secret-word" not in str(error.value)


def test_a_pooler_whose_pool_is_in_use_is_refused(pooler):
    """Several clients leave several processes, which it gives out in turn."""
    url = pooler("transaction", round_robin=1)
    with ExitStack() as stack:
        for _ in range(3):
            client = stack.enter_context(closing(psycopg2.connect(url)))
            client.cursor().execute("SELECT 1")
        for _ in range(2):
            client.rollback()
        with pytest.raises(SkipcastError, match="pooler in transaction mode"):
            open_connection(url)


def test_load_and_search_refuse_it(pooler, monkeypatch):
    url = pooler("transaction")
    monkeypatch.setenv("DATABASE_URL", f"{url}?pgbouncer=true&connection_limit=1")
    with pytest.raises(SkipcastError, match="pooler in transaction mode"), connect():
        pass
    with pytest.raises(SkipcastError, match="pooler in transaction mode"), open_locks(url):
        pass


def test_nothing_is_locked_after_a_refusal(pooler, postgres):
    with pytest.raises(SkipcastError):
        open_connection(pooler("transaction"))
    with closing(psycopg2.connect(postgres)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
        assert cursor.fetchone() == (0,)


def test_the_remedies_work(pooler, postgres):
    """The server itself, and session mode, as the message says."""
    for url in (postgres, pooler("session"), pooler("session", round_robin=1)):
        with open_locks(url) as locks, locks.exclusive("a"):
            assert locks.held(["a", "b"]) == {"a"}
        with open_locks(url) as locks:
            assert locks.held(["a"]) == set()


def test_a_pooler_without_room_for_two_is_refused_in_time_and_the_remedy_works(
    pooler, postgres, monkeypatch
):
    monkeypatch.setitem(server.DEFAULTS, "connect_timeout", 1)
    with pytest.raises(SkipcastError, match="room for several connections") as error:
        open_connection(pooler("session", more="default_pool_size = 1"))
    assert "raise default_pool_size" in str(error.value)
    open_connection(pooler("session", more="default_pool_size = 2")).close()


@pytest.mark.parametrize(("room", "taken"), [(2, 1), (4, 3), (20, 5)])
def test_a_load_takes_the_connections_that_a_pooler_has_and_leaves_one(
    pooler, plays_and_tracks, monkeypatch, room, taken
):
    monkeypatch.setitem(server.DEFAULTS, "connect_timeout", 1)
    url = pooler("session", more=f"default_pool_size = {room}")
    monkeypatch.setenv("DATABASE_URL", url)
    plays, tracks = plays_and_tracks
    with connect_several(5) as connections:
        assert len(connections) == taken
        psycopg2.connect(url).close()  # for one who asks whom the load waits for
    parts = [plays[:1000], plays[1000:]]
    assert load_frames(parts, tracks, schema="pooled", connections=5)["training_set"].rows == len(
        plays
    )


def test_a_pooler_that_cuts_idle_clients_is_connected_to_again(pooler):
    with open_locks(pooler("session", more="client_idle_timeout = 1")) as locks:
        locks.hold("a")
        time.sleep(2.5)
        assert locks.held(["a"]) == {"a"}
