"""Intervals by bootstrap over whole sessions, as plays of one session are alike.

The samples are drawn once: how often each session is in each of them. Every score of every model is
then a matrix product over the same draws, so that differences between models are paired.
"""

from dataclasses import dataclass

import numpy as np

from skipcast.arrays import Bools, Floats, Indices
from skipcast.errors import SkipcastError

FEWEST_SESSIONS = 30  # with fewer, the intervals are known to be too narrow
CHUNK = 32  # samples weighted at a time: their plays stay in the cache


@dataclass(frozen=True)
class Interval:
    """A score and its 95 % interval; NaN where it cannot be told."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, value: float, drawn: Floats) -> "Interval":
        """Return `value` with the middle 95 % of what the samples give.

        >>> Interval.of(0.5, np.array([0.4, 0.5, 0.6])).low
        0.405
        """
        known = drawn[~np.isnan(drawn)]
        low, high = np.quantile(known, (0.025, 0.975)) if known.size else (np.nan, np.nan)
        return cls(float(value), float(low), float(high))


class Resamples:
    """Bootstrap samples of sessions."""

    def __init__(self, sessions: Indices, *, seed: int, samples: int = 1000) -> None:
        """Draw `samples` times as many sessions as there are.

        Args:
            sessions: a number for each play, the same for all plays of a session: 0, 1, 2, ...
            seed: any whole number.
            samples: how many.
        """
        self.sessions = sessions
        self.count = int(sessions.max()) + 1
        even = np.full(self.count, 1 / self.count)
        drawn = np.random.default_rng(seed).multinomial(self.count, even, size=samples)
        self.drawn = drawn.astype(np.float64)  # samples x sessions

    def sums(self, values: Floats) -> Floats:
        """Sum values of plays in each sample: plays x columns give samples x columns."""
        columns = values.reshape(len(values), -1).T
        per_session = [np.bincount(self.sessions, column, self.count) for column in columns]
        result: Floats = self.drawn @ np.array(per_session).T
        return result

    def mean(self, values: Floats, among: Bools | None = None) -> Interval:
        """Return the mean of a value of each play, over all or those `among`.

        >>> Resamples(np.array([0, 0, 1]), seed=0).mean(np.ones(3))
        Interval(value=1.0, low=1.0, high=1.0)
        """
        chosen = np.ones(len(values)) if among is None else among.astype(np.float64)
        both = self.sums(np.column_stack([values * chosen, chosen]))
        with np.errstate(invalid="ignore"):  # a sample may hold none of those among
            return Interval.of(values @ chosen / chosen.sum(), both[:, 0] / both[:, 1])

    def session_mean(self, values: Floats) -> Interval:
        """Return the mean of a value of each session."""
        return Interval.of(values.mean(), self.drawn @ values / self.count)

    def auc(self, skipped: Bools, probability: Floats) -> Interval:
        """Return the area under the ROC curve; ties count half.

        >>> one = np.array([True, False])
        >>> Resamples(np.array([0, 0]), seed=0).auc(one, np.array([0.8, 0.4])).value
        1.0
        """
        order = np.argsort(probability)
        starts = np.flatnonzero(np.diff(probability[order], prepend=-1))
        right, session = skipped[order], self.sessions[order]
        parts = [
            _auc(drawn[:, session], right, starts)
            for drawn in np.array_split(self.drawn, -(-len(self.drawn) // CHUNK))
        ]
        return Interval.of(_auc(np.ones((1, len(order))), right, starts)[0], np.concatenate(parts))

    def calibration_error(self, skipped: Bools, probability: Floats, bins: Indices) -> Interval:
        """Return the expected calibration error over `bins`, numbers of plays: 0, 1, 2, ..."""
        count = int(bins.max()) + 1
        apart = np.zeros((len(bins), count))
        apart[np.arange(len(bins)), bins] = probability - skipped
        plays = self.sums(np.ones(len(bins)))[:, 0]
        drawn = np.abs(self.sums(apart)).sum(axis=1) / plays
        return Interval.of(np.abs(apart.sum(axis=0)).sum() / len(bins), drawn)


def _auc(weights: Floats, right: Bools, starts: Indices) -> Floats:
    """Return the AUC of each row of weights, samples x plays in order of probability.

    Args:
        weights: 0 or more.
        right: whether each play was skipped.
        starts: the first play of each run of equal probabilities.
    """
    skips = np.add.reduceat(weights * right, starts, axis=1)
    others = np.add.reduceat(weights * ~right, starts, axis=1)
    below = np.cumsum(others, axis=1) - others / 2
    pairs = skips.sum(axis=1) * others.sum(axis=1)
    with np.errstate(invalid="ignore"):  # a sample may lack one outcome
        result: Floats = (skips * below).sum(axis=1) / pairs
    return result


def check_enough(skipped: Bools, sessions: int) -> None:
    """Check that test plays can be judged.

    Raises:
        SkipcastError: fewer sessions than the intervals need, or plays of one outcome only.
    """
    if sessions < FEWEST_SESSIONS:
        raise SkipcastError(
            f"The test sessions must be {FEWEST_SESSIONS} or more, as the intervals need, but "
            f"there are {sessions}. Raise fetch.rows, or split.test."
        )
    if skipped.all() or not skipped.any():
        raise SkipcastError(
            "The test plays must have skipped ones and others but got "
            f"{len(skipped)} {'skipped' if skipped.all() else 'not skipped'}. Raise fetch.rows, or "
            "look at skip_2 in the source."
        )
