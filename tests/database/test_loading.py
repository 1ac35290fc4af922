"""Loads by several connections that are all or nothing, wherever they end."""

import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pandas as pd
import pytest
from harness.tables import load_frames

from skipcast.database import cluster, loading
from skipcast.database.embedded import running
from skipcast.database.loading import load_tables
from skipcast.database.server import connect, connect_several
from skipcast.database.tables import fingerprint
from skipcast.errors import SkipcastError
from skipcast.parts import Parts, cut, write_parts

pytestmark = pytest.mark.usefixtures("postgres")
SCHEMA = "parts"
CHILD = """
import signal, sys, threading
from pathlib import Path
import pandas as pd
from skipcast.database import loading
from skipcast.database.server import connect_several
from skipcast.parts import Parts

moment, plays, tracks, schema = sys.argv[1:]
interrupted = threading.Event()

def interrupt(*arguments):
    interrupted.set()
    signal.default_int_handler(*arguments)

def stop(*arguments, **options):
    print("here", flush=True)
    interrupted.wait(60)

signal.signal(signal.SIGINT, interrupt)

if moment == "_swap":  # all is renamed, nothing committed
    def swap(connection, *arguments):
        class Uncommitted:
            def __getattr__(self, name):
                return stop if name == "commit" else getattr(connection, name)
        whole_swap(Uncommitted(), *arguments)
    whole_swap, loading._swap = loading._swap, swap
elif moment == "a part":
    part, Parts.part = Parts.part, lambda self, n: stop() if n == 2 else part(self, n)
else:
    setattr(loading, moment, stop)
with connect_several(2) as connections:
    loading.load_tables(
        connections, Parts.read(Path(plays), made_by="fetch"), [pd.read_parquet(tracks)],
        schema=schema,
    )
"""
MOMENTS = ("_copy", "a part", "_add_keys", "fingerprint", "_swap")


@pytest.fixture(scope="module")
def frames(plays_and_tracks):
    """Return the plays in seven parts."""
    plays = plays_and_tracks[0].sort_values(["session_id", "session_position"], ignore_index=True)
    return list(cut(plays, rows=len(plays) // 7))


@pytest.fixture(scope="module")
def tracks(plays_and_tracks):
    return plays_and_tracks[1]


@pytest.fixture
def files(frames, tmp_path) -> Parts:
    """Return the parts as the stage `fetch` leaves them."""
    return write_parts(tmp_path / "plays", frames, made_by="fetch")


@pytest.fixture
def before(frames, tracks):
    """Load other plays; return their fingerprint."""
    return load_frames([frames[0].assign(hour_of_day=3)], tracks, schema=SCHEMA)


def query(statement):
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else None


def present():
    """Return the fingerprint of the tables that are there."""
    with connect() as connection:
        return fingerprint(connection, schema=SCHEMA)


def tables():
    return [
        name
        for (name,) in query(
            f"SELECT tablename::text FROM pg_tables WHERE schemaname = '{SCHEMA}' ORDER BY 1"
        )
    ]


THREE = ["acoustic_vectors", "track_features", "training_set"]


def relations(schema):
    """Return the names of all tables, indexes, constraints and types of a schema."""
    return query(
        f"""SELECT relkind::text, relname::text FROM pg_class
        WHERE relnamespace = '{schema}'::regnamespace AND relkind <> 't'
        UNION SELECT contype::text, conname::text FROM pg_constraint
        WHERE connamespace = '{schema}'::regnamespace
        UNION SELECT 'type', typname::text FROM pg_type
        WHERE typnamespace = '{schema}'::regnamespace ORDER BY 1, 2"""
    )


@pytest.mark.parametrize("connections", [1, 2, 5])
def test_any_number_of_connections_loads_the_same(frames, tracks, before, connections):
    loaded = load_frames(frames, tracks, schema=SCHEMA, connections=connections)
    assert loaded == load_frames([pd.concat(frames)], tracks, schema="at_once") == present()
    assert loaded != before


def test_a_second_load_leaves_the_names_that_postgres_gives(frames, tracks):
    for _ in range(2):
        load_frames(frames[:1], tracks, schema=SCHEMA)
    query(
        "DROP SCHEMA IF EXISTS named CASCADE; CREATE SCHEMA named;"
        "CREATE TABLE named.track_features"
        " (LIKE parts.track_features, PRIMARY KEY (track_id));"
        "CREATE TABLE named.acoustic_vectors (LIKE parts.acoustic_vectors, PRIMARY KEY (track_id),"
        " FOREIGN KEY (track_id) REFERENCES named.track_features);"
        "CREATE TABLE named.training_set"
        " (LIKE parts.training_set, PRIMARY KEY (session_id, session_position),"
        " FOREIGN KEY (track_id_clean) REFERENCES named.track_features)"
    )
    assert relations(SCHEMA) == relations("named")


@pytest.fixture
def end_at(files, tracks, tmp_path):
    """Return a function that starts a load and sends it a signal at a moment."""
    path = tmp_path / "tracks.parquet"
    tracks.to_parquet(path)

    def end(moment: str, number: signal.Signals) -> None:
        command = [sys.executable, "-c", CHILD, moment, files.folder, path, SCHEMA]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as child:
            assert child.stdout
            assert child.stdout.readline() == "here\n"
            child.send_signal(number)
            child.wait(30)

    return end


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_load_that_is_killed_leaves_the_old_tables_and_the_next_one_no_rest(
    end_at, frames, tracks, before, moment
):
    end_at(moment, signal.SIGKILL)
    assert present() == before
    assert len(tables()) > len(THREE)  # so that there is something to delete
    assert load_frames(frames, tracks, schema=SCHEMA) == present() != before
    assert tables() == THREE


@pytest.mark.parametrize("moment", ["a part", "_add_keys"])
def test_a_load_that_a_user_ends_leaves_the_old_tables_and_no_rest(end_at, before, moment):
    end_at(moment, signal.SIGINT)
    assert present() == before
    assert tables() == THREE


def spoil(files: Parts, kind: str) -> None:
    path = files.folder / "part-00005.parquet"
    if kind == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize("kind", ["missing", "damaged"])
@pytest.mark.parametrize("connections", [1, 2])
def test_a_part_that_cannot_be_read_is_named(files, tracks, before, kind, connections):
    spoil(files, kind)
    with (
        pytest.raises(SkipcastError, match=r"part-00005.parquet must .*--force fetch"),
        connect_several(connections) as opened,
    ):
        load_tables(opened, files, [tracks], schema=SCHEMA)
    assert present() == before
    assert tables() == THREE


@pytest.mark.parametrize(
    ("broken", "told"),
    [("unknown track", "violates foreign key"), ("play twice", "could not create unique index")],
)
def test_rows_that_break_a_key_leave_the_old_tables(frames, tracks, before, broken, told):
    if broken == "play twice":
        frames = [*frames, frames[0][:1]]
    else:
        tracks = tracks[tracks["track_id"] != frames[3]["track_id_clean"][0]]
    with pytest.raises(SkipcastError, match=told):
        load_frames(frames, tracks, schema=SCHEMA, connections=2)
    assert present() == before
    assert tables() == THREE


def test_two_loads_at_once_come_one_after_the_other(frames, tracks, before):
    results = []

    def load(parts):
        results.append(load_frames(parts, tracks, schema=SCHEMA, connections=2))

    threads = [threading.Thread(target=load, args=(frames[n:],)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(results) == len(threads)
    assert present() in results
    assert tables() == THREE


@pytest.mark.parametrize("which", ["first", "another"])
def test_a_connection_that_is_cut_leaves_the_old_tables(
    files, frames, tracks, before, which, monkeypatch
):
    read, victims = Parts.part, []

    def cut_then_read(self, number, columns=None):
        if number == 3:
            query(f"SELECT pg_terminate_backend({victims[which == 'another']}, 5000)")
        return read(self, number, columns)

    def load():
        with connect_several(2) as opened:
            victims.extend(connection.info.backend_pid for connection in opened)
            load_tables(opened, files, [tracks], schema=SCHEMA)

    monkeypatch.setattr(Parts, "part", cut_then_read)
    told = "terminating connection|server closed the connection"  # what the client hears first
    with pytest.raises(SkipcastError, match=told):
        load()
    assert present() == before


def test_a_server_that_stops_leaves_the_old_tables_and_the_next_load_no_rest(
    frames, tracks, monkeypatch
):
    read = Parts.part

    def stop_then_read(self, number, columns=None):
        if number == 3:
            cluster.stop(folder)
        return read(self, number, columns)

    with tempfile.TemporaryDirectory(prefix="skipcast-") as name:
        folder = Path(name, "postgres")
        with running(folder) as url, monkeypatch.context() as patch:
            monkeypatch.setenv("DATABASE_URL", url)
            before = load_frames(frames[:1], tracks, schema=SCHEMA)
            patch.setattr(Parts, "part", stop_then_read)
            with pytest.raises(SkipcastError, match="The database embedded must do"):
                load_frames(frames, tracks, schema=SCHEMA, connections=2)
        with running(folder) as url:
            monkeypatch.setenv("DATABASE_URL", url)
            assert present() == before
            assert len(tables()) > len(THREE)
            assert load_frames(frames, tracks, schema=SCHEMA, connections=2) == present()
            assert tables() == THREE


def test_a_view_that_depends_on_a_table_is_told_before_anything_is_read(files, tracks, before):
    query("CREATE VIEW parts.skips AS SELECT avg(skip_2::int) FROM parts.training_set")
    spoil(files, "missing")
    try:
        with (
            pytest.raises(SkipcastError, match=r"(?s)cannot drop .*view parts.skips depends"),
            connect() as connection,
        ):
            load_tables([connection], files, [tracks], schema=SCHEMA)
    finally:
        query("DROP VIEW parts.skips")
    assert present() == before
    assert tables() == THREE


def test_who_may_read_new_tables_of_the_schema_may_read_those_of_a_load(frames, tracks, before):
    query("DROP ROLE IF EXISTS reader; CREATE ROLE reader")
    query(f"ALTER DEFAULT PRIVILEGES IN SCHEMA {SCHEMA} GRANT SELECT ON TABLES TO reader")
    try:
        load_frames(frames[:1], tracks, schema=SCHEMA)
        assert query(f"SELECT has_table_privilege('reader', '{SCHEMA}.training_set', 'SELECT')")[0][
            0
        ]
    finally:
        query("DROP OWNED BY reader; DROP ROLE reader")


def test_readers_have_the_old_tables_while_new_ones_are_loaded(files, tracks, before, monkeypatch):
    keys, seen = loading._add_keys, []  # noqa: SLF001

    def look(*arguments):
        seen.append(present())
        keys(*arguments)

    monkeypatch.setattr(loading, "_add_keys", look)
    with connect() as connection:
        load_tables([connection], files, [tracks], schema=SCHEMA)
    assert seen == [before]
    assert present() != before
