"""Track features from their files, for plays of tracks that a model may not know."""

from pathlib import Path

import pandas as pd
import pyarrow as pa

from skipcast.archive.challenge import kit_of
from skipcast.archive.csv_files import SUFFIXES
from skipcast.archive.cutting import check_columns, track_columns
from skipcast.archive.source import KEYS, Source
from skipcast.archive.tracks import with_year
from skipcast.arrays import Bools, Indices
from skipcast.errors import SkipcastError
from skipcast.schema import TRACK, TRACK_INPUTS, names

FOLDER = "track_features"


class TrackFeatures:
    """What files say of tracks, by id.

    All of it is in memory: about 400 bytes a track.

    Args:
        table: columns `schema.TRACK`.
        source: where it is from, for messages.

    Raises:
        SkipcastError: a track comes twice.

    >>> table = pa.table({n: [None] for n in TRACK_INPUTS} | {"track_id": ["a"], "tempo": [90.0]})
    >>> tracks = TrackFeatures(table, Path("track_features"))
    >>> plays = pa.table({"track_id_clean": ["b", "a"]})
    >>> tracks.add(plays)["tempo"].to_pylist(), tracks.knows(plays["track_id_clean"]).tolist()
    ([None, 90.0], [False, True])
    """

    def __init__(self, table: pa.Table, source: Path) -> None:
        ids = pd.Index(table["track_id"].to_pylist(), dtype=object)
        if not ids.is_unique:
            twice = ids[ids.duplicated()][0]
            raise SkipcastError(
                f"track_id must come once but {twice!r} comes twice in {source}. Name files that "
                "have nothing in common."
            )
        self._ids = ids
        self._features = table.select(TRACK_INPUTS).combine_chunks()
        self.source = source

    def __len__(self) -> int:
        """Return the number of tracks."""
        return len(self._ids)

    def knows(self, ids: pa.Array | pa.ChunkedArray) -> Bools:
        """Return whether the files have each track."""
        return self._rows(ids) >= 0

    def add(self, plays: pa.Table) -> pa.Table:
        """Give plays the features of their tracks, null where the files lack the track."""
        rows = self._rows(plays["track_id_clean"])
        features = self._features.take(pa.array(rows, mask=rows < 0))
        for name in TRACK_INPUTS:
            plays = plays.append_column(name, features[name])
        return plays

    def _rows(self, ids: pa.Array | pa.ChunkedArray) -> Indices:
        rows: Indices = self._ids.get_indexer(pd.Index(ids.to_pylist(), dtype=object))
        return rows


def read_track_features(path: Path) -> TrackFeatures:
    """Read track features, of a file, an archive or a folder of them.

    Raises:
        SkipcastError: there are none, a track comes twice, or a file is damaged or not as it must
            be.
    """
    if not path.exists():
        raise SkipcastError(
            f"--tracks must name a file or a folder of track features but {path} is neither. "
            "Correct it."
        )
    source = Source(path)
    tables = []
    for file in source.open():
        if KEYS[1] in file.header:
            columns = track_columns(file.header)
            check_columns(file, columns)
            rows = file.read(columns, file=file.name)
            tables += [with_year(some, file.name).select(names(TRACK)) for some in rows]
    if not tables:
        raise SkipcastError(
            f"--tracks must name track features, files with a column track_id, but {path} holds "
            "none. Correct it."
        )
    return TrackFeatures(pa.concat_tables(tables), path)


def beside(test_set: Path) -> Path | None:
    """Return where the track features of a kit are whose test set is named; None without any.

    Args:
        test_set: as `challenge.find_pairs` takes it.
    """
    kit = kit_of(test_set)
    if (kit / FOLDER).is_dir():
        return kit / FOLDER
    packed = (path for path in sorted(kit.glob(f"*{FOLDER}*")) if path.is_file())
    return next((path for path in packed if path.name.lower().endswith(SUFFIXES)), None)
