"""The track table: those tracks that are played, of all files that have track features."""

import re
from collections.abc import Iterable, Sequence

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from skipcast.archive.cutting import RELEASE_DATE
from skipcast.archive.pieces import Pieces
from skipcast.archive.validation import check_tracks
from skipcast.errors import SkipcastError
from skipcast.reading.values import display
from skipcast.schema import TRACK, names

FILE = "file"  # a column: the number of the file that a row is from
DATE = re.compile(r"([0-9]{4})(-[0-9]{2}){0,2}([T ].*)?")


def distinct(ids: Iterable[pa.ChunkedArray]) -> pa.Array:
    """Return each text once, in the order in which they come; memory does not grow with others.

    >>> distinct([pa.chunked_array([["b", "a", "b"]]), pa.chunked_array([["c", "a"]])]).to_pylist()
    ['b', 'a', 'c']
    """
    known = pa.chunked_array([], pa.string())
    waiting: list[pa.ChunkedArray] = []
    for some in ids:
        waiting.append(pa.chunked_array([pc.unique(some.cast(pa.string()))], pa.string()))
        # To look through all that is known takes as long as it is large: so, ever less often.
        if sum(map(len, waiting)) > len(known):
            known, waiting = _once([known, *waiting]), []
    return _once([known, *waiting]).combine_chunks()


def _once(ids: list[pa.ChunkedArray]) -> pa.ChunkedArray:
    chunks = [chunk for some in ids for chunk in some.chunks]
    return pa.chunked_array([pc.unique(pa.chunked_array(chunks, pa.string()))], pa.string())


def read_tracks(tables: Sequence[Pieces], played: pa.Array) -> pd.DataFrame:
    """Return the tracks that are played, columns `schema.TRACK`, in order of id.

    Args:
        tables: pieces of each file.
        played: ids of tracks, each once.

    Raises:
        SkipcastError: a track is missing or comes twice, or a value breaks its rule.
    """
    batches = [
        _with_file(with_year(rows.filter(pc.is_in(rows["track_id"], played)), table.name), of)
        for of, table in enumerate(tables)
        for number in range(len(table))
        if (rows := table.rows(number)).num_rows
    ]
    tracks = pd.DataFrame(columns=[*names(TRACK), FILE])
    if batches:
        tracks = _sorted(batches)
    _check_in_one_file(tracks, [table.name for table in tables])
    tracks = tracks.drop(columns=FILE)
    check_tracks(tracks, played)
    return tracks


def _sorted(batches: list[pa.Table]) -> pd.DataFrame:
    """Return the rows of all batches, which it empties, in order of id and file."""
    table = pa.concat_tables(batches)
    batches.clear()
    table = table.take(pc.sort_indices(table, [("track_id", "ascending"), (FILE, "ascending")]))
    # Of millions of tracks, there are never more than two copies in memory.
    tracks: pd.DataFrame = table.to_pandas(split_blocks=True, self_destruct=True)
    return tracks


def with_year(tracks: pa.Table, file: str) -> pa.Table:
    """Return tracks with `release_year`, taken from a date where they have one instead.

    Raises:
        SkipcastError: a date is none.
    """
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


def _check_in_one_file(tracks: pd.DataFrame, files: list[str]) -> None:
    """Check that all rows of a track are of one file."""
    numbers = tracks[FILE].to_numpy()
    first = tracks.groupby("track_id", sort=False)[FILE].transform("first").to_numpy()
    if (numbers != first).any():
        row = int((numbers != first).argmax())
        raise SkipcastError(
            f"track_id must be in one file but {tracks['track_id'].iloc[row]} is in "
            f"{files[first[row]]} and in {files[numbers[row]]}. Name files that have nothing in "
            "common."
        )
