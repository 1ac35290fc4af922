"""The plays of a part, from the database that holds them or from the files."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pandas as pd

from skipcast.artifacts import LoadReceipt
from skipcast.database.server import connect
from skipcast.database.tables import check_receipt, read_plays
from skipcast.parts import Parts

ReadPart = Callable[[int], pd.DataFrame]
"""Returns the plays of a part with the features of their tracks, as `read_plays` does."""


@contextmanager
def open_plays(receipt: LoadReceipt, parts: Parts) -> Iterator[ReadPart]:
    """Yield what reads the plays of a part from where `load` put them.

    Args:
        receipt: of the stage `load`.
        parts: which sessions are in which part.

    Raises:
        SkipcastError: the database does not answer, or does not hold what was loaded.
    """
    with connect() as connection:
        check_receipt(connection, receipt)

        def read(number: int) -> pd.DataFrame:
            ids = parts.part(number, ["session_id"])["session_id"].unique()
            return read_plays(connection, schema=receipt.schema_, sessions=list(ids))

        yield read
