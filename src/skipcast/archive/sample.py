"""Official files to whole sessions, read as a stream: memory does not grow with the archive.

The header of a CSV file says what it holds: `session_id` makes it a log, `track_id` a track table.
Newer track tables have `release_date_estimate` in place of `release_year`.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from skipcast.archive.csv_files import CsvFile
from skipcast.archive.source import Source
from skipcast.archive.validation import check_plays, check_tracks
from skipcast.column import Column
from skipcast.errors import SkipcastError
from skipcast.reading.categories import CATEGORIES, count_new, tell_new
from skipcast.reading.values import display
from skipcast.schema import LISTENER_LOG, MSSD_LOG, TRACK, names
from skipcast.sessions import hash_sessions

FILE = "file"  # a column: the number of the file that a row is from
RELEASE_DATE = Column("release_date_estimate", "text")
DATE = re.compile(r"([0-9]{4})(-[0-9]{2}){0,2}([T ].*)?")


def read_subset(
    source: Path | str, tracks: Path | str | None, *, rows: int, seed: int
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
    logs = Source(source)
    features = logs if tracks is None else Source(tracks)
    plays = _read_plays(logs, rows=rows, seed=seed)
    check_plays(plays)
    for sentence in tell_new(count_new(pa.Table.from_pandas(plays[[*CATEGORIES]]))):
        logs.tell(sentence)
    table = _read_tracks(features, plays)
    check_tracks(table, plays)
    plays = plays.assign(**{c.name: _nothing(c, plays) for c in LISTENER_LOG})
    return plays, table.sort_values("track_id", ignore_index=True)


def _nothing(column: Column, plays: pd.DataFrame) -> pd.Series:
    return pd.Series(np.nan, plays.index, str if column.type == "text" else np.float64)


def _read_plays(source: Source, *, rows: int, seed: int) -> pd.DataFrame:
    sample = _Sample(rows, seed)
    files: list[str] = []
    for file in source.open():
        if "session_id" in file.header:
            last = None
            for batch in _read(file, MSSD_LOG):
                sample.add(_with_file(batch, len(files)))
                last = batch
            _check_ends_whole(file.name, last)
            files.append(file.name)
    plays = sample.plays()
    if plays.empty:
        raise SkipcastError(
            f"{source.path} must hold plays but holds none: no CSV file in it has a row and the "
            "column session_id. fetch.source names the official training log, or a listener's own "
            "history: Spotify's zip, its JSON or a folder of them."
        )
    _check_in_one_file(plays, "session_id", files)
    return plays.drop(columns=FILE)


def _read_tracks(source: Source, plays: pd.DataFrame) -> pd.DataFrame:
    """Read the tracks of `plays`, in the order of the files."""
    ids = pa.array(plays["track_id_clean"].unique(), pa.string())
    batches: list[pa.Table] = []
    files: list[str] = []
    for file in source.open():
        if "track_id" in file.header:
            for batch in _read(file, _track_columns(file.header)):
                known = _with_year(batch.filter(pc.is_in(batch["track_id"], ids)), file.name)
                batches.append(_with_file(known, len(files)))
            files.append(file.name)
    if not batches:
        return pd.DataFrame(columns=names(TRACK))
    tracks: pd.DataFrame = pa.concat_tables(batches).to_pandas()
    _check_in_one_file(tracks, "track_id", files)
    return tracks.drop(columns=FILE)


def _read(file: CsvFile, columns: tuple[Column, ...]) -> Iterator[pa.Table]:
    missing = [name for name in names(columns) if name not in file.header]
    if missing:
        raise SkipcastError(
            f"{file.name} must have the official columns but lacks {', '.join(missing)}. "
            "README.md says where the official files are."
        )
    return file.read(columns, file=file.name)


def _track_columns(header: list[str]) -> tuple[Column, ...]:
    has_year = "release_year" in header or RELEASE_DATE.name not in header
    return tuple(c if has_year or c.name != "release_year" else RELEASE_DATE for c in TRACK)


def _with_year(tracks: pa.Table, file: str) -> pa.Table:
    """Return tracks with `release_year`, taken from a date where they have one instead."""
    if RELEASE_DATE.name not in tracks.column_names:
        return tracks
    place = tracks.column_names.index(RELEASE_DATE.name)
    years = [_year(date, file) for date in tracks[place].to_pylist()]
    return tracks.set_column(place, "release_year", pa.array(years, pa.int64()))


def _year(date: str | None, file: str) -> int | None:
    match = DATE.fullmatch(date) if date else None
    if date and not match:
        raise SkipcastError(
            f"{RELEASE_DATE.name} must be a date like 2018-07-15 or a year but got {display(date)} "
            f"in {file}. Correct the file."
        )
    return int(match[1]) if match else None


def _with_file(batch: pa.Table, number: int) -> pa.Table:
    return batch.append_column(FILE, pa.repeat(pa.scalar(number, pa.int32()), batch.num_rows))


def _check_in_one_file(table: pd.DataFrame, key: str, files: list[str]) -> None:
    """Check that all rows of a session or track are of one file."""
    first = table.groupby(key, sort=False)[FILE].transform("first").to_numpy()
    numbers = table[FILE].to_numpy()
    if (numbers != first).any():
        row = int((numbers != first).argmax())
        raise SkipcastError(
            f"{key} must be in one file but {table[key].iloc[row]} is in {files[first[row]]} and "
            f"in {files[numbers[row]]}. Name files that have nothing in common."
        )


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
            return pd.DataFrame(columns=[*names(MSSD_LOG), FILE])
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
