"""Pieces of logs joined into the parts of the sample: the second step of a fetch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from skipcast.archive.pieces import Pieces
from skipcast.archive.threshold import Hashes
from skipcast.archive.validation import check_plays
from skipcast.arrays import Counts
from skipcast.errors import SkipcastError
from skipcast.files import disk_errors
from skipcast.parts import PART_ROWS, Draft, PartInfo
from skipcast.reading.categories import CATEGORIES, NewTexts, count_new
from skipcast.schema import LISTENER_LOG, MSSD_LOG, is_synthetic, names
from skipcast.workers import OnStep


@dataclass(frozen=True)
class Run:
    """Sessions of a piece that come after each other.

    Attributes:
        pieces: of a log.
        number: of the piece.
        first: the first session, counted from 0 among all of the piece.
        end: the one after the last.
    """

    pieces: Pieces
    number: int
    first: int
    end: int


@dataclass(frozen=True)
class Part:
    """Which sessions are in a part.

    Attributes:
        runs: of sessions, in the order of the files.
        threshold: the highest hash of a session that is taken.
        check: whether the plays must still be checked.
    """

    runs: tuple[Run, ...]
    threshold: int
    check: bool


@dataclass(frozen=True)
class Plan:
    """Which sessions are in which part.

    Attributes:
        parts: in the order of the files.
        plays: how many there are in all.
        sessions: the same.
    """

    parts: tuple[Part, ...]
    plays: int
    sessions: int


def plan(logs: Sequence[Pieces], threshold: int, *, check: bool) -> Plan:
    """Plan parts that end with the first whole session that makes them `PART_ROWS` long."""
    parts: list[Part] = []
    runs: list[Run] = []
    plays_of_part = n_plays = n_sessions = 0
    for pieces, number, hashes, plays in _sessions(logs):
        kept = hashes <= threshold
        n_sessions += int(kept.sum())
        after = np.cumsum(np.where(kept, plays, 0))
        n_plays += int(after[-1])
        first, before = 0, 0
        while plays_of_part + after[-1] - before >= PART_ROWS:
            end = int(np.searchsorted(after, before + PART_ROWS - plays_of_part)) + 1
            runs.append(Run(pieces, number, first, end))
            parts.append(Part(tuple(runs), threshold, check))
            first, before = end, int(after[end - 1])
            runs, plays_of_part = [], 0
        if after[-1] > before:
            runs.append(Run(pieces, number, first, len(plays)))
            plays_of_part += int(after[-1]) - before
    if runs:
        parts.append(Part(tuple(runs), threshold, check))
    return Plan(tuple(parts), n_plays, n_sessions)


@dataclass(frozen=True)
class Joined:
    """A part that is finished.

    Attributes:
        number: of the part.
        info: what it is.
        tracks: that are played in it, each once.
        new: texts that no feature knows.
        synthetic: whether any of its plays is of a twin.
    """

    number: int
    info: PartInfo
    tracks: pa.Array
    new: NewTexts
    synthetic: bool


def join(part: Part, number: int, draft: Draft, on_step: OnStep) -> Joined:
    """Write a part, unless it is finished; return what is in it.

    Raises:
        SkipcastError: a value breaks its rule, a session is not whole, or the disk is full.
    """
    if not draft.has(number):
        with disk_errors():
            draft.write(number, _table(part))
    plays = draft.read(number, ["session_id", "track_id_clean", *CATEGORIES])
    on_step(1)
    return Joined(
        number,
        draft.info(number),
        tracks=pc.unique(plays["track_id_clean"].cast(pa.string())),
        new=count_new(plays),
        synthetic=is_synthetic(pc.unique(plays["session_id"]).to_pylist()),
    )


def check_once(logs: Sequence[Pieces], plan: Plan, threshold: int) -> None:
    """Check that no session of a plan comes twice, in the same file or in two.

    Raises:
        SkipcastError: one does; the message names it and the files.
    """
    hashes = np.empty(plan.sessions, np.uint64)  # the one array of all sessions
    end = 0
    for _, _, of_piece, _ in _sessions(logs):
        low = of_piece[of_piece <= threshold]
        hashes[end : (end := end + len(low))] = low
    hashes.sort()
    twice = hashes[1:][hashes[1:] == hashes[:-1]]
    if not twice.size:
        return
    seen: dict[str, str] = {}
    for pieces, number, of_piece, plays in _sessions(logs):
        for session in np.flatnonzero(np.isin(of_piece, twice)):
            row = int(plays[:session].sum())
            id_ = pieces.rows(number, ["session_id"])["session_id"][row].as_py()
            if id_ in seen:
                raise _comes_twice(id_, seen[id_], pieces.name)
            seen[id_] = pieces.name


def _comes_twice(id_: str, first: str, second: str) -> SkipcastError:
    if first == second:
        return SkipcastError(
            f"session_id must stand in one run of rows but {id_} comes back later in {first}. Sort "
            "the file by session_id and session_position, or get it again."
        )
    return SkipcastError(
        f"session_id must be in one file but {id_} is in {first} and in {second}. Name files that "
        "have nothing in common."
    )


def _sessions(logs: Sequence[Pieces]) -> Iterator[tuple[Pieces, int, Hashes, Counts]]:
    """Yield hash and number of plays of the sessions of each piece that has any."""
    for pieces in logs:
        for number in range(len(pieces)):
            sessions = pieces.sessions(number)
            if len(sessions):
                yield pieces, number, sessions["hash"], sessions["plays"].astype(np.int64)


def _table(part: Part) -> pd.DataFrame:
    """Return the plays of a part, columns `schema.LOG`, in order of session and position."""
    rows = pa.concat_tables([_rows(part, run) for run in part.runs]).combine_chunks()
    ids = rows["session_id"].combine_chunks().dictionary_encode()
    rank = np.argsort(np.argsort(ids.dictionary.to_numpy(zero_copy_only=False)))
    # Within a session, the rows are in order already.
    order = np.argsort(rank[ids.indices.to_numpy()], kind="stable")
    plays: pd.DataFrame = rows.take(pa.array(order)).to_pandas()
    return plays.assign(**{column.name: _nothing(column.type, plays) for column in LISTENER_LOG})


def _nothing(type_: str, plays: pd.DataFrame) -> pd.Series:
    return pd.Series(np.nan, plays.index, str if type_ == "text" else np.float64)


def _rows(part: Part, run: Run) -> pa.Table:
    """Return the plays of a run of sessions, without those above the threshold."""
    sessions = run.pieces.sessions(run.number)
    taken = sessions["hash"] <= part.threshold
    taken[: run.first] = taken[run.end :] = False
    rows = run.pieces.rows(run.number).select(names(MSSD_LOG))
    if not taken.all():
        rows = rows.filter(pa.array(np.repeat(taken, sessions["plays"])))
    if part.check:
        check_plays(rows.to_pandas(), file=run.pieces.name)
    return rows
