"""Intervals by bootstrap over whole sessions, because plays of one session are alike.

Each sample holds each session 0, 1, 2, ... times: a Poisson number of mean 1 that is a function of
the session's key and the sample's number, and of nothing else ("Poisson bootstrap", Chamandy et
al. 2012). So the sums over a sample are those over the same sample of any parts of the sessions,
added up in any order; every score is a ratio of such sums. All models are scored on the same
samples, so that differences between them are paired.

In an array of sums, the samples are the last dimension. Sample 0 holds each session once: it is the
plays themselves.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from skipcast.arrays import Floats, Indices
from skipcast.errors import SkipcastError
from skipcast.sessions import hash_sessions

MOST_TESTED = 0.5  # of all sessions
FEWEST_SESSIONS = 30  # with fewer, the intervals are known to be too narrow
CHUNK = 1 << 11  # sessions that are drawn at a time: with 1,000 samples, 16 MB
Keys = npt.NDArray[np.uint64]


@dataclass(frozen=True)
class Interval:
    """A score and its 95 % interval; NaN where no play counts."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, estimates: Floats) -> "Interval":
        """Return the estimate of sample 0 with the middle 95 % of the others that are not NaN.

        >>> Interval.of(np.array([0.5, 0.4, 0.5, 0.6])).low
        0.405
        """
        numbers = estimates[1:][~np.isnan(estimates[1:])]
        low, high = np.quantile(numbers, (0.025, 0.975)) if numbers.size else (np.nan, np.nan)
        return cls(float(estimates[0]), float(low), float(high))


def session_keys(session_ids: pd.Series, *, seed: int) -> Keys:
    """Return the key of each session, which decides what samples hold it; equal for equal ids."""
    return hash_sessions(session_ids, purpose="bootstrap", seed=seed)


def number_keys(sessions: int, *, seed: int) -> Keys:
    """Return keys for sessions that have numbers instead of ids: 0, 1, 2, ..."""
    return _mixed(np.arange(sessions, dtype=np.uint64) + _mixed(np.array([seed], np.uint64)))


def draw(keys: Keys, samples: int) -> Floats:
    """Return how often each sample holds each session: sessions x (1 + samples).

    >>> draw(np.array([1, 2], np.uint64), samples=3)
    array([[1., 0., 1., 0.],
           [1., 0., 0., 0.]])
    """
    words = np.arange(1, -(-samples // 4) + 1, dtype=np.uint64) * GOLDEN
    drawn = POISSON[_mixed(keys[:, None] + words).view(np.uint16)]  # four numbers of 16 bits each
    return np.hstack([np.ones((len(keys), 1)), drawn[:, :samples]])


GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mixed(numbers: Keys) -> Keys:
    """Return numbers whose bits look random, one for one: the mixer of SplitMix64 (Vigna 2015)."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


def _poisson() -> Floats:
    """Return the Poisson number, mean 1, of each uniform number of 16 bits.

    Rounding to 16 bits keeps the mean, and the variance to 3 in 100,000.
    """
    shares = np.cumsum([math.exp(-1) / math.factorial(k) for k in range(12)])
    uniform = np.arange(1 << 16)
    return np.searchsorted(np.round(shares * len(uniform)), uniform, "right").astype(np.float64)


POISSON = _poisson()


class Resamples:
    """The bootstrap samples of a few sessions.

    Attributes:
        sessions: the number of the session of each play: 0, 1, 2, ...
        weights: sessions x (1 + samples), as `draw` returns them.
    """

    def __init__(self, sessions: Indices, keys: Keys, *, samples: int) -> None:
        """Draw the samples.

        Args:
            sessions: a number for each play, the same for all plays of a session: 0, 1, 2, ...
            keys: of each session.
            samples: their number, 1 or more.
        """
        self.sessions = sessions
        self.weights = draw(keys, samples)

    def sums(self, values: Floats, codes: Indices, size: int) -> Floats:
        """Sum values of plays by a code.

        Args:
            values: columns x plays.
            codes: of each play, 0 .. `size` - 1; -1 leaves it out.
            size: of the result.

        Returns:
            Columns x size x (1 + samples).

        >>> resamples = Resamples(np.array([0, 0]), np.array([5], np.uint64), samples=1)
        >>> float(resamples.sums(np.array([[1.0, 2.0]]), np.array([0, 0]), 1)[0, 0, 0])
        3.0
        """
        known = codes >= 0
        count = len(self.weights)
        at = codes[known] * count + self.sessions[known]
        by_session = [np.bincount(at, column[known], size * count) for column in values]
        sums = np.reshape(by_session, (-1, count)) @ self.weights
        result: Floats = sums.reshape(len(values), size, -1)
        return result

    def session_sums(self, values: Floats) -> Floats:
        """Sum values of sessions: columns x sessions give columns x (1 + samples)."""
        result: Floats = values @ self.weights
        return result

    def counts(self, codes: Indices, size: int) -> Floats:
        """Count plays by a code of which there are many: size x (1 + samples)."""
        ones = np.ones(len(codes))
        plays = sparse.csr_array((ones, (codes, self.sessions)), shape=(size, len(self.weights)))
        result: Floats = plays @ self.weights
        return result


def chunks(sessions: Indices) -> Iterator[slice]:
    """Cut plays into runs of `CHUNK` sessions.

    Args:
        sessions: the number of the session of each play, ascending: 0, 1, 2, ...
    """
    count = int(sessions[-1]) + 1 if len(sessions) else 0
    edges = np.searchsorted(sessions, [*range(0, count, CHUNK), count])
    yield from map(slice, edges[:-1], edges[1:])


def excess(
    one: Floats, others: Floats, sessions: Indices, *, seed: int, samples: int = 1000
) -> list[Interval]:
    """Return how much the mean of `one` exceeds that of each of `others`.

    Each sample holds the same sessions for all models, because all predict the same plays.

    Args:
        one: a score of each play, such as 1 where a prediction is right.
        others: the same for other models, models x plays.
        sessions: a number for each play, the same for all plays of a session: 0, 1, 2, ...
        seed: any whole number.
        samples: the number of bootstrap samples, 1 or more.
    """
    count = int(sessions.max()) + 1
    keys = number_keys(count, seed=seed)
    columns = (*(one - other for other in others), None)  # None: 1 for each play
    by_session = np.array([np.bincount(sessions, column, count) for column in columns])
    starts = range(0, count, CHUNK)
    sums = np.zeros((len(columns), 1 + samples))
    for i in starts:
        sums += by_session[:, i : i + CHUNK] @ draw(keys[i : i + CHUNK], samples)
    with np.errstate(invalid="ignore"):  # a sample of few sessions may hold none
        return [Interval.of(estimates) for estimates in sums[:-1] / sums[-1]]


def paired_difference(
    one: Floats, other: Floats, sessions: Indices, *, seed: int, samples: int = 1000
) -> tuple[float, float, float]:
    """Return how much the mean of `one` exceeds that of `other`, and the ends of its 95 % interval.

    Args:
        one: as in `excess`.
        other: the same for another model.
        sessions: as in `excess`.
        seed: as in `excess`.
        samples: as in `excess`.

    >>> paired_difference(np.ones(4), np.zeros(4), np.array([0, 0, 1, 1]), seed=0)
    (1.0, 1.0, 1.0)
    """
    (difference,) = excess(one, other[None], sessions, seed=seed, samples=samples)
    return difference.value, difference.low, difference.high


def check_enough(
    *, plays: int, skips: int, sessions: int, all_plays: int, all_sessions: int, share: float
) -> None:
    """Check that the test plays suffice to judge a model.

    Args:
        plays: the number of test plays.
        skips: how many of them were skipped.
        sessions: the number of their sessions.
        all_plays: the number of plays of training, validation and test.
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
    if skips in (0, plays):
        raise SkipcastError(
            "The test plays must have skipped ones and others but got "
            f"{plays} {'skipped' if skips else 'not skipped'}. Raise fetch.rows, or "
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
