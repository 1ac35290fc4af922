"""First and second halves of sessions, from two files that are read side by side.

Where both files have the sessions in the same order, no more is kept than what is read at a time.
Any other order is joined, too, and keeps what waits for its other half.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from skipcast.arrays import Bools, Indices
from skipcast.errors import SkipcastError
from skipcast.reading.columns import ARROW_TYPES
from skipcast.schema import HORIZONS, MSSD_LOG

STEP = 1 << 16  # rows that are read before sessions are joined
SHOWN = 20  # positions in a message
SCHEMA = pa.schema([(column.name, ARROW_TYPES[column.type]) for column in MSSD_LOG])
REMEDY = "Take both files as they are, of the same download; or leave the session out of both."


@dataclass
class _File:
    """A file of halves: its rows that are still to be read, and those that wait."""

    name: str
    source: Iterator[pa.Table]
    waiting: pa.Table
    is_open: bool = True

    def read(self) -> None:
        """Read some more rows."""
        table = next(self.source, None)
        self.is_open = table is not None
        if table is not None:
            self.waiting = pa.concat_tables([self.waiting, table], promote_options="default")

    def of(self, session: str) -> pa.Table:
        """Return the waiting rows of a session."""
        return self.waiting.filter(pc.equal(self.waiting["session_id"], session))


class Halves:
    """Joins the halves of sessions.

    Args:
        prehistory: name of the file of first halves, for messages, and its rows, columns
            `schema.MSSD_LOG`.
        second: the same of second halves, columns `schema.ALWAYS`.
    """

    def __init__(
        self, prehistory: tuple[str, Iterator[pa.Table]], second: tuple[str, Iterator[pa.Table]]
    ) -> None:
        empty = SCHEMA.empty_table()
        self._first, self._second = _File(*prehistory, empty), _File(*second, empty)

    def join(self) -> Iterator[pa.Table]:
        """Yield whole sessions, columns `schema.MSSD_LOG`, in the order of the second halves.

        Raises:
            SkipcastError: a session has one half only, or halves that do not fit.
        """
        files = (self._first, self._second)
        enough = STEP
        while still := [file for file in files if file.is_open]:
            min(still, key=lambda file: file.waiting.num_rows).read()
            if self._n_waiting >= enough:
                yield from self._whole()
                # What waits is looked at again when it is twice as much: each row a few times.
                enough = max(STEP, 2 * self._n_waiting)
        yield from self._whole()
        self._check_nothing_waits()

    @property
    def _n_waiting(self) -> int:
        return int(self._first.waiting.num_rows + self._second.waiting.num_rows)

    def _whole(self) -> Iterator[pa.Table]:
        """Yield the sessions before the first one of which a row is still to come."""
        rows = pa.concat_tables([self._first.waiting, self._second.waiting]).combine_chunks()
        session, is_lacking = self._sessions(rows)
        n_whole = int(np.argmax(is_lacking)) if is_lacking.any() else len(is_lacking)
        is_chosen = (session >= 0) & (session < n_whole)
        if not is_chosen.any():
            return
        chosen = np.flatnonzero(is_chosen)
        position = rows["session_position"].to_numpy()[chosen]
        chosen = chosen[np.lexsort((position, session[chosen]))]
        table, middle = rows.take(pa.array(chosen)), self._first.waiting.num_rows
        self._check(table, session[chosen], chosen < middle)
        self._first.waiting = self._first.waiting.filter(pa.array(~is_chosen[:middle]))
        self._second.waiting = self._second.waiting.filter(pa.array(~is_chosen[middle:]))
        yield table

    def _sessions(self, rows: pa.Table) -> tuple[Indices, Bools]:
        """Return the number of each row's session, and of each session whether it lacks rows.

        Sessions are numbered as the second halves have them first; -1 has no second half yet.
        """
        self._check_lengths(rows)
        ids = pc.unique(self._second.waiting["session_id"])
        places = pc.fill_null(pc.index_in(rows["session_id"], ids), -1)
        session: Indices = places.to_numpy().astype(np.intp)
        known = session >= 0
        length = np.zeros(len(ids), np.intp)
        length[session[known]] = rows["session_length"].to_numpy()[known]
        return session, np.bincount(session[known], minlength=len(ids)) < length

    def _check_lengths(self, rows: pa.Table) -> None:
        given = rows["session_length"]
        if given.null_count:
            at = int(np.argmax(given.is_null().to_numpy()))
            name = (self._first if at < self._first.waiting.num_rows else self._second).name
            raise SkipcastError(
                f"session_length must be given for each play of {name} but is empty in session "
                f"{rows['session_id'][at].as_py()[:40]!r}. {REMEDY}"
            )

    def _check(self, table: pa.Table, session: Indices, is_first: Bools) -> None:
        """Check that positions count from 1 to the length, and which file has which of them."""
        position, length = (table[n].to_numpy() for n in ("session_position", "session_length"))
        start = np.flatnonzero(np.diff(session, prepend=-1))
        size = np.diff(start, append=len(session))
        wrong = position != np.arange(len(session)) - np.repeat(start, size) + 1
        wrong |= (length != np.repeat(size, size)) | (is_first != (position <= half(length)))
        if wrong.any():
            own = session == session[int(np.argmax(wrong))]
            self._refuse(*(table.filter(pa.array(own & part)) for part in (is_first, ~is_first)))

    def _check_nothing_waits(self) -> None:
        rows = pa.concat_tables([self._first.waiting, self._second.waiting])
        if rows.num_rows:
            session, is_lacking = self._sessions(rows)
            at = int(np.argmax(session == np.argmax(is_lacking))) if len(is_lacking) else 0
            name = rows["session_id"][at].as_py()
            self._refuse(self._first.of(name), self._second.of(name))

    def _refuse(self, first: pa.Table, second: pa.Table) -> None:
        """Raise what is wrong with a session, of which these are the rows of both files."""
        whole = pa.concat_tables([first, second])
        session = repr(whole["session_id"][0].as_py()[:40])
        length, *others = pc.unique(whole["session_length"]).to_pylist()
        if others:
            raise SkipcastError(
                f"session_length must be the same for a session but is {length} and {others[0]} in "
                f"{session} of {self._first.name} and {self._second.name}. {REMEDY}"
            )
        middle = int(half(np.array([length]))[0])
        parts = ((self._first, first, 1, middle), (self._second, second, middle + 1, length))
        for file, rows, low, high in parts:
            got = sorted(rows["session_position"].to_pylist())
            if got != [*range(low, high + 1)]:
                raise SkipcastError(
                    f"{file.name} must have the positions {low} to {high} of session {session}, "
                    f"which has {length} plays, but has {_listed(got)}. {REMEDY}"
                )


def half(length: Indices) -> Indices:
    """Return how many plays the first half of a session has, from the session's length.

    >>> half(np.array([10, 11]))
    array([5, 5])
    """
    history_length = HORIZONS["second_half"].history_length
    assert history_length is not None
    return history_length(length.astype(np.float64)).astype(np.intp)


def _listed(positions: list[int]) -> str:
    text = ", ".join(map(str, positions[:SHOWN]))
    return f"{text}, ..." if len(positions) > SHOWN else text or "none"
