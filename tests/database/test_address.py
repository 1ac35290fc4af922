"""Addresses in other clients' spelling, the places that messages name, and passwords in neither."""

import pytest
from psycopg2.extensions import parse_dsn

from skipcast.database.address import describe_server, parts_of, read_address
from skipcast.errors import SkipcastError

PLAIN = "postgresql://me:secret@db.example:5433/music"


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        "postgres://me:secret@db.example:5433/music",
        "postgresql+psycopg2://me:secret@db.example:5433/music",
        "postgresql+asyncpg://me:secret@db.example:5433/music",
        "postgres://me:secret@db.example:5433/music?schema=public&connection_limit=5&pgbouncer=true",
        "jdbc:postgresql://db.example:5433/music?user=me&password=secret",
        "postgis://me:secret@db.example:5433/music",
        f'"{PLAIN}"',  # a file of variables that Docker reads
        f" {PLAIN}\n",  # a file of a secret
        "host=db.example port=5433 user=me password='secret' dbname=music",
        "postgresql://me:secret@/music?host=db.example:5433",  # SQLAlchemy's
    ],
)
def test_an_address_in_any_clients_spelling_is_read(text):
    assert parts_of(text) == parse_dsn(PLAIN)
    assert describe_server(text) == "db.example:5433/music"


def test_what_libpq_knows_is_kept():
    text = "postgres://me@db/m?schema=public&sslmode=verify-full&sslrootcert=/a%20b.pem&ssl=true"
    assert read_address(text) == text.replace("postgres:", "postgresql:").replace(
        "schema=public&", ""
    )


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("postgresql://me:pw@/music?host=/run/postgresql", "/run/postgresql:5432/music"),
        ("postgresql+psycopg2://%2Frun%2Fpg:5433/music", "/run/pg:5433/music"),
        ("host=/tmp user=me dbname=music", "/tmp:5432/music"),
        ("postgresql://me@a:1,b:2/music", "a:1,b:2/music"),
        ("postgresql://me@a,b/music", "a:5432,b:5432/music"),
        ("postgresql+psycopg2://me:pw@/music?host=a:1&host=b:2", "a:1,b:2/music"),
        ("postgresql+psycopg2://me:pw@/music?host=a&host=b", "a:5432,b:5432/music"),
        ("postgresql://me@[::1]:5433/music", "[::1]:5433/music"),
        ("postgresql://me:pw@10.0.0.1", "10.0.0.1:5432"),
        ("hostaddr=10.0.0.1 dbname=music", "10.0.0.1:5432/music"),
        ("service=prod password=secret", "service prod"),
        ("postgresql:///music", "localhost:5432/music"),
    ],
)
def test_the_place_is_where_libpq_connects(text, place, monkeypatch):
    for name in ("PGHOST", "PGPORT", "PGDATABASE", "PGSERVICE"):
        monkeypatch.delenv(name, raising=False)
    assert describe_server(text) == place


def test_the_place_is_that_of_libpqs_variables_where_the_address_has_none(monkeypatch):
    for name, value in {"PGHOST": "db", "PGPORT": "5433", "PGDATABASE": "music"}.items():
        monkeypatch.setenv(name, value)
    assert describe_server("postgresql://me:secret@") == "db:5433/music"


@pytest.mark.parametrize(
    "text",
    [
        "postgres:/me:secret@host/db",
        "postgresql://me:secret@word@host/db",
        "postgresql://me:secret/word@host/db",
        "postgresql://me:1234/secret@host/db",
        "postgresql://me:secret?word@host/db",
        "postgresql://me:x?secret=1@host/db",
        "postgresql://me:100%secret@host/db",
        "postgresql://me:secret@host:port/db",
        "mysql://me:secret@host/db",
        "me:secret@host:5432/db",
        "host=db password=my secret",
        "password=secret host",
        "postgresql://me:secret@[::1/db",
        "postgresql://me:secret\udcff@host/db",
    ],
)
def test_an_address_that_cannot_be_read_is_told_without_a_part_of_it(text):
    with pytest.raises(SkipcastError, match="must read postgresql://user:pass") as error:
        describe_server(text)
    message = str(error.value).replace("password", "")
    assert not any(part in message for part in ("secret", "word", "1234"))


def test_a_password_is_read_as_the_message_says_to_write_it():
    written = "a%25b%40c%2Fd%3Ae%3Ff%23g%20h"
    assert parts_of(f"postgresql://me:{written}@host/db")["password"] == "a%b@c/d:e?f#g h"


def test_an_option_that_libpq_does_not_know_is_named_and_the_remedy_works():
    text = "postgresql+asyncpg://me:secret@host/db?ssl=require"
    with pytest.raises(SkipcastError, match="but got ssl") as error:
        read_address(text)
    assert "sslmode=require" in str(error.value)
    assert parts_of(text.replace("ssl=", "sslmode="))["sslmode"] == "require"
