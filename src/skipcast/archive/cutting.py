"""CSV files cut into pieces on disk, one file at a time, from where the last attempt ended."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from skipcast.archive.csv_files import CsvFile
from skipcast.archive.pieces import Content, Pieces, State
from skipcast.archive.threshold import ALL, Hashes, Threshold
from skipcast.archive.validation import check_plays
from skipcast.arrays import Counts, Indices
from skipcast.column import Column
from skipcast.errors import SkipcastError
from skipcast.parts import PART_ROWS
from skipcast.schema import MSSD_LOG, TRACK, names
from skipcast.sessions import hash_sessions

READ_ROWS = 10 * PART_ROWS  # a piece ends after so many, however few of them it holds
CARRY_ROWS = 2 * PART_ROWS  # most rows of sessions that are not whole
TRACK_ROWS = 200_000  # of a piece
HASH = "hash"  # a column: of the session
RELEASE_DATE = Column("release_date_estimate", "text")


class LogCutter:
    """Cuts a log into pieces of whole sessions.

    Args:
        file: whose rows to read.
        pieces: of the file, those that are finished and those to come.
        threshold: of the sample.
        seed: of the hashes of sessions.
    """

    def __init__(self, file: CsvFile, pieces: Pieces, threshold: Threshold, *, seed: int) -> None:
        self._file = file
        self._pieces = pieces
        self._threshold = threshold
        self._seed = seed
        self._number = len(pieces)
        self._state = pieces.state(self._number - 1) if self._number else _start(file)
        self._cut_at = self._state.rows
        self._new = 0  # rows since then, without those above the threshold
        carry = pieces.carry(self._number - 1) if self._number else None
        self._rows: list[pa.Table] = [] if carry is None else [carry]

    def cut(self) -> None:
        """Read the rest of the file.

        Raises:
            SkipcastError: a value breaks its rule, the file is damaged or cut short, or its
                sessions are spread over too many rows.
        """
        if self._state.is_last:
            return
        for number in range(self._number):
            sessions = self._pieces.sessions(number)
            self._threshold.add(sessions["hash"], sessions["plays"])
        for table in self._rows:
            self._threshold.add(*_count(table))
        for batch in _rest(self._file, MSSD_LOG, self._state):
            self._add(batch)
            if self._new >= PART_ROWS or self._state.rows - self._cut_at >= READ_ROWS:
                self._write(is_last=False)
        self._check_ends_whole()
        self._write(is_last=True)

    def _add(self, batch: pa.Table) -> None:
        position, length = (batch[name] for name in ("session_position", "session_length"))
        self._state = State(
            offset=self._file.stream.tell(),
            rows=self._state.rows + batch.num_rows,
            sessions=self._state.sessions + (pc.sum(pc.equal(position, 1)).as_py() or 0),
            tail=(position[-1].as_py(), length[-1].as_py()),
        )
        ids = batch["session_id"].combine_chunks().dictionary_encode()
        distinct = hash_sessions(ids.dictionary.to_pandas(), purpose="sample", seed=self._seed)
        hashes = pa.array(distinct).take(ids.indices)
        batch = batch.append_column(HASH, hashes)
        self._threshold.add(*_count(batch))
        low = self._below(batch)
        self._rows.append(low)
        self._new += low.num_rows

    def _below(self, rows: pa.Table) -> pa.Table:
        limit = self._threshold.value
        if limit == ALL:
            return rows
        return rows.filter(pc.less_equal(rows[HASH], pa.scalar(limit, pa.uint64())))

    def _write(self, *, is_last: bool) -> None:
        rows = self._below(pa.concat_tables(self._rows)) if self._rows else None
        content, carry = _no_sessions(), None
        if rows is not None and rows.num_rows:
            content, carry = _split(rows.combine_chunks(), is_last=is_last)
        if carry is not None and carry.num_rows > CARRY_ROWS:
            raise SkipcastError(
                f"{self._file.name} must have the plays of a session close to each other but "
                f"{carry.num_rows:,} plays are of sessions that are not whole yet, the first "
                f"{carry['session_id'][0]}. Sort the file by session_id and session_position, or "
                "get it again."
            )
        if self._threshold.takes_all and content.rows.num_rows:
            check_plays(content.rows.to_pandas(), file=self._file.name)
        self._state = self._state.model_copy(update={"is_last": is_last})
        self._pieces.write(self._number, replace(content, carry=carry), self._state)
        self._rows = [] if carry is None else [carry]
        self._number += 1
        self._cut_at = self._state.rows
        self._new = 0

    def _check_ends_whole(self) -> None:
        """Check that the log ends with a whole session; if it was cut between two rows, not."""
        if self._state.tail and self._state.tail[0] != self._state.tail[1]:
            position, length = self._state.tail
            raise SkipcastError(
                f"{self._file.name} must end with a whole session but its last play is number "
                f"{position} of {length}: the file seems cut short. Get it again."
            )


def cut_tracks(file: CsvFile, pieces: Pieces) -> None:
    """Cut the rest of a track table into pieces, with the columns that it has of them.

    Raises:
        SkipcastError: a value breaks its rule, or the file is damaged.
    """
    number = len(pieces)
    state = pieces.state(number - 1) if number else _start(file)
    if state.is_last:
        return
    columns = track_columns(file.header)
    batches: list[pa.Table] = []
    for batch in _rest(file, columns, state):
        state = State(offset=file.stream.tell(), rows=state.rows + batch.num_rows)
        batches.append(batch)
        if sum(batch.num_rows for batch in batches) >= TRACK_ROWS:
            pieces.write(number, _no_sessions(pa.concat_tables(batches)), state)
            number, batches = number + 1, []
    rest = pa.concat_tables(batches) if batches else None
    pieces.write(number, _no_sessions(rest), state.model_copy(update={"is_last": True}))


def _start(file: CsvFile) -> State:
    return State(offset=file.stream.tell())


def _rest(file: CsvFile, columns: tuple[Column, ...], state: State) -> Iterator[pa.Table]:
    check_columns(file, columns)
    return file.read(columns, file=file.name, first=state.rows, offset=state.offset)


def check_columns(file: CsvFile, columns: tuple[Column, ...]) -> None:
    """Check that a file has some columns.

    Raises:
        SkipcastError: it lacks one.
    """
    missing = [name for name in names(columns) if name not in file.header]
    if missing:
        raise SkipcastError(
            f"{file.name} must have the official columns but lacks {', '.join(missing)}. "
            "README.md says where the official files are."
        )


def track_columns(header: list[str]) -> tuple[Column, ...]:
    """Return the columns to read of a track table: a date of release stands for its year."""
    has_year = "release_year" in header or RELEASE_DATE.name not in header
    return tuple(c if has_year or c.name != "release_year" else RELEASE_DATE for c in TRACK)


def _no_sessions(rows: pa.Table | None = None) -> Content:
    rows = pa.table({}) if rows is None else rows
    return Content(rows, np.empty(0, np.uint64), np.empty(0, np.int64))


def _count(rows: pa.Table) -> tuple[Hashes, Counts]:
    """Return the hashes of the sessions of some rows, and how many of these each has."""
    counts = pc.value_counts(rows[HASH])
    hashes, plays = (counts.field(name).to_numpy() for name in ("values", "counts"))
    return hashes, plays


def _split(rows: pa.Table, *, is_last: bool) -> tuple[Content, pa.Table | None]:
    """Return the sessions that are whole, each in a run of rows, and the rows of the others.

    Args:
        rows: columns `schema.MSSD_LOG` and `HASH`, one or more, in the order of the file.
        is_last: whether no rows come after; then all sessions count as whole.
    """
    codes = rows["session_id"].combine_chunks().dictionary_encode().indices.to_numpy()
    plays = np.bincount(codes)
    first = _first(codes, len(plays))
    whole = np.ones(len(plays), bool)
    if not is_last:
        length = pc.fill_null(rows["session_length"], 0).to_numpy()[first]
        whole = plays >= length
        whole[codes[-1]] = False  # as it may go on, if its length is wrong
    position = pc.fill_null(rows["session_position"], 0).to_numpy()
    order = np.lexsort((position, codes))
    order = order[whole[codes[order]]]
    in_order = np.array_equal(order, np.arange(len(order)))
    kept = rows.slice(0, len(order)) if in_order else rows.take(pa.array(order))
    hashes = rows[HASH].to_numpy()[first]
    carry = None if whole.all() else rows.filter(pa.array(~whole[codes]))
    return Content(kept.drop_columns(HASH), hashes[whole], plays[whole]), carry


def _first(codes: Indices, n: int) -> Indices:
    """Return the first row of each code 0..n-1.

    >>> _first(np.array([0, 1, 0, 2]), 3).tolist()
    [0, 1, 3]
    """
    first = np.empty(n, np.intp)
    first[codes[::-1]] = np.arange(len(codes))[::-1]
    return first
