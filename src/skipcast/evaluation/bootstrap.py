"""Intervals by bootstrap over whole sessions, because plays of one session are alike.

The samples are drawn once: how often each of them holds each session. Every score of every model is
then a matrix product with the same numbers, so that differences between models are paired.
"""

import math
from dataclasses import dataclass

import numpy as np

from skipcast.arrays import Bools, Floats, Indices
from skipcast.errors import SkipcastError
from skipcast.evaluation.calibration import error_ends

MOST_TESTED = 0.5  # of all sessions
FEWEST_SESSIONS = 30  # with fewer, the intervals are known to be too narrow
CHUNK = 32  # samples whose plays are weighted at a time: they stay in the cache


@dataclass(frozen=True)
class Interval:
    """A score and its 95 % interval; NaN where no play counts."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, value: float, estimates: Floats) -> "Interval":
        """Return `value` with the middle 95 % of the samples' estimates; NaN ones do not count.

        >>> Interval.of(0.5, np.array([0.4, 0.5, 0.6])).low
        0.405
        """
        numbers = estimates[~np.isnan(estimates)]
        low, high = np.quantile(numbers, (0.025, 0.975)) if numbers.size else (np.nan, np.nan)
        return cls(float(value), float(low), float(high))


class Resamples:
    """Bootstrap samples of sessions.

    Attributes:
        sessions: the number of the session of each play.
        count: the number of sessions.
        weights: samples x sessions; how often each sample holds each session, 0, 1, 2, ...
    """

    def __init__(self, sessions: Indices, *, seed: int, samples: int = 1000) -> None:
        """Draw `samples` samples, each of as many sessions as there are, with replacement.

        Args:
            sessions: a number for each play, the same for all plays of a session: 0, 1, 2, ...
            seed: any whole number.
            samples: 1 or more.
        """
        self.sessions = sessions
        self.count = int(sessions.max()) + 1
        equal = np.full(self.count, 1 / self.count)
        weights = np.random.default_rng(seed).multinomial(self.count, equal, size=samples)
        self.weights = weights.astype(np.float64)

    def sums(self, values: Floats) -> Floats:
        """Sum values of plays in each sample: plays x columns give samples x columns.

        >>> Resamples(np.array([0, 0]), seed=0, samples=1).sums(np.array([1.0, 2.0]))
        array([[3.]])
        """
        columns = values.reshape(len(values), -1).T
        per_session = [np.bincount(self.sessions, column, self.count) for column in columns]
        result: Floats = self.weights @ np.array(per_session).T
        return result

    def mean(self, values: Floats, rows: Bools | None = None) -> Interval:
        """Return the mean of a value of each play, over all plays or those of `rows`.

        >>> Resamples(np.array([0, 0, 1]), seed=0).mean(np.ones(3))
        Interval(value=1.0, low=1.0, high=1.0)
        """
        chosen = np.ones(len(values)) if rows is None else rows.astype(np.float64)
        sums = self.sums(np.column_stack([values * chosen, chosen]))
        with np.errstate(invalid="ignore"):  # a sample may hold none of the rows
            return Interval.of(values @ chosen / chosen.sum(), sums[:, 0] / sums[:, 1])

    def session_mean(self, values: Floats) -> Interval:
        """Return the mean of a value of each session, in order of the sessions' numbers.

        >>> Resamples(np.array([0, 0, 1]), seed=0).session_mean(np.ones(2))
        Interval(value=1.0, low=1.0, high=1.0)
        """
        return Interval.of(values.mean(), self.weights @ values / self.count)

    def auc(self, skipped: Bools, probability: Floats) -> Interval:
        """Return the area under the ROC curve, 0..1; ties count half.

        >>> skipped = np.array([True, False])
        >>> Resamples(np.array([0, 0]), seed=0).auc(skipped, np.array([0.8, 0.4])).value
        1.0
        """
        order = np.argsort(probability)
        starts = np.flatnonzero(np.diff(probability[order], prepend=-1))
        skipped, sessions = skipped[order], self.sessions[order]
        estimates = [
            _auc(weights[:, sessions], skipped, starts)
            for weights in np.array_split(self.weights, -(-len(self.weights) // CHUNK))
        ]
        value = _auc(np.ones((1, len(order))), skipped, starts)[0]
        return Interval.of(value, np.concatenate(estimates))

    def calibration_error(self, skipped: Bools, probability: Floats, bins: Indices) -> Interval:
        """Return the expected calibration error, 0..1.

        It is the mean over the bins, weighted by their plays, of how far the mean probability of a
        bin is from its share of skipped plays. No bias is subtracted: chance alone makes it greater
        than 0. The interval is that of `error_ends`, for the error that endless plays would show;
        it reaches to the estimate where it would end below.

        Args:
            skipped: whether each play was skipped.
            probability: the predicted probability of that, 0..1.
            bins: the number of the bin of each play: 0, 1, 2, ...

        >>> resamples = Resamples(np.array([0, 0]), seed=0)
        >>> skipped, probability = np.array([True, False]), np.array([0.75, 0.25])
        >>> resamples.calibration_error(skipped, probability, np.array([1, 0])).value
        0.25
        """
        excess = np.zeros((len(bins), int(bins.max()) + 1))
        excess[np.arange(len(bins)), bins] = probability - skipped
        gaps = excess.sum(axis=0) / len(bins)
        noise = self.sums(excess) / self.sums(np.ones(len(bins))) - gaps
        value = float(np.abs(excess.sum(axis=0)).sum() / len(bins))
        low, high = error_ends(gaps, noise)
        return Interval(value, min(low, value), max(high, value))


def _auc(weights: Floats, skipped: Bools, starts: Indices) -> Floats:
    """Return the AUC of each row of weights, samples x plays in order of probability.

    Args:
        weights: 0 or more.
        skipped: whether each play was skipped.
        starts: the first play of each run of equal probabilities.
    """
    skips = np.add.reduceat(weights * skipped, starts, axis=1)
    others = np.add.reduceat(weights * ~skipped, starts, axis=1)
    below = np.cumsum(others, axis=1) - others / 2
    pairs = skips.sum(axis=1) * others.sum(axis=1)
    with np.errstate(invalid="ignore"):  # a sample may lack one outcome
        result: Floats = (skips * below).sum(axis=1) / pairs
    return result


def paired_difference(
    one: Floats, other: Floats, sessions: Indices, *, seed: int, samples: int = 1000
) -> tuple[float, float, float]:
    """Return how much the mean of `one` exceeds that of `other`, and the ends of its 95 % interval.

    Each sample holds the same sessions for both models, because both predict the same plays.

    Args:
        one: a score of each play, such as 1 where a prediction is right.
        other: the same for another model.
        sessions: a number for each play, the same for all plays of a session: 0, 1, 2, ...
        seed: any whole number.
        samples: the number of bootstrap samples, 1 or more.

    >>> paired_difference(np.ones(4), np.zeros(4), np.array([0, 0, 1, 1]), seed=0)
    (1.0, 1.0, 1.0)
    """
    excess = Resamples(sessions, seed=seed, samples=samples).mean(one - other)
    return excess.value, excess.low, excess.high


def check_enough(
    skipped: Bools, sessions: int, *, all_plays: int, all_sessions: int, share: float
) -> None:
    """Check that the test plays suffice to judge a model.

    Args:
        skipped: whether each play was skipped.
        sessions: the number of their sessions.
        all_plays: the number of plays of all parts.
        all_sessions: the number of their sessions.
        share: of the sessions that are to test, 0..1.

    Raises:
        SkipcastError: there are fewer sessions than the intervals need, the message tells about
            how many more plays would give as many; or all plays have one outcome.
    """
    if sessions < FEWEST_SESSIONS:
        more = more_plays(FEWEST_SESSIONS - sessions, all_plays / all_sessions, share)
        raise SkipcastError(
            f"The test sessions must be {FEWEST_SESSIONS} or more, as the intervals need, but "
            f"there are {sessions}, of {all_sessions:,} sessions with {all_plays:,} plays. About "
            f"{more:,} more plays give as many: raise fetch.rows, or fetch an export that is as "
            f"much newer.{_larger_share(all_sessions, share)}"
        )
    if skipped.all() or not skipped.any():
        raise SkipcastError(
            "The test plays must have skipped ones and others but got "
            f"{len(skipped)} {'skipped' if skipped.all() else 'not skipped'}. Raise fetch.rows, or "
            "look at skip_2 in the source."
        )


def _larger_share(sessions: int, share: float) -> str:
    """Say which share of so many sessions would do, where it leaves half of them or more."""
    wanted = math.ceil(100 * (FEWEST_SESSIONS + math.sqrt(FEWEST_SESSIONS)) / sessions) / 100
    if wanted > MOST_TESTED:
        return ""
    return f" Or raise split.test, which is {share}, to {wanted}."


def more_plays(sessions: int, plays_per_session: float, share: float) -> int:
    """Return how many more plays most likely bring so many more test sessions; two digits.

    Args:
        sessions: 1 or more.
        plays_per_session: above 0.
        share: of the sessions that are to test, 0..1.

    >>> more_plays(9, 10, 0.15)
    800
    """
    plays = (sessions + math.sqrt(sessions)) / share * plays_per_session  # chance may give fewer
    digits = int(10 ** max(math.floor(math.log10(plays)) - 1, 0))
    return math.ceil(plays / digits) * digits
