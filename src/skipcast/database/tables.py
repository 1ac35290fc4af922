"""The three tables in Postgres: filled by COPY, compared by fingerprint, read in session order."""

import io

import pandas as pd
import pyarrow as pa
from psycopg2.sql import SQL, Composed, Identifier, Literal
from pyarrow import csv

from skipcast.artifacts import LoadReceipt, TableFingerprint
from skipcast.column import Column
from skipcast.database.server import Connection
from skipcast.errors import SkipcastError
from skipcast.files import csv_conversion
from skipcast.reading.columns import ARROW_TYPES
from skipcast.schema import ACOUSTIC_VECTORS, ALWAYS, LOG, TRACK, TRACK_FEATURES, names

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
"""The source article's tables, with columns and keys, in an order that their keys allow to fill."""


def load_tables(
    connection: Connection, plays: pd.DataFrame, tracks: pd.DataFrame, *, schema: str
) -> dict[str, TableFingerprint]:
    """Replace the three tables of `schema` with `plays` and `tracks`; return their fingerprint.

    Args:
        connection: all happens in its transaction.
        plays: columns `schema.LOG`.
        tracks: columns `schema.TRACK`, each track of `plays` once.
        schema: the name of the database schema; it is made if need be.

    Returns:
        As `fingerprint`.

    Raises:
        psycopg2.Error: the rows break a key, or the database fails.
    """
    with connection.cursor() as cursor:
        cursor.execute(SQL("CREATE SCHEMA IF NOT EXISTS {}").format(Identifier(schema)))
        for table in reversed(TABLES):
            cursor.execute(SQL("DROP TABLE IF EXISTS {}").format(Identifier(schema, table)))
        for table, (columns, keys) in TABLES.items():
            cursor.execute(_create(schema, table, columns, keys))
            rows = plays if columns is LOG else tracks
            cursor.copy_expert(
                SQL("COPY {} FROM STDIN (FORMAT csv)").format(Identifier(schema, table)),
                _as_csv(rows, columns),
            )
    return fingerprint(connection, schema=schema)


def _create(
    schema: str, table: str, columns: tuple[Column, ...], keys: tuple[str, ...]
) -> Composed:
    lines = [SQL("{} " + c.type + _constraint(c)).format(Identifier(c.name)) for c in columns]
    lines += [SQL(key).format(schema=Identifier(schema)) for key in keys]
    return SQL("CREATE TABLE {} ({})").format(Identifier(schema, table), SQL(", ").join(lines))


def _constraint(column: Column) -> str:
    return " NOT NULL" if column.name in (*ALWAYS, TRACK[0].name) else ""


def _as_csv(rows: pd.DataFrame, columns: tuple[Column, ...]) -> io.BytesIO:
    buffer = io.BytesIO()
    types = pa.schema([(c.name, ARROW_TYPES[c.type]) for c in columns])  # pandas' have no null
    table = pa.Table.from_pandas(rows, types, preserve_index=False)
    csv.write_csv(table, buffer, csv.WriteOptions(include_header=False))
    buffer.seek(0)
    return buffer


def fingerprint(connection: Connection, *, schema: str) -> dict[str, TableFingerprint]:
    """Return the number of rows and a hash of the content of each table.

    The server computes the hash. It differs with a value of one field or with a row more or less,
    and is the same for any order of the rows.

    Args:
        connection: to the database.
        schema: the database schema of the tables.

    Returns:
        By table, `rows` and `hash`.

    Raises:
        SkipcastError: a table is missing; the message names the remedy.
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
            result[table] = TableFingerprint(rows=rows, hash=content)
    return result


def check_receipt(connection: Connection, receipt: LoadReceipt) -> None:
    """Check that the tables are those that the stage `load` wrote its receipt for.

    Args:
        connection: to the database.
        receipt: what `load` wrote.

    Raises:
        SkipcastError: a table is missing or differs; the message names it and the remedy.
    """
    present = fingerprint(connection, schema=receipt.schema_)
    for table, expected in receipt.tables.items():
        if present[table] != expected:
            raise SkipcastError(
                f"Table {receipt.schema_}.{table} must hold what was loaded, "
                f"{expected.rows} rows of hash {expected.hash}, but got "
                f"{present[table].rows} of {present[table].hash}: it was edited, or this is "
                f"another database. {LOAD_AGAIN}"
            )


def read_plays(
    connection: Connection, *, schema: str, sessions: list[str] | None = None
) -> pd.DataFrame:
    """Read plays with the features of their tracks, in order of session and position.

    Args:
        connection: to the database.
        schema: the database schema of the tables.
        sessions: ids of those to read; None reads all.

    Returns:
        Columns `schema.LOG`, then `schema.TRACK` without track_id.
    """
    columns = LOG + TRACK[1:]
    query = SQL(
        """COPY (
            SELECT {columns} FROM {plays}
            JOIN {features} f ON f.track_id = track_id_clean
            JOIN {vectors} v ON v.track_id = track_id_clean
            {where} ORDER BY session_id COLLATE "C", session_position
        ) TO STDOUT (FORMAT csv, HEADER)"""
    ).format(
        columns=SQL(", ").join(map(Identifier, names(columns))),
        plays=Identifier(schema, "training_set"),
        features=Identifier(schema, "track_features"),
        vectors=Identifier(schema, "acoustic_vectors"),
        where=SQL("" if sessions is None else "WHERE session_id = ANY({})").format(
            Literal(sessions)
        ),
    )
    buffer = io.BytesIO()
    with connection.cursor() as cursor:
        cursor.copy_expert(query, buffer)
    buffer.seek(0)
    plays: pd.DataFrame = csv.read_csv(buffer, convert_options=csv_conversion(columns)).to_pandas()
    return plays
