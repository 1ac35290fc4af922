"""The tables in Postgres filled from parts: by several connections, and all or nothing.

The rows go into staging tables beside the tables, which get their keys when they are full. Then
they take the place and the names of the old ones in one transaction. Until then readers have the
old ones, and so they do after a load that was killed; the next one deletes what it left.
"""

import io
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import pandas as pd
import psycopg2
import pyarrow as pa
from psycopg2 import errors
from psycopg2.extensions import cursor as Cursor  # noqa: N812 (a class)
from psycopg2.sql import SQL, Composable, Composed, Identifier
from pyarrow import csv

from skipcast.artifacts import TableFingerprint
from skipcast.column import Column
from skipcast.database.server import Connection
from skipcast.database.tables import LOCK, TABLES, fingerprint
from skipcast.parts import Parts
from skipcast.reading.columns import ARROW_TYPES
from skipcast.schema import ALWAYS, TRACK

ROWS = 100_000  # that are turned into CSV at once
STAGING = "{table} load {process}"  # the number is that of the server's process
MEMORY = "256MB"  # of the server, to sort the rows for a key


def load_tables(
    connections: Sequence[Connection],
    plays: Parts,
    tracks: Iterable[pd.DataFrame],
    *,
    schema: str,
) -> dict[str, TableFingerprint]:
    """Replace the three tables of `schema` with `plays` and `tracks`; return their fingerprint.

    Args:
        connections: one or more, each of which copies a part at a time. The first one commits.
        plays: columns `schema.LOG`.
        tracks: columns `schema.TRACK`, each track of `plays` once.
        schema: the name of the database schema; it is made if need be.

    Returns:
        As `fingerprint`.

    Raises:
        SkipcastError: a part is missing or damaged.
        psycopg2.Error: the rows break a key, or the database fails.
    """
    connection = connections[0]
    with _alone(connection, schema), _staging(connection, schema) as names:
        for rows in tracks:
            for table in ("track_features", "acoustic_vectors"):
                _copy(connection, rows, TABLES[table][0], Identifier(schema, names[table]))
        connection.commit()
        _copy_parts(connections, plays, Identifier(schema, names["training_set"]))
        _add_keys(connection, schema, names)
        result = fingerprint(connection, schema=schema, names=names)
        connection.commit()
        _swap(connection, schema, names)
    return result


@contextmanager
def _alone(connection: Connection, schema: str) -> Iterator[None]:
    """Wait until nobody else loads into the schema, then do so alone."""
    name = LOCK.format(schema=schema)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (name,))
        connection.commit()
        try:
            yield
        finally:
            with suppress(psycopg2.Error):  # a connection that was cut holds no lock
                connection.rollback()
                cursor.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", (name,))
                connection.commit()


@contextmanager
def _staging(connection: Connection, schema: str) -> Iterator[dict[str, str]]:
    """Yield the names of new staging tables by those of `TABLES`; at the end, none is left."""
    names = {
        table: STAGING.format(table=table, process=connection.info.backend_pid) for table in TABLES
    }
    with connection.cursor() as cursor:
        cursor.execute(SQL("CREATE SCHEMA IF NOT EXISTS {}").format(Identifier(schema)))
        _drop(cursor, schema, _leftovers(cursor, schema))
        _try_to_drop(cursor, schema)
        for table, name in names.items():
            cursor.execute(_create(Identifier(schema, name), TABLES[table][0]))
        connection.commit()
        try:
            yield names
        finally:
            with suppress(psycopg2.Error):  # then the next load does it
                connection.rollback()
                _drop(cursor, schema, _leftovers(cursor, schema))
                connection.commit()


def _leftovers(cursor: Cursor, schema: str) -> list[str]:
    """Return the names of all staging tables; whoever asks is the only one who loads."""
    pattern = STAGING.format(table=f"({'|'.join(TABLES)})", process="[0-9]+")
    cursor.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = %s AND tablename ~ %s",
        (schema, f"^{pattern}$"),
    )
    return [name for (name,) in cursor.fetchall()]


def _drop(cursor: Cursor, schema: str, tables: Iterable[str]) -> None:
    names = [Identifier(schema, table) for table in tables]
    if names:
        cursor.execute(SQL("DROP TABLE IF EXISTS {}").format(SQL(", ").join(names)))


def _try_to_drop(cursor: Cursor, schema: str) -> None:
    """Find out now whether the old tables may be replaced at the end: views may depend on them."""
    cursor.execute("SAVEPOINT trial")
    cursor.execute("SET LOCAL lock_timeout = '100ms'")
    with suppress(errors.LockNotAvailable):  # somebody reads them; that will have ended
        _drop(cursor, schema, TABLES)
    cursor.execute("ROLLBACK TO trial")


def _create(table: Identifier, columns: Sequence[Column]) -> Composed:
    lines = [SQL("{} " + c.type + _constraint(c)).format(Identifier(c.name)) for c in columns]
    return SQL("CREATE TABLE {} ({})").format(table, SQL(", ").join(lines))


def _constraint(column: Column) -> str:
    return " NOT NULL" if column.name in (*ALWAYS, TRACK[0].name) else ""


def _copy_parts(connections: Sequence[Connection], plays: Parts, table: Identifier) -> None:
    """Copy all parts, each connection one at a time; an error ends all after their part."""
    numbers, failures = iter(range(len(plays))), list[BaseException]()

    def work(connection: Connection) -> None:
        try:
            for number in numbers:
                if failures:
                    break
                _copy(connection, plays.part(number), TABLES["training_set"][0], table)
                connection.commit()
        except BaseException as error:
            failures.append(error)
        finally:  # lest it keep whoever deletes the table waiting
            with suppress(psycopg2.Error):
                connection.rollback()

    with ThreadPoolExecutor(len(connections)) as pool:
        try:
            deque(pool.map(work, connections), maxlen=0)
        except BaseException as error:  # a user ends this process
            failures.append(error)
    if failures:  # what failed first is the reason why others did
        raise failures[0]


def _copy(
    connection: Connection, rows: pd.DataFrame, columns: Sequence[Column], table: Composable
) -> None:
    command = SQL("COPY {} FROM STDIN (FORMAT csv)").format(table)
    with connection.cursor() as cursor:
        for first in range(0, len(rows), ROWS):
            cursor.copy_expert(command, _as_csv(rows[first : first + ROWS], columns))


def _as_csv(rows: pd.DataFrame, columns: Sequence[Column]) -> io.BytesIO:
    buffer = io.BytesIO()
    types = pa.schema([(c.name, ARROW_TYPES[c.type]) for c in columns])  # pandas' have no null
    table = pa.Table.from_pandas(rows, types, preserve_index=False)
    csv.write_csv(table, buffer, csv.WriteOptions(include_header=False))
    buffer.seek(0)
    return buffer


def _add_keys(connection: Connection, schema: str, names: Mapping[str, str]) -> None:
    tables = {table: Identifier(schema, name) for table, name in names.items()}
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('maintenance_work_mem', %s, true)", (MEMORY,))
        for table, (_, keys) in TABLES.items():
            cursor.execute(SQL("ANALYZE {}").format(tables[table]))
            for key in keys:
                added = SQL(key).format(**tables)
                cursor.execute(SQL("ALTER TABLE {} ADD {}").format(tables[table], added))


def _swap(connection: Connection, schema: str, names: Mapping[str, str]) -> None:
    """Give the staging tables the place of the old ones, and the names that new ones would have."""
    with connection.cursor() as cursor:
        _drop(cursor, schema, TABLES)
        for table, name in names.items():
            renamed = SQL("ALTER TABLE {}").format(Identifier(schema, name))
            for constraint in _constraints(cursor, schema, name):
                new = constraint.replace(name, table)
                cursor.execute(
                    renamed
                    + SQL(" RENAME CONSTRAINT {} TO {}").format(*map(Identifier, (constraint, new)))
                )
            cursor.execute(renamed + SQL(" RENAME TO {}").format(Identifier(table)))
    connection.commit()


def _constraints(cursor: Cursor, schema: str, table: str) -> list[str]:
    cursor.execute(
        "SELECT conname FROM pg_constraint JOIN pg_class ON pg_class.oid = conrelid "
        "WHERE relnamespace = %s::regnamespace AND relname = %s",
        (f'"{schema}"', table),
    )
    return [name for (name,) in cursor.fetchall()]
