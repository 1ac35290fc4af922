"""What a feature may see: the present play as far as the horizon knows it, and the past.

Nothing else reaches a feature. Both views answer for all plays at once, a value per row, by whole
columns: the cost per play is the same for a request of twenty and for millions.
"""

from collections.abc import Callable
from itertools import accumulate
from typing import TypeVar, cast

import numpy as np
import pandas as pd

from skipcast.arrays import Array, Floats, Indices
from skipcast.features.columns import Columns
from skipcast.schema import Horizon

Result = TypeVar("Result")

# Sums of multiples of 2**-20 are exact in float64, in any order: so a session gives the same bits
# alone and among a million others, although all are summed in one go.
UNIT = 2.0**-20


class LookAheadError(Exception):
    """A feature asked for a column of the present play that it may not see."""


Sets = tuple[tuple[str, ...], ...]
Signal = Callable[[Columns], Floats]
"""Something of each play, known once it has ended: a number, NaN where it was not told."""
Signals = tuple[Signal, ...]


class Present:
    """The present play, through the columns that a feature has declared and nothing else.

    >>> import pandas as pd
    >>> plays = Columns(pd.DataFrame({"tempo": [120.0], "skip_2": [True]}))
    >>> Present(plays, frozenset({"tempo"}))["tempo"]
    array([120.])
    >>> Present(plays, frozenset({"tempo"}))["skip_2"]
    Traceback (most recent call last):
    skipcast.features.views.LookAheadError: skip_2 of the present play must be declared to be read.
    """

    __slots__ = ("_columns", "_declared")

    def __init__(self, columns: Columns, declared: frozenset[str]) -> None:
        self._columns = columns
        self._declared = declared

    def __getitem__(self, name: str) -> Floats:
        """Return the column, a number per play.

        Raises:
            LookAheadError: the feature did not declare it.
        """
        self._check(name)
        return self._columns[name]

    def matrix(self, names: tuple[str, ...]) -> Floats:
        """Return columns side by side, plays x columns; raises as `[]` does."""
        self._check(*names)
        return self._columns.matrix(names)

    def rows(self, names: tuple[str, ...]) -> Floats:
        """Return columns one below the other, columns x plays; raises as `[]` does."""
        self._check(*names)
        return self._columns.rows(names)

    def _check(self, *names: str) -> None:
        for name in names:
            if name not in self._declared:
                raise LookAheadError(f"{name} of the present play must be declared to be read.")


class Past:
    """The plays of the same session that have ended when the prediction is made.

    For `started` and `queued` these are all plays before the present one, for `second_half` the
    first half of the session. Wherever a session has no such play yet, the answer is NaN.
    """

    def __init__(self, columns: Columns, horizon: Horizon) -> None:
        position = columns["session_position"].astype(np.intp)
        self._columns = columns
        self._ahead = horizon.known
        self._row = np.arange(len(position))
        self._start = self._row - position + 1  # the session's first row
        self._until = self._row  # the first row that has not ended
        if horizon.history_length is not None:
            length = horizon.history_length(columns["session_length"]).astype(np.intp)
            self._until = np.minimum(self._row, self._start + length)
        self.count: Floats = (self._until - self._start).astype(np.float64)
        self._computed: dict[object, object] = {}

    def __getitem__(self, name: str) -> Floats:
        """Return a column of the play before.

        A column that the horizon knows in advance (a track) is that of the position before; one
        that is known only later is that of the last play that has ended.
        """
        until = self._row if name in self._ahead else self._until
        return self._once(name, lambda: self._lag(self._columns[name], 1, until))

    def rows(self, names: tuple[str, ...]) -> Floats:
        """Return columns of the position before that every horizon knows: columns x plays."""
        assert self._ahead.issuperset(names)
        values = self._columns.rows(names)
        lagged = np.empty_like(values)
        lagged[:, 1:] = values[:, :-1]
        lagged[:, self._row == self._start] = np.nan
        return lagged

    def lag(self, signal: Signal, plays: int) -> Floats:
        """Return a signal of the play that ended so many plays ago; 1 is the last one."""
        return self._lag(self._signal(signal), plays, self._until)

    def lags(self, signal: Signal, plays: int) -> Floats:
        """Return a signal of each of the last plays that ended, the last first: plays x lags."""
        rows = self._until[:, None] - np.arange(1, plays + 1)
        values = np.append(self._signal(signal), np.nan)
        taken: Floats = values[np.where(rows >= self._start[:, None], rows, -1)]
        return taken

    def totals(self, signals: Signals) -> Floats:
        """Return the sum so far of each signal: signals x plays; what was not told counts as 0."""

        def told() -> Floats:
            values = self._matrix(signals)
            return np.where(np.isnan(values), 0, values)

        return self._sum(signals, told).T

    def rates(self, signals: Signals) -> Floats:
        """Return the mean so far of each signal, over the plays that told it: signals x plays."""
        told = self._sum((signals, "told"), lambda: ~np.isnan(self._matrix(signals)))
        return divide(self.totals(signals), told.T)

    def means(self, sets: Sets, where: Signal) -> dict[tuple[str, ...], Floats]:
        """Return the means of columns over the plays so far where a signal is 1.

        A play of which one of a set's columns is missing does not count for that set.

        Returns:
            For each set of columns: plays x columns.
        """
        sizes = [len(names) for names in sets]
        ends = [*accumulate(sizes)]

        def rounded() -> Floats:
            """Return all columns and behind them whether each set is there; 0 where it is not."""
            values = self._columns.matrix(sum(sets, ())) / UNIT
            np.rint(values, out=values)
            values *= UNIT
            missing = np.logical_or.reduceat(np.isnan(values), [0, *ends[:-1]], axis=1)
            values[np.repeat(missing, sizes, axis=1)] = 0
            return np.concatenate([values, ~missing], axis=1)

        def chosen() -> Floats:
            marked = self._signal(where) == 1
            chosen: Floats = self._once(("rounded", sets), rounded) * marked[:, None]
            return chosen

        def means() -> dict[tuple[str, ...], Floats]:
            sums = self._sum((sets, where), chosen)
            counts = np.repeat(sums[:, ends[-1] :], sizes, axis=1)
            values = divide(sums[:, : ends[-1]], counts)
            return dict(zip(sets, np.split(values, ends[:-1], axis=1), strict=True))

        return self._once(("means", sets, where), means)

    def since(self, where: Signal) -> Floats:
        """Return how many plays ago a signal was last 1; 1 is the last play that ended."""
        rows = self._latest(where)
        return np.where(rows >= 0, self._until - rows, np.nan)

    def latest(self, names: tuple[str, ...], where: Signal) -> Floats:
        """Return columns of the last play so far where a signal is 1: plays x columns."""
        return self._take(self._columns.matrix(names), self._latest(where))

    def same_track(self, signal: Signal) -> Floats:
        """Return a signal of the last play so far of the present play's track."""
        return self._take(self._signal(signal), self._same_track())

    def _lag(self, values: Floats, plays: int, until: Indices) -> Floats:
        """Return the values of so many rows before the first row that has not ended."""
        if until is not self._row:
            return self._take(values, until - plays)
        # The common case in one pass: shift all, then take out what came from another session.
        lagged = np.empty_like(values)
        lagged[plays:] = values[:-plays]
        lagged[self._once(("new", plays), lambda: self._row - self._start < plays)] = np.nan
        return lagged

    def _take(self, values: Floats, rows: Indices) -> Floats:
        """Return the values of rows, NaN where a row is before the session's start."""
        known = rows >= self._start
        if values.ndim == 2:
            known = known[:, None]
        return np.where(known, values.take(rows, axis=0, mode="clip"), np.nan)

    def _sum(self, key: object, values: Callable[[], Array]) -> Floats:
        """Sum values, multiples of `UNIT` and never NaN, over the plays so far."""

        def sums() -> Floats:
            summed = values()
            sums = np.zeros((len(summed) + 1, *summed.shape[1:]))
            summed.cumsum(axis=0, out=sums[1:])
            until = sums[:-1] if self._until is self._row else sums[self._until]
            difference: Floats = until - sums[self._start]
            return difference

        return self._once(("sum", key), sums)

    def _signal(self, signal: Signal) -> Floats:
        return self._once(("signal", signal), lambda: signal(self._columns))

    def _matrix(self, signals: Signals) -> Floats:
        return np.stack([self._signal(signal) for signal in signals], axis=1)

    def _once(self, key: object, compute: Callable[[], Result]) -> Result:
        """Compute what several features ask for only once."""
        found = self._computed.get(key)
        if found is None:
            found = self._computed[key] = compute()
        return cast(Result, found)

    def _latest(self, where: Signal) -> Indices:
        """Return the row of the last play so far where a signal is 1, -1 where there is none."""

        def latest() -> Indices:
            rows = np.full(len(self._row) + 1, -1)
            marked = np.where(self._signal(where) == 1, self._row, -1)
            np.maximum.accumulate(marked, out=rows[1:])
            latest = rows[self._until]
            return np.where(latest >= self._start, latest, -1)

        return self._once(("latest", where), latest)

    def _same_track(self) -> Indices:
        tracks = pd.factorize(self._columns.raw("track_id_clean"))[0]
        key = self._start * (len(tracks) + 1) + tracks
        order = np.argsort(key, kind="stable")
        before = np.full(len(key), -1)
        again = key[order[1:]] == key[order[:-1]]
        before[order[1:][again]] = order[:-1][again]
        found = before
        while (late := found >= self._until).any():  # of a play that has not ended: look further
            found = np.where(late, before[found], found)
        return found


def divide(total: Floats, count: Floats) -> Floats:
    """Return `total / count`, NaN where the count is not above 0."""
    result = np.full(total.shape, np.nan)
    np.divide(total, count, out=result, where=count > 0)
    return result
