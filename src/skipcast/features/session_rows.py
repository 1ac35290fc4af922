"""Which rows of a table of plays belong together: the geometry of sessions, without any meaning.

All functions work on whole columns, without a loop over sessions: the cost per play is the same for
a request of twenty and for millions.
"""

from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from skipcast.arrays import Array, Bools, Floats, Indices
from skipcast.features.memo import Memo

Scalar = TypeVar("Scalar", bound=np.generic)


class SessionRows:
    """For each row of a table, the rows of the same session whose plays have ended: its history.

    The history of a row is the run of rows from `start` up to, not including, `until`.

    Args:
        positions: place of each row in its session: 1, 2, 3, ...; a session is one run of rows.
        history_lengths: of each row, how many plays at the start of its session are its history at
            most; None if it is all rows before.
        asked: the rows that are asked for, in order; None: all. Values are given for all rows, and
            returned for these.

    >>> rows = SessionRows(np.array([1.0, 2.0, 3.0, 1.0]))
    >>> rows.start.tolist(), rows.until.tolist(), rows.count.tolist()
    ([0, 0, 0, 3], [0, 1, 2, 3], [0.0, 1.0, 2.0, 0.0])
    """

    def __init__(
        self,
        positions: Floats,
        history_lengths: Floats | None = None,
        asked: Indices | None = None,
    ) -> None:
        self._every: Indices = np.arange(len(positions))
        self._starts: Indices = self._every - positions.astype(np.intp) + 1
        self._untils: Indices = self._every
        self.all_before = history_lengths is None
        if history_lengths is not None:
            self._untils = np.minimum(self._every, self._starts + history_lengths.astype(np.intp))
        self._asked = asked
        self.row, self.start, self.until = map(
            self.choose, (self._every, self._starts, self._untils)
        )
        self.count: Floats = (self.until - self.start).astype(np.float64)
        self._among_first: Memo[int, Bools] = Memo(self._is_among_first)

    def choose(self, values: npt.NDArray[Scalar]) -> npt.NDArray[Scalar]:
        """Return the values of the rows that are asked for, of a value per row."""
        return values if self._asked is None else values[self._asked]

    def _is_among_first(self, plays: int) -> Bools:
        return self.row - self.start < plays

    def shift(self, values: Floats, plays: int) -> Floats:
        """Return the values of so many positions before, ended or not; NaN before the session.

        Args:
            values: a value per row, in the last dimension.
            plays: 1 or more; 1 is the position before.

        >>> SessionRows(np.array([1.0, 2.0, 1.0])).shift(np.array([5.0, 6.0, 7.0]), 1)
        array([nan,  5., nan])
        """
        if self._asked is not None:
            return self.take(values, self.row - plays)
        shifted = np.empty_like(values)
        shifted[..., plays:] = values[..., :-plays]
        shifted[..., self._among_first[plays]] = np.nan
        return shifted

    def last(self, values: Floats, plays: int) -> Floats:
        """Return a value per row: that of the play that ended so many plays ago, NaN if none.

        Args:
            values: a value per row.
            plays: 1 or more; 1 is the last play that ended.
        """
        if self.all_before:
            return self.shift(values, plays)
        return self.take(values, self.until - plays)

    def lasts(self, values: Floats, plays: int) -> Floats:
        """Return the values of each of the last plays that ended, the last first: rows x plays.

        >>> SessionRows(np.array([1.0, 2.0, 3.0])).lasts(np.array([5.0, 6.0, 7.0]), 2).tolist()
        [[nan, nan], [5.0, nan], [6.0, 5.0]]
        """
        rows = self.until[:, None] - np.arange(1, plays + 1)
        padded = np.append(values, np.nan)
        result: Floats = padded[np.where(rows >= self.start[:, None], rows, -1)]
        return result

    @cached_property
    def stop(self) -> Indices:
        """For each row, the row behind the last one of its session.

        >>> SessionRows(np.array([1.0, 2.0, 1.0])).stop
        array([2, 2, 3])
        """
        starts, number = self._sessions
        return np.append(starts[1:], len(self._every))[number]

    @cached_property
    def _sessions(self) -> tuple[Indices, Indices]:
        """The first row of each session, and the number of each row's session."""
        is_first = self._starts == self._every
        return np.flatnonzero(is_first), self.choose(np.cumsum(is_first) - 1)

    def histories(self) -> tuple[Indices, Indices] | None:
        """Return one row of each history, and the number of each row's history.

        None where each row has a history of its own, as where all plays before have ended.

        >>> SessionRows(np.array([1.0, 2.0, 3.0, 4.0]), np.full(4, 2.0)).histories()
        (array([0, 1, 2]), array([0, 1, 2, 2]))
        """
        if self.all_before:
            return None
        is_new = np.ones(len(self.row), dtype=bool)
        is_new[1:] = (self.start[1:] != self.start[:-1]) | (self.until[1:] != self.until[:-1])
        return self.row[is_new], np.cumsum(is_new) - 1

    def at(self, values: Floats, offset: int) -> Floats:
        """Return the value of the play so many positions later, below 0 earlier; NaN if none.

        Args:
            values: a value per row, in the last dimension.
            offset: of positions.

        >>> SessionRows(np.array([1.0, 2.0, 1.0])).at(np.array([5.0, 6.0, 7.0]), 1)
        array([ 6., nan, nan])
        """
        rows = self.row + offset
        inside = (rows >= self.start) & (rows < self.stop)
        return np.where(inside, values.take(rows, axis=-1, mode="clip"), np.nan)

    def session_sums(self, values: Array) -> Floats:
        """Return sums of values over each whole session, sessions in the last dimension.

        As for `sums`, the values must be multiples of one power of two and never NaN.

        >>> SessionRows(np.array([1.0, 2.0, 1.0])).session_sums(np.array([5.0, 6.0, 7.0]))
        array([11.,  7.])
        """
        result: Floats = np.add.reduceat(values, self._sessions[0], axis=-1)
        return result

    def of_session(self, values: Floats) -> Floats:
        """Return the values of each row's session, of those of each, in the first dimension.

        >>> SessionRows(np.array([1.0, 2.0, 1.0])).of_session(np.array([11.0, 7.0]))
        array([11., 11.,  7.])
        """
        return values.take(self._sessions[1], axis=0)

    def repeats(self, codes: Indices) -> tuple[Indices, Indices]:
        """Return how many rows of each row's session have its code, before it and behind it.

        All rows are answered for, asked for or not.

        Args:
            codes: of each row, 0 or more.

        >>> SessionRows(np.array([1.0, 2.0, 3.0])).repeats(np.array([4, 7, 4]))
        (array([0, 0, 1]), array([1, 0, 0]))
        """
        key = self._starts * (codes.max(initial=0) + 1) + codes
        order = np.argsort(key, kind="stable")  # equal rows stay in their order
        first = np.flatnonzero(np.diff(key[order], prepend=-1))
        sizes = np.diff(first, append=len(order))
        before, behind = np.empty((2, len(order)), np.intp)
        before[order] = np.arange(len(order)) - np.repeat(first, sizes)
        behind[order] = np.repeat(sizes, sizes) - 1 - before[order]
        return before, behind

    def take(self, values: Floats, rows: Indices) -> Floats:
        """Return the values of other rows of the session, NaN where a row is before its start.

        Args:
            values: a value per row, in the last dimension.
            rows: for each row the one to read; below `start` if there is none.
        """
        return np.where(rows >= self.start, values.take(rows, axis=-1, mode="clip"), np.nan)

    def sums(self, values: Array, parts: Sequence[Indices] | None = None) -> Floats:
        """Return sums of values over each row's history, rows in the last dimension.

        All sessions are summed in one go: a session has the same bits alone and among a million
        others only if the values are multiples of one power of two and never NaN.

        Args:
            values: a value per row, in the last dimension.
            parts: the rows that they are of, if not of all. Those of a part are in order, and it is
                summed for itself; then the last dimensions are parts x rows.

        >>> rows = SessionRows(np.array([1.0, 2.0, 1.0]))
        >>> rows.sums(np.array([5.0, 6.0, 7.0]))
        array([0., 5., 0.])
        >>> rows.sums(np.array([5.0, 7.0]), [np.array([0, 2])])
        array([[0., 5., 0.]])
        """
        sums = np.zeros((*values.shape[:-1], values.shape[-1] + 1))
        values.cumsum(axis=-1, out=sums[..., 1:])
        start, until = self.start, self.until
        if parts is not None:
            firsts = accumulate(map(len, parts[:-1]), initial=0)
            places = [
                np.searchsorted(part, (start, until)) + first
                for part, first in zip(parts, firsts, strict=True)
            ]
            start, until = np.array(places).swapaxes(0, 1)
        result: Floats = sums.take(until, axis=-1)
        result -= sums.take(start, axis=-1)
        return result

    def latest(self, marked: Bools) -> Indices:
        """Return the last row of each row's history that is marked, -1 where there is none.

        >>> SessionRows(np.array([1.0, 2.0, 3.0, 1.0])).latest(np.array([True, False, True, True]))
        array([-1,  0,  0, -1])
        """
        rows = np.full(len(self._every) + 1, -1)
        np.maximum.accumulate(np.where(marked, self._every, -1), out=rows[1:])
        latest = rows[self.until]
        return np.where(latest >= self.start, latest, -1)

    def latest_equal(self, keys: Array) -> Indices:
        """Return the last row of each row's history with the row's own key, -1 if there is none.

        Args:
            keys: texts, or numbers from 0 to less than there are rows.

        >>> keys = np.array(["a", "b", "a"], object)
        >>> SessionRows(np.array([1.0, 2.0, 3.0])).latest_equal(keys)
        array([-1, -1,  0])
        """
        codes = number(keys)
        key = self._starts * (len(codes) + 1) + codes
        order = np.argsort(key, kind="stable")
        before = np.full(len(key), -1)
        again = key[order[1:]] == key[order[:-1]]
        before[order[1:][again]] = order[:-1][again]
        latest = before
        while (late := latest >= self._untils).any():  # that play has not ended: look further back
            latest = np.where(late, before[latest], latest)
        return self.choose(latest)


def number(keys: Array) -> Indices:
    """Return numbers for keys, equal ones for equal keys.

    Args:
        keys: texts, or numbers from 0 to less than there are rows.

    >>> number(np.array(["b", "a", "b"], object))
    array([0, 1, 0])
    """
    return keys.astype(np.intp) if keys.dtype.kind == "f" else pd.factorize(keys)[0]
