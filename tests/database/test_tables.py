import socket
from pathlib import Path

import pandas as pd
import psycopg2
import pytest

from skipcast.artifacts import LoadReceipt
from skipcast.database import tables as database
from skipcast.errors import SkipcastError

EMPTY = LoadReceipt(database="embedded", schema="skipcast", synthetic=True, tables={})


@pytest.fixture
def server(postgres, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", postgres)


def load(plays_and_tracks, schema="skipcast"):
    with database.connect() as connection:
        tables = database.load_tables(connection, *plays_and_tracks, schema=schema)
    return receipt_of(tables, schema)


def receipt_of(tables, schema="skipcast"):
    return LoadReceipt(database="embedded", schema=schema, synthetic=True, tables=tables)


def check(receipt):
    with database.connect() as connection:
        database.check_receipt(connection, receipt)


def execute(query):
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(query)


def test_reads_back_what_was_loaded(server, plays_and_tracks, plays):
    load(plays_and_tracks)
    with database.connect() as connection:
        read = database.read_plays(connection, schema="skipcast")
    pd.testing.assert_frame_equal(read, plays)


def test_tables_have_the_articles_keys_and_types(server, plays_and_tracks):
    load(plays_and_tracks)
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, count(*) FROM information_schema.columns "
            "WHERE table_schema = 'skipcast' GROUP BY 1 ORDER BY 1"
        )
        assert cursor.fetchall() == [
            ("acoustic_vectors", 9),
            ("track_features", 22),
            ("training_set", 21),
        ]
        cursor.execute(
            "SELECT DISTINCT data_type FROM information_schema.columns "
            "WHERE table_schema = 'skipcast' ORDER BY 1"
        )
        types = [row[0] for row in cursor.fetchall()]
        assert types == ["bigint", "boolean", "double precision", "text"]
        cursor.execute(
            "SELECT conrelid::regclass::text, contype FROM pg_constraint "
            "WHERE contype IN ('p', 'f') AND connamespace = 'skipcast'::regnamespace ORDER BY 1, 2"
        )
        assert cursor.fetchall() == [
            ("skipcast.acoustic_vectors", "f"),
            ("skipcast.acoustic_vectors", "p"),
            ("skipcast.track_features", "p"),
            ("skipcast.training_set", "f"),
            ("skipcast.training_set", "p"),
        ]


def test_loading_again_gives_the_same_receipt_whatever_the_order_of_rows(server, plays_and_tracks):
    plays, tracks = plays_and_tracks
    assert load((plays, tracks)) == load((plays[::-1], tracks[::-1]))


def test_a_failed_load_leaves_the_previous_tables(server, plays_and_tracks):
    plays, tracks = plays_and_tracks
    receipt = load((plays, tracks))
    with pytest.raises(
        SkipcastError, match=r"violates foreign key[\s\S]*Nothing that was under way was written"
    ):
        load((plays, tracks[1:]))
    check(receipt)


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE skipcast.training_set SET skip_2 = NOT skip_2 WHERE session_position = 1 "
        "AND session_id = (SELECT min(session_id) FROM skipcast.training_set)",
        "DELETE FROM skipcast.training_set WHERE session_position = 20",
        "DROP TABLE skipcast.acoustic_vectors",
        "DROP SCHEMA skipcast CASCADE",
    ],
)
def test_an_edited_database_is_told_with_its_remedy(server, plays_and_tracks, edit):
    receipt = load(plays_and_tracks)
    check(receipt)
    execute(edit)
    with pytest.raises(SkipcastError, match="dvc repro --force load"):
        check(receipt)


def test_a_server_that_does_not_answer_is_told_without_the_password(monkeypatch):
    with socket.socket() as free:  # bound and not listening: nobody answers
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        url = f"postgresql://me:secret-word@127.0.0.1:{port}/db"
        monkeypatch.setenv("DATABASE_URL", url)
        with pytest.raises(SkipcastError, match=f"127.0.0.1:{port}/db does not") as caught:
            check(EMPTY)
    assert "secret-word" not in str(caught.value)


def test_a_wrong_password_is_not_printed(postgres, monkeypatch):
    """The server of the tests trusts everyone; one role gets a password that is asked for."""
    parts = psycopg2.extensions.parse_dsn(postgres)
    folder = parts["host"]
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
        with pytest.raises(SkipcastError, match="password authentication failed") as caught:
            check(EMPTY)
        assert "secret-word" not in str(caught.value)
        assert "secret-word" not in database.place()
    finally:
        hba.write_text(rules)
        reload_rules(postgres)


def reload_rules(url):
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_reload_conf()")


def test_a_url_that_cannot_be_read_is_not_printed(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgres:/me:secret@host/db")
    with pytest.raises(SkipcastError, match="must read postgresql://") as caught:
        check(EMPTY)
    assert "secret" not in str(caught.value)


def test_place_has_neither_user_nor_password(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:secret@db.example:5433/music")
    assert database.place() == "db.example:5433/music"
    monkeypatch.delenv("DATABASE_URL")
    assert database.place() == "embedded"


def test_without_a_url_an_embedded_server_keeps_the_tables(monkeypatch, tmp_path, plays_and_tracks):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.chdir(tmp_path)
    receipt = load(plays_and_tracks)
    check(receipt)
    assert (tmp_path / ".postgres").is_dir()
