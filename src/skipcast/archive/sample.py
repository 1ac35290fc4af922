"""Official files to whole sessions, read as a stream: memory does not grow with the archive.

The header of a CSV file says what it holds: `session_id` makes it a log, `track_id` a track table.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from skipcast.archive.csv_files import open_tables, read_batches, read_header
from skipcast.archive.validation import check_plays, check_tracks
from skipcast.errors import SkipcastError
from skipcast.schema import LOG, TRACK, Column, names
from skipcast.sessions import hash_sessions


def read_subset(
    source: Path, tracks: Path | None, *, rows: int, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read whole sessions with `rows` plays or more, and the tracks that they play.

    The sessions are those whose seeded hash of the id is lowest. So the same archive and seed give
    the same sessions whatever the order of the files. If there are fewer plays, all are returned.

    Args:
        source: official files with the logs and, if `tracks` is None, the track features.
        tracks: official files with the track features.
        rows: the number of plays, 1 or more.
        seed: any whole number.

    Returns:
        The plays, columns `schema.LOG`, in order of session and position; and their tracks, columns
        `schema.TRACK`, in order of id.

    Raises:
        SkipcastError: a file is missing, cut short or damaged, lacks a column, or holds a value of
            the wrong type, a session that is not whole or a play of an unknown track.
    """
    plays = _read_plays(source, rows=rows, seed=seed)
    check_plays(plays)
    table = _read_tracks(tracks or source, plays)
    check_tracks(table, plays)
    return plays, table.sort_values("track_id", ignore_index=True)


def _read_plays(source: Path, *, rows: int, seed: int) -> pd.DataFrame:
    sample = _Sample(rows, seed)
    for name, batches in _tables(source, LOG, key="session_id"):
        last = None
        for batch in batches:
            sample.add(batch)
            last = batch
        _check_ends_whole(name, last)
    plays = sample.plays()
    if plays.empty:
        raise SkipcastError(
            f"{source} must hold plays but holds none: no CSV file in it has a row and the column "
            "session_id. fetch.source names the official training log."
        )
    return plays


def _read_tracks(source: Path, plays: pd.DataFrame) -> pd.DataFrame:
    """Read the tracks of `plays`, in the order of the files."""
    ids = pa.array(plays["track_id_clean"].unique(), pa.string())
    batches = [
        batch.filter(pc.is_in(batch["track_id"], ids))
        for _, of_file in _tables(source, TRACK, key="track_id")
        for batch in of_file
    ]
    if not batches:
        return pd.DataFrame(columns=names(TRACK))
    tracks: pd.DataFrame = pa.concat_tables(batches).to_pandas()
    return tracks


class _Sample:
    """The sessions of lowest hash that together have at least `rows` plays.

    Never holds more than about twice what it returns: a session whose hash is above `threshold`
    cannot be among them, however the archive goes on.
    """

    def __init__(self, rows: int, seed: int) -> None:
        self._rows = rows
        self._seed = seed
        self._threshold = np.uint64(2**64 - 1)
        self._batches: list[pa.Table] = []
        self._compact_at = 2 * rows

    def add(self, batch: pa.Table) -> None:
        ids = batch["session_id"].combine_chunks().dictionary_encode()
        hashes = hash_sessions(ids.dictionary.to_pandas(), purpose="sample", seed=self._seed)[
            ids.indices.to_numpy(zero_copy_only=False)
        ]
        low = batch.append_column("hash", pa.array(hashes)).filter(hashes <= self._threshold)
        self._batches.append(low)
        if sum(table.num_rows for table in self._batches) > self._compact_at:
            plays = self._compact()
            # A session longer than all others must not make this happen at every batch.
            self._compact_at = max(2 * self._rows, 2 * plays.num_rows)

    def plays(self) -> pd.DataFrame:
        if not self._batches:
            return pd.DataFrame(columns=names(LOG))
        plays: pd.DataFrame = self._compact().drop_columns("hash").to_pandas()
        return plays.sort_values(["session_id", "session_position"], ignore_index=True)

    def _compact(self) -> pa.Table:
        """Drop the sessions that are not needed; too many stay while some are still incomplete."""
        plays = pa.concat_tables(self._batches)
        counts = plays.group_by("hash").aggregate([([], "count_all")]).sort_by("hash")
        enough = np.flatnonzero(np.cumsum(counts["count_all"].to_numpy()) >= self._rows)
        if enough.size:
            self._threshold = counts["hash"][int(enough[0])].as_py()
            plays = plays.filter(
                pc.less_equal(plays["hash"], pa.scalar(self._threshold, pa.uint64()))
            )
        self._batches = [plays.combine_chunks()]
        return self._batches[0]


def _check_ends_whole(name: str, last: pa.Table | None) -> None:
    """Check that a log ends with a whole session; one that was cut between two rows does not."""
    if last is None:
        return
    position, length = (last[c][-1].as_py() for c in ("session_position", "session_length"))
    if position != length:
        raise SkipcastError(
            f"{name} must end with a whole session but its last play is number {position} of "
            f"{length}: the file seems cut short. Get it again."
        )


def _tables(
    source: Path, columns: tuple[Column, ...], *, key: str
) -> Iterator[tuple[str, Iterator[pa.Table]]]:
    """Yield the name and the rows, in batches, of each CSV file whose header has `key`."""
    for name, stream in open_tables(source):
        header = read_header(name, stream)
        if key in header:
            missing = [column for column in names(columns) if column not in header]
            if missing:
                raise SkipcastError(
                    f"{name} must have the official columns but lacks {', '.join(missing)}. "
                    "README.md says where the official files are."
                )
            yield name, read_batches(name, stream, columns, header)
