"""What a feature may see: the present play as far as the horizon knows it, and the past.

Where the horizon knows columns of the plays to come, a feature may see these, too. Nothing else
reaches a feature. All views answer for all plays at once, a value per row.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from itertools import accumulate

import numpy as np

from skipcast.arrays import Floats, Indices
from skipcast.features.columns import Columns
from skipcast.features.memo import Memo
from skipcast.features.session_rows import SessionRows, number
from skipcast.schema import Horizon

# Sums of multiples of 2**-20 are exact in float64, in any order: so a session gives the same bits
# alone and among a million others, although all are summed in one go.
UNIT = 2.0**-20

Names = tuple[str, ...]  # of columns
Signal = Callable[[Columns], Floats]
"""A number per play that is known after the play ended; NaN if its columns are missing."""
Signals = tuple[Signal, ...]
Means = dict[tuple[Signal, Names], Floats]  # by signal and set of columns: plays x columns


class LookAheadError(Exception):
    """A feature asked for a column of the present play that it may not see."""


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

    __slots__ = ("_ahead", "_columns", "_declared")

    def __init__(
        self, columns: Columns, declared: frozenset[str], ahead: "Ahead | None" = None
    ) -> None:
        self._columns = columns
        self._declared = declared
        self._ahead = ahead

    @property
    def ahead(self) -> "Ahead":
        """Return the whole session, plays to come included.

        Raises:
            LookAheadError: the feature declared no column of plays to come.
        """
        if self._ahead is None:
            raise LookAheadError("Columns of plays to come must be declared to be read.")
        return self._ahead

    def __getitem__(self, name: str) -> Floats:
        """Return a column, a number per play.

        Raises:
            LookAheadError: the feature did not declare it.
        """
        self._check(name)
        return self._columns[name]

    def matrix(self, names: Names) -> Floats:
        """Return columns side by side, plays x columns; raises as `[]` does."""
        self._check(*names)
        return self._columns.matrix(names)

    def rows(self, names: Names) -> Floats:
        """Return columns one below the other, columns x plays; raises as `[]` does."""
        self._check(*names)
        return self._columns.rows(names)

    def _check(self, *names: str) -> None:
        if not self._declared.issuperset(names):
            name = next(name for name in names if name not in self._declared)
            raise LookAheadError(f"{name} of the present play must be declared to be read.")


class Past:
    """The plays of the same session that have ended when the prediction is made.

    For `started` and `queued` these are all plays before the present one, for `second_half` the
    first half of the session. Where a session has no such play yet, the answer is NaN.

    Args:
        columns: of all plays.
        horizon: what is known of each play before it ends, and which plays have ended.
        asked: the rows that are asked for, in order; None: all.
        is_once: whether these are one row of each history.
    """

    def __init__(
        self,
        columns: Columns,
        horizon: Horizon,
        asked: Indices | None = None,
        *,
        is_once: bool = False,
    ) -> None:
        lengths = None
        if horizon.history_length is not None:
            lengths = horizon.history_length(columns["session_length"])
        rows = SessionRows(columns["session_position"], lengths, asked)
        self._columns = columns
        self._rows = rows
        self._histories = None if is_once else rows.histories()
        self._is_once = is_once
        self._horizon = horizon
        self.count: Floats = rows.count  # of each play, how many plays have ended
        values: Memo[Signal, Floats] = Memo(lambda signal: signal(columns))
        self._values = values
        self._latest: Memo[Signal, Indices] = Memo(lambda where: rows.latest(values[where] == 1))
        self._means: Memo[tuple[tuple[Names, ...], Signals], Means] = Memo(
            lambda key: _means(columns, rows, values, *key)
        )
        self._previous: Memo[str, Floats] = Memo(
            lambda name: (rows.shift if name in horizon.known else rows.last)(columns[name], 1)
        )
        self._tracks = _Tracks(columns, rows)

    @property
    def once(self) -> "Past":
        """The same for one play of each history: what a feature sees that reads no column itself.

        For `second_half` the plays of a half share their history, and such a feature. A column of
        the position before, which differs between them, must be declared to be read.
        """
        return self._of_histories or self

    @cached_property
    def _of_histories(self) -> "Past | None":
        if self._histories is None:
            return None  # and not `self`: what refers to itself waits for the garbage collector
        return Past(self._columns, self._horizon, self._histories[0], is_once=True)

    def each(self, values: Floats) -> Floats:
        """Return values of each play, of those that `once` has: plays in the first dimension."""
        return values if self._histories is None else values.take(self._histories[1], axis=0)

    def __getitem__(self, name: str) -> Floats:
        """Return a column of the play before, a number per play.

        A column that the horizon knows in advance (a track) is that of the position before; one
        that is known only later is that of the last play that has ended.

        Raises:
            LookAheadError: it is of the position before, and this is `once`.
        """
        if name in self._horizon.known:
            self._check_position((name,))
        return self._previous[name]

    def rows(self, names: Names) -> Floats:
        """Return columns of the position before: columns x plays.

        Raises:
            LookAheadError: the horizon does not know one of them in advance, or this is `once`.
        """
        if not self._horizon.known.issuperset(names):
            raise LookAheadError(f"{names} of the position before must be known to the horizon.")
        self._check_position(names)
        return self._rows.shift(self._columns.rows(names), 1)

    def ahead(self, declared: frozenset[str]) -> "Ahead":
        """Return the whole session, plays to come included, through the columns `declared`.

        Raises:
            LookAheadError: the horizon does not know one of them of the plays to come.
        """
        unknown = sorted(declared - self._horizon.ahead)
        if unknown:
            raise LookAheadError(
                f"{', '.join(unknown)} of plays to come must be known to the horizon "
                f"{self._horizon.name} but is not."
            )
        return Ahead(self._columns, self._rows, self._tracks, declared)

    def lags(self, signal: Signal, plays: int) -> Floats:
        """Return a signal of each of the last plays that ended, the last first: plays x lags."""
        return self._rows.lasts(self._values[signal], plays)

    def totals(self, signals: Signals) -> Floats:
        """Return the sum so far of each signal: signals x plays; a missing value counts as 0."""
        values = self._signals(signals)
        return self._rows.sums(np.where(np.isnan(values), 0, values))

    def rates(self, signals: Signals) -> Floats:
        """Return the mean so far of each signal's known values: signals x plays."""
        values = self._signals(signals)
        is_known = ~np.isnan(values)
        sums = self._rows.sums(np.concatenate([np.where(is_known, values, 0), is_known]))
        return divide(sums[: len(signals)], sums[len(signals) :])

    def means(self, sets: tuple[Names, ...], where: Signals) -> Means:
        """Return the means of columns over the plays so far where a signal is 1.

        A play does not count for a set of columns of which it lacks one. Ask for all sets and
        signals together: they are summed in one go.

        Args:
            sets: of columns.
            where: the signals, each of which chooses plays.

        Returns:
            By signal and set: plays x columns.
        """
        return self._means[sets, where]

    def since(self, where: Signal) -> Floats:
        """Return how many plays ago a signal was last 1; 1 is the last play that ended."""
        latest = self._latest[where]
        return np.where(latest >= 0, self._rows.until - latest, np.nan)

    def latest(self, names: Names, where: Signal) -> Floats:
        """Return columns of the last play so far where a signal is 1: plays x columns."""
        return self._rows.take(self._columns.rows(names), self._latest[where]).T

    def same_track(self, signal: Signal) -> Floats:
        """Return a signal of the last play so far of the present play's track."""
        self._check_position(("track_id_clean",))
        latest = self._rows.latest_equal(self._columns.raw("track_id_clean"))
        return self._rows.take(self._values[signal], latest)

    def _check_position(self, names: Names) -> None:
        if self._is_once:
            raise LookAheadError(f"{names[0]} of the position before must be declared to be read.")

    def _signals(self, signals: Signals) -> Floats:
        return np.array([self._values[signal] for signal in signals])


class Ahead:
    """All plays of the session, those to come included, through declared columns.

    Only `Past.ahead` makes it, where the horizon knows these columns in advance.
    """

    def __init__(
        self, columns: Columns, rows: SessionRows, tracks: "_Tracks", declared: frozenset[str]
    ) -> None:
        self._columns = columns
        self._rows = rows
        self._every_track = tracks
        self._declared = declared

    def rows(self, names: Names, offset: int) -> Floats:
        """Return columns of the play so many positions later, below 0 earlier: columns x plays.

        NaN where the session has no such play.

        Raises:
            LookAheadError: the feature did not declare one of them.
        """
        self._check(names)
        return self._rows.at(self._columns.rows(names), offset)

    def same_track(self, one: int, other: int) -> Floats:
        """Return whether two plays are of one track: 0 or 1; NaN if there is no such play.

        Args:
            one: how many positions later the play is; 0 is the present one, -1 the one before.
            other: the same of the other play.
        """
        first, second = (self._tracks.at[offset] for offset in (one, other))
        return np.where(np.isnan(first + second), np.nan, first == second)

    def repeats(self) -> Floats:
        """Return how many other plays are of the track, before and behind: 2 x plays."""
        return np.array([*map(self._rows.choose, self._tracks.repeats)], np.float64)

    def distinct_share(self) -> Floats:
        """Return the number of the session's tracks, as a share of its plays, above 0 to 1."""
        is_first = self._tracks.repeats[0] == 0
        tracks, plays = self._rows.session_sums(np.array([is_first, np.ones(len(is_first))]))
        return self._rows.of_session(divide(tracks, plays))

    def means(self, names: Names) -> Floats:
        """Return the means of columns over the session: plays x columns; NaN if none has all.

        Raises:
            LookAheadError: the feature did not declare one of them.
        """
        self._check(names)
        sums = self._rows.session_sums(_rounded(self._columns, (names,)))
        return self._rows.of_session(divide(sums[:-1], sums[-1:]).T)

    @property
    def _tracks(self) -> "_Tracks":
        self._check(("track_id_clean",))
        return self._every_track

    def _check(self, names: Names) -> None:
        for name in names:
            if name not in self._declared:
                raise LookAheadError(f"{name} of plays to come must be declared to be read.")


class _Tracks:
    """Which plays of a session are of one track: computed once for all features that ask."""

    def __init__(self, columns: Columns, rows: SessionRows) -> None:
        self._columns = columns
        self._rows = rows
        self.at: Memo[int, Floats] = Memo(self._at)  # by offset: the track of the play there

    def _at(self, offset: int) -> Floats:
        return self._rows.at(self._numbers.astype(np.float64), offset)

    @cached_property
    def repeats(self) -> tuple[Indices, Indices]:
        """As `SessionRows.repeats` has them."""
        return self._rows.repeats(self._numbers)

    @cached_property
    def _numbers(self) -> Indices:
        return number(self._columns.raw("track_id_clean"))


def _means(
    columns: Columns,
    rows: SessionRows,
    values: Mapping[Signal, Floats],
    sets: tuple[Names, ...],
    where: Signals,
) -> Means:
    """Return what `Past.means` does, of the plays of `rows`."""
    sizes, ends = _sizes(sets)
    chosen = [np.flatnonzero(values[signal] == 1) for signal in where]
    sums = rows.sums(_rounded(columns, sets, np.concatenate(chosen)), chosen)
    every = divide(sums[: ends[-1]], np.repeat(sums[ends[-1] :], sizes, axis=0))
    by_signal = np.ascontiguousarray(every.transpose(1, 2, 0))  # signals x plays x columns
    return {
        (signal, names): means[:, end - size : end]
        for signal, means in zip(where, by_signal, strict=True)
        for names, size, end in zip(sets, sizes, ends, strict=True)
    }


def _rounded(columns: Columns, sets: tuple[Names, ...], rows: Indices | None = None) -> Floats:
    """Return all columns of `sets` in multiples of `UNIT`, and below them a row per set.

    The latter is 1 where the play has all columns of the set; where it is 0, so are they.
    """
    sizes, ends = _sizes(sets)
    values = columns.rows(sum(sets, ()))
    values = (values if rows is None else values.take(rows, axis=1)) / UNIT
    np.rint(values, out=values)
    values *= UNIT
    missing = np.logical_or.reduceat(np.isnan(values), [0, *ends[:-1]], axis=0)
    np.copyto(values, 0, where=np.repeat(missing, sizes, axis=0))
    return np.concatenate([values, ~missing])


def _sizes(sets: tuple[Names, ...]) -> tuple[list[int], list[int]]:
    """Return the number of columns of each set, and the column behind each set."""
    sizes = [len(names) for names in sets]
    return sizes, [*accumulate(sizes)]


def divide(total: Floats, count: Floats) -> Floats:
    """Return `total / count`, NaN where the count is not above 0.

    >>> divide(np.array([1.0, 1.0]), np.array([2.0, 0.0]))
    array([0.5, nan])
    """
    result = np.full(total.shape, np.nan)
    np.divide(total, count, out=result, where=count > 0)
    return result
