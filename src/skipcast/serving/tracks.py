"""The tracks that a model knows, by id."""

from collections.abc import Iterable
from itertools import repeat
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from skipcast.arrays import Bools
from skipcast.errors import SkipcastError
from skipcast.features.columns import Columns, Layout, Stack
from skipcast.schema import TRACK_KNOWN

LAYOUT = Layout(TRACK_KNOWN)


class Tracks:
    """A table of all that is known of tracks, as numbers.

    The last row, whose id is null, is that of a track that the table does not name.

    >>> table = pa.table({"track_id": ["a", None], **{n: [1.0, None] for n in TRACK_KNOWN}})
    >>> tracks = Tracks(table)
    >>> features, known = tracks.look_up(["a", "b"])
    >>> features["tempo"], known
    (array([ 1., nan]), array([ True, False]))
    """

    def __init__(self, table: pa.Table) -> None:
        columns = Columns({name: table[name].to_numpy() for name in TRACK_KNOWN})
        self._features = columns.matrix(TRACK_KNOWN)
        *ids, _ = table["track_id"].to_pylist()
        self._rows = {name: row for row, name in enumerate(ids)}

    def look_up(self, ids: Iterable[str]) -> tuple[Stack, Bools]:
        """Return what is known of the tracks, NaN where missing, and whether each is in the table.

        Columns `schema.TRACK_KNOWN`, a value per id.
        """
        rows = np.fromiter(map(self._rows.get, ids, repeat(-1)), np.intp)
        return Stack(LAYOUT, self._features.take(rows, axis=0).T), rows >= 0


def read_tracks(path: Path) -> Tracks:
    """Read the tracks of a model from Parquet.

    Raises:
        SkipcastError: the table lacks a column or the row of a track that it does not name.
    """
    table = pq.read_table(path)
    missing = [name for name in ("track_id", *TRACK_KNOWN) if name not in table.column_names]
    if missing or not table.num_rows or table["track_id"][-1].is_valid:
        lacks = ", ".join(missing) or "a last row for tracks that it does not name"
        raise SkipcastError(
            f"{path} must hold all that is known of tracks but lacks {lacks}. "
            "`dvc repro --force search` makes the model anew."
        )
    return Tracks(table)
