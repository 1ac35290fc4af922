"""The three tables: their columns and keys in Postgres, and the fingerprint of what they hold."""

from collections.abc import Mapping
from pathlib import Path

from psycopg2.sql import SQL, Identifier

from skipcast.artifacts import LoadReceipt, TableFingerprint
from skipcast.column import Column
from skipcast.database.server import Connection
from skipcast.errors import SkipcastError
from skipcast.files import count_rows, hash_file
from skipcast.parts import Parts
from skipcast.schema import ACOUSTIC_VECTORS, LOG, TRACK, TRACK_FEATURES

LOAD_AGAIN = "`dvc repro --force load` loads the tables again."

TRACK_KEY = "PRIMARY KEY (track_id)"
TABLES: Mapping[str, tuple[tuple[Column, ...], tuple[str, ...]]] = {
    "track_features": (TRACK_FEATURES, (TRACK_KEY,)),
    "acoustic_vectors": (
        (TRACK[0], *ACOUSTIC_VECTORS),
        (TRACK_KEY, "FOREIGN KEY (track_id) REFERENCES {track_features}"),
    ),
    "training_set": (
        LOG,
        (
            "PRIMARY KEY (session_id, session_position)",
            "FOREIGN KEY (track_id_clean) REFERENCES {track_features}",
        ),
    ),
}
"""The source article's tables, with columns and keys, in an order that their keys allow to fill."""
LOCK = "load {schema}"  # alone of who fills the tables of a schema, shared of who reads their parts
NAMES = {table: table for table in TABLES}


def fingerprint(
    connection: Connection, *, schema: str, names: Mapping[str, str] = NAMES
) -> dict[str, TableFingerprint]:
    """Return the number of rows and a hash of the content of each table.

    The server computes the hash. It differs with a value of one field or with a row more or less,
    and is the same for any order of the rows.

    Args:
        connection: to the database.
        schema: the database schema of the tables.
        names: what the tables of `TABLES` are called there.

    Returns:
        By table of `TABLES`, `rows` and `hash`.

    Raises:
        SkipcastError: a table is missing; the message names the remedy.
    """
    result = {}
    with connection.cursor() as cursor:
        for table, name in names.items():
            full_name = SQL("{}").format(Identifier(schema, name)).as_string(connection)
            cursor.execute("SELECT to_regclass(%s)", (full_name,))
            if cursor.fetchone() == (None,):
                raise SkipcastError(
                    f"Table {schema}.{name} must be in the database but is not. {LOAD_AGAIN}"
                )
            cursor.execute(
                SQL(
                    "SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)), 0)::text "
                    "FROM {} t"
                ).format(Identifier(schema, name))
            )
            rows, content = cursor.fetchone() or (0, "0")
            result[table] = TableFingerprint(rows=rows, hash=content)
    return result


def fingerprint_files(plays: Parts, tracks: Path) -> dict[str, TableFingerprint]:
    """Return the number of rows and a hash of the files that the tables would be filled from.

    Args:
        plays: of `training_set`.
        tracks: the path of the file of the other tables.

    Returns:
        As `fingerprint`.

    Raises:
        SkipcastError: the file of tracks is missing or damaged.
    """
    rows = count_rows(tracks, made_by=plays.made_by)
    of_tracks = TableFingerprint(rows=rows, hash=hash_file(tracks))
    of_plays = TableFingerprint(rows=plays.rows, hash=plays.hash)
    return dict.fromkeys(TABLES, of_tracks) | {"training_set": of_plays}


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
