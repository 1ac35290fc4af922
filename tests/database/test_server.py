import os
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from skipcast.database.server import (
    connect,
    describe_server,
    open_in_schema,
    place,
    readable_errors,
    server,
)
from skipcast.errors import SkipcastError


@pytest.fixture
def url(postgres, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", postgres)
    return postgres


def query(statement: str) -> object:
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()


def table_exists(name: str) -> bool:
    return query(f"SELECT to_regclass('{name}')") != (None,)


@pytest.mark.usefixtures("url")
def test_a_connection_commits_at_the_end():
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE committed (a int)")
    assert table_exists("committed")


@pytest.mark.usefixtures("url")
def test_a_connection_rolls_back_on_an_error():
    def fail():
        with connect() as connection:
            connection.cursor().execute("CREATE TABLE rolled_back (a int)")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk"):
        fail()
    assert not table_exists("rolled_back")


@pytest.mark.usefixtures("url")
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


def test_a_url_that_cannot_be_read_is_not_printed(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgres:/me:secret@host/db")
    with pytest.raises(SkipcastError, match="must read postgresql://") as error, connect():
        pass
    assert "secret" not in str(error.value)


def test_the_place_has_neither_user_nor_password(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:secret@db.example:5433/music")
    assert place() == "db.example:5433/music"


def test_the_place_without_a_url_is_the_embedded_server(monkeypatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    assert place() == "embedded"


def test_a_url_without_a_port_has_the_usual_one():
    assert describe_server("postgresql://db.example/music") == "db.example:5432/music"


@pytest.fixture
def embedded(monkeypatch, tmp_path):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path / ".postgres"


def test_the_embedded_server_keeps_its_data_in_a_folder(embedded):
    assert query("SELECT 1") == (1,)
    assert embedded.is_dir()


def test_the_embedded_server_ends_with_its_last_user(embedded):
    with server() as url:
        pass
    assert not (embedded / "postmaster.pid").exists()
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(url)


def test_the_embedded_server_ends_though_another_user_was_killed(embedded):
    program = (
        "import os\nfrom skipcast.database.server import server\n"
        "with server():\n    os._exit(9)  # as a killed process: without a farewell\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "DATABASE_URL"}
    subprocess.run([sys.executable, "-c", program], check=False, env=environment)
    assert (embedded / "postmaster.pid").exists()
    with server():
        pass
    assert not (embedded / "postmaster.pid").exists()
