import ctypes
import socket
import threading
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from skipcast.database.address import describe_server
from skipcast.database.server import (
    connect,
    connect_several,
    open_connection,
    open_in_schema,
    place,
    readable_errors,
)
from skipcast.errors import SkipcastError


def query(statement: str) -> object:
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()


def table_exists(name: str) -> bool:
    return query(f"SELECT to_regclass('{name}')") != (None,)


@pytest.mark.usefixtures("postgres")
def test_a_connection_commits_at_the_end():
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE committed (a int)")
    assert table_exists("committed")


@pytest.mark.usefixtures("postgres")
def test_a_connection_rolls_back_on_an_error():
    def fail():
        with connect() as connection:
            connection.cursor().execute("CREATE TABLE rolled_back (a int)")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk"):
        fail()
    assert not table_exists("rolled_back")


@pytest.mark.usefixtures("postgres")
def test_an_error_of_the_database_is_one_that_users_can_read():
    with pytest.raises(SkipcastError, match="embedded must do what it is asked but failed"):
        query("SELECT nonsense")


def test_an_error_of_the_database_is_found_behind_that_of_a_library(postgres):
    error = RuntimeError("the library's")
    error.__cause__ = psycopg2.OperationalError("the database's own")
    with pytest.raises(SkipcastError, match="the database's own"), readable_errors(postgres):
        raise error


def test_an_error_of_something_else_stays_as_it_is(postgres):
    with pytest.raises(ZeroDivisionError), readable_errors(postgres):
        _ = 1 / 0


@pytest.mark.parametrize(("room", "taken"), [(1, 1), (2, 1), (3, 2), (9, 4)])
def test_several_connections_are_as_many_as_there_is_room_for(postgres, monkeypatch, room, taken):
    """Beside one that is left free."""
    query(f"DROP ROLE IF EXISTS few; CREATE ROLE few LOGIN CONNECTION LIMIT {room}; SELECT 1")
    monkeypatch.setenv("DATABASE_URL", postgres.replace("postgres@", "few@"))
    with connect_several(4) as connections:
        assert len(connections) == taken


def test_what_failed_first_is_told_where_the_connection_was_cut_then(postgres):
    def fail():
        with connect() as connection:
            connection.close()
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk"):
        fail()


def test_names_without_a_schema_are_of_the_schema_that_was_opened(postgres):
    with closing(open_in_schema(postgres, "mine")) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE here (a int)")
        cursor.execute("SELECT to_regclass('mine.here')::text")
        assert cursor.fetchone() == ("here",)


@pytest.fixture
def silent_url(monkeypatch):
    """Yield the URL of a port where nobody answers."""
    with socket.socket() as free:  # bound and not listening
        free.bind(("127.0.0.1", 0))
        url = f"postgresql://me:secret-word@127.0.0.1:{free.getsockname()[1]}/db"
        monkeypatch.setenv("DATABASE_URL", url)
        yield url


def test_a_server_that_does_not_answer_is_named_without_its_password(silent_url):
    with pytest.raises(SkipcastError) as error, connect():
        pass
    assert f"{describe_server(silent_url)} does not" in str(error.value)
    assert "secret-word" not in str(error.value)


@pytest.fixture
def guarded_url(postgres, monkeypatch):
    """Yield a URL with a wrong password; the server of the tests trusts all other users."""
    folder = psycopg2.extensions.parse_dsn(postgres)["host"]
    with psycopg2.connect(postgres) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW hba_file")
        hba = Path(cursor.fetchone()[0])
        cursor.execute("DROP ROLE IF EXISTS guarded")
        cursor.execute("CREATE ROLE guarded LOGIN PASSWORD 'right'")
    rules = hba.read_text()
    try:
        hba.write_text("local all guarded scram-sha-256\n" + rules)
        reload_rules(postgres)
        url = f"postgresql://guarded:secret-word@/postgres?host={folder}"
        monkeypatch.setenv("DATABASE_URL", url)
        yield url
    finally:
        hba.write_text(rules)
        reload_rules(postgres)


def reload_rules(url: str) -> None:
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_reload_conf()")


@pytest.mark.usefixtures("guarded_url")
def test_a_wrong_password_is_not_printed():
    with pytest.raises(SkipcastError, match="password authentication failed") as error, connect():
        pass
    assert "secret-word" not in str(error.value)


@pytest.mark.parametrize("password", ["database", "a", "for", "p%40ss%2Fword", "100%25"])
def test_a_password_changes_nothing_of_a_message(guarded_url, password, monkeypatch):
    def message(url: str) -> str:
        with pytest.raises(SkipcastError) as error, closing(open_connection(url)):
            pass
        return str(error.value)

    expected = message(guarded_url)
    assert message(guarded_url.replace("secret-word", password)) == expected
    without = guarded_url.replace(":secret-word", "")
    monkeypatch.setenv("PGPASSWORD", password)
    assert message(without) == expected
    assert message(f"{without}&sslpassword=secret-word") == expected


def test_a_password_of_a_service_file_is_not_printed(guarded_url, tmp_path, monkeypatch):
    parts = psycopg2.extensions.parse_dsn(guarded_url)
    lines = "\n".join(f"{name}={value}" for name, value in parts.items())
    (tmp_path / "services").write_text(f"[prod]\n{lines}\n")
    monkeypatch.setenv("PGSERVICEFILE", str(tmp_path / "services"))
    monkeypatch.setenv("DATABASE_URL", "service=prod")
    with pytest.raises(SkipcastError, match=r"service prod does not: .*authentication") as error:
        query("SELECT 1")
    assert "secret-word" not in str(error.value)


def keeps_what_is_not_utf_8() -> bool:
    """Tell what this Python does of an error's text, as psycopg2 asks: Debian's 3.11.2 loses it."""
    try:
        ctypes.pythonapi.PyErr_SetString(ctypes.py_object(LookupError), b"\xfc")
    except LookupError:
        return False
    except UnicodeDecodeError:
        return True
    raise AssertionError


def test_a_message_that_is_not_utf_8_is_read_as_far_as_it_goes():
    """A server that refuses a connection has not said its encoding yet."""
    expected = r"Passwort f.r .me. falsch" if keeps_what_is_not_utf_8() else "that is not UTF-8\n"
    refusal = "SFATAL\0C28P01\0MPasswort f\u00fcr \u00bbme\u00ab falsch\0\0".encode("latin-1")
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            client, _ = listener.accept()
            with client:
                client.recv(1000)
                client.sendall(b"E" + (len(refusal) + 4).to_bytes(4, "big") + refusal)

        threading.Thread(target=refuse, daemon=True).start()
        url = f"postgresql://me@127.0.0.1:{listener.getsockname()[1]}/db?sslmode=disable"
        with pytest.raises(SkipcastError, match=expected):
            open_connection(f"{url}&gssencmode=disable")


@pytest.mark.parametrize("spelling", ["postgresql+psycopg2", "postgres"])
def test_a_server_over_a_unix_socket_is_used_and_named(postgres, spelling, tmp_path, monkeypatch):
    """Not the embedded one: whose folder has another name."""
    folder = psycopg2.extensions.parse_dsn(postgres)["host"]
    (tmp_path / "pg").symlink_to(folder)
    url = f"{spelling}://postgres@/postgres?host={tmp_path}/pg&connection_limit=3"
    monkeypatch.setenv("DATABASE_URL", url)
    assert query("SELECT 1") == (1,)
    with pytest.raises(SkipcastError, match=f"The database {tmp_path}/pg:5432/postgres must"):
        query("SELECT nonsense")


@pytest.mark.usefixtures("postgres")
def test_names_of_tables_are_not_taken_for_passwords(monkeypatch, postgres):
    monkeypatch.setenv("DATABASE_URL", postgres.replace("postgres@", "postgres:nonsense@"))
    with pytest.raises(SkipcastError, match='column "nonsense" does not exist'):
        query("SELECT nonsense")


def test_the_place_has_neither_user_nor_password(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:secret@db.example:5433/music")
    assert place() == "db.example:5433/music"


@pytest.mark.parametrize("value", ["", " "])
def test_the_place_without_a_url_is_the_embedded_server(value, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", value)
    assert place() == "embedded"
