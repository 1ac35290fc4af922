"""The plays of a part, from the database that holds them or from the files."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pandas as pd

from skipcast.artifacts import LoadReceipt
from skipcast.database.server import Connection, connect
from skipcast.database.tables import check_receipt, read_plays
from skipcast.parts import Parts
from skipcast.schema import LOG, names


@dataclass(frozen=True)
class LoadedPlays:
    """The plays in Postgres, in the parts that they were loaded from."""

    connection: Connection
    schema: str
    files: Parts  # say which sessions are in a part

    def part(self, number: int) -> pd.DataFrame:
        """Read the plays of a part, columns `schema.LOG`."""
        ids = self.files.part(number, ["session_id"])["session_id"].unique()
        plays = read_plays(self.connection, schema=self.schema, sessions=list(ids))
        return plays[[*names(LOG)]]


@contextmanager
def check_loaded(receipt: LoadReceipt) -> Iterator[None]:
    """Check that the database holds what was loaded; keep an embedded one running meanwhile."""
    if receipt.into == "none":
        yield
        return
    with connect() as connection:
        check_receipt(connection, receipt)
        connection.commit()
        yield


@contextmanager
def open_plays(receipt: LoadReceipt, parts: Parts) -> Iterator[LoadedPlays | Parts]:
    """Yield what reads the plays of a part from where `load` put them."""
    if receipt.into == "none":
        yield parts
        return
    with connect() as connection:
        yield LoadedPlays(connection, receipt.schema_, parts)
