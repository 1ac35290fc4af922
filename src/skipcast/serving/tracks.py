"""The tracks that a model knows, by id."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from skipcast.arrays import Bools, Floats
from skipcast.features.columns import Columns
from skipcast.schema import TRACK_INPUTS


class Tracks:
    """A table of track features as numbers.

    >>> table = pa.table({"track_id": ["a"], **{name: [1.0] for name in TRACK_INPUTS}})
    >>> tracks = Tracks(table)
    >>> features, known = tracks.look_up(["a", "b"])
    >>> features["tempo"], known
    (array([ 1., nan]), array([ True, False]))
    """

    def __init__(self, table: pa.Table) -> None:
        columns = Columns({name: table[name].to_numpy() for name in TRACK_INPUTS})
        missing = np.full((1, len(TRACK_INPUTS)), np.nan)  # the row of a track that is not there
        self._features = np.concatenate([columns.matrix(TRACK_INPUTS), missing])
        self._rows = {name: row for row, name in enumerate(table["track_id"].to_pylist())}

    def look_up(self, ids: Iterable[str]) -> tuple[dict[str, Floats], Bools]:
        """Return each feature of the tracks, NaN where missing, and whether each track is known."""
        rows = np.array([self._rows.get(name, -1) for name in ids], np.intp)
        features = np.ascontiguousarray(self._features[rows].T)
        return dict(zip(TRACK_INPUTS, features, strict=True)), rows >= 0


def read_tracks(path: Path) -> Tracks:
    """Read the tracks of a model from Parquet."""
    return Tracks(pq.read_table(path))
