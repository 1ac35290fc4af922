"""The plays of a part, in session order, from the database that holds them or from the files."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pandas as pd
from psycopg2.sql import SQL, Identifier, Literal
from pyarrow import csv

from skipcast.artifacts import TRACKS, LoadReceipt
from skipcast.database.server import Connection, connect
from skipcast.database.tables import LOAD_AGAIN, LOCK, check_receipt, fingerprint_files
from skipcast.errors import SkipcastError
from skipcast.files import csv_conversion
from skipcast.params import Load
from skipcast.parts import Parts
from skipcast.schema import LOG, names

KEY = ("session_id", "session_position")


@dataclass(frozen=True)
class LoadedPlays:
    """The plays in Postgres, in the parts that they were loaded from."""

    connection: Connection
    schema: str  # the database schema of the tables
    files: Parts  # say which sessions are in a part

    def part(self, number: int, columns: list[str] | None = None) -> pd.DataFrame:
        """Read the plays of a part, in order of session and position.

        Args:
            number: of the part, from 0.
            columns: those of `schema.LOG` to read; None reads all.

        Raises:
            SkipcastError: the part was not loaded, or its file is missing or damaged.
        """
        sessions = self.files.part(number, ["session_id"])["session_id"]
        plays = read_plays(
            self.connection, sessions.unique().tolist(), schema=self.schema, columns=columns
        )
        if len(plays) != len(sessions):
            raise SkipcastError(
                f"Table {self.schema}.training_set must hold the {len(sessions)} plays of part "
                f"{number} of {self.files.folder} but got {len(plays)}: others were loaded. "
                f"{LOAD_AGAIN}"
            )
        return plays


@contextmanager
def check_loaded(receipt: LoadReceipt, params: Load, plays: Parts) -> Iterator[None]:
    """Check that what was loaded is there; until the end nobody may load, and a server runs.

    Raises:
        SkipcastError: params ask for another place, or there are other plays or tracks there.
    """
    _check_place(receipt, params)
    _check_files(receipt, plays)
    if receipt.into == "none":
        yield
        return
    with connect() as connection, connection.cursor() as cursor:
        name = LOCK.format(schema=receipt.schema_)
        cursor.execute("SELECT pg_advisory_lock_shared(hashtextextended(%s, 0))", (name,))
        check_receipt(connection, receipt)
        connection.commit()
        yield


def _check_place(receipt: LoadReceipt, params: Load) -> None:
    wanted, found = ((load.into, load.schema_) for load in (params, receipt))
    if wanted != found:
        text = "load.into {} and load.schema {}"
        raise SkipcastError(
            f"{receipt.PATH} must be of {text.format(*wanted)}, as params.yaml says, but got "
            f"{text.format(*found)}. `dvc repro load` makes it again."
        )


def _check_files(receipt: LoadReceipt, plays: Parts) -> None:
    """Check that the files are those that were loaded, as far as the receipt tells."""
    loaded = receipt.tables["training_set"].rows
    if loaded != plays.rows:
        raise SkipcastError(
            f"{plays.folder} must have the {loaded} plays that were loaded but got {plays.rows}. "
            f"{LOAD_AGAIN}"
        )
    if receipt.into == "none" and receipt.tables != fingerprint_files(plays, TRACKS):
        raise SkipcastError(
            f"{plays.folder} and {TRACKS} must be those that the stage load found but are others. "
            f"{LOAD_AGAIN}"
        )


@contextmanager
def open_plays(receipt: LoadReceipt, plays: Parts) -> Iterator[LoadedPlays | Parts]:
    """Yield what reads the plays of a part from where `load` put them.

    Raises:
        SkipcastError: the database does not answer.
    """
    if receipt.into == "none":
        yield plays
        return
    with connect() as connection:
        yield LoadedPlays(connection, receipt.schema_, plays)


def read_plays(
    connection: Connection,
    sessions: Sequence[str],
    *,
    schema: str,
    columns: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Read the plays of whole sessions, in order of session and position.

    Args:
        connection: to the database.
        sessions: their ids; those that are not there have no plays.
        schema: the database schema of the tables.
        columns: those of `schema.LOG` to read; None reads all.

    Returns:
        The columns in their order. Ids are ordered by their bytes, whatever the database's order.
    """
    columns = names(LOG) if columns is None else list(columns)
    read = [column for column in LOG if column.name in (*KEY, *columns)]
    query = SQL(
        "COPY (SELECT {} FROM {} WHERE session_id = ANY({})) TO STDOUT (FORMAT csv, HEADER)"
    ).format(
        SQL(", ").join(map(Identifier, names(read))),
        Identifier(schema, "training_set"),
        Literal(list(sessions)),
    )
    buffer = io.BytesIO()
    with connection.cursor() as cursor:
        # Else a server that takes 20,000 sessions for many reads the whole table for each part.
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.copy_expert(query, buffer)
    buffer.seek(0)
    table = csv.read_csv(buffer, convert_options=csv_conversion(read))
    plays: pd.DataFrame = table.sort_by([(name, "ascending") for name in KEY]).to_pandas()
    return plays[columns]
