"""Plays as logistic regression sees them: no gaps, all columns on one scale.

Nothing of that is stored, as it would take four times the memory of the features: each pass over
the plays makes it anew, `CHUNK` plays at a time.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce

import numpy as np

from skipcast.arrays import Bools, Floats, Indices
from skipcast.models.family import Dataset

CHUNK = 1024  # plays; their columns stay in the processor's cache


@dataclass(frozen=True)
class Design:
    """The columns of training plays: scaled features, indicators of missing values, and a 1.

    A missing value is the feature's mean. That it is missing is a fact of its own: features with
    missing values have an indicator. Those that are always missing together share one: the penalty
    would give each the same weight, and the shared one's scale makes its penalty that of all.

    Attributes:
        plays: the training plays.
        mean: of each feature where it is not missing; 0 if it always is.
        scale: standard deviation of each feature with its gaps filled; 1 if it has a single value.
        leads: of each group of features that are always missing together, the first.
        group: of each feature, the number of its group; -1 where it has no indicator.
        rate: of each group, the share of plays without a value, above 0 and below 1.
        spread: of each group, the standard deviation of its indicator / sqrt(features of it).
    """

    plays: Dataset
    mean: Floats
    scale: Floats
    leads: Indices
    group: Indices
    rate: Floats
    spread: Floats

    @property
    def width(self) -> int:
        """How many columns there are."""
        return len(self.mean) + len(self.leads) + 1

    def rows(self) -> Iterator[tuple[Floats, Bools]]:
        """Yield plays x columns, and which of the plays were skipped, from the first to the last.

        The array is the same each time: use it, or write into it, before the next.
        """
        columns = np.empty((CHUNK, self.width))
        count = len(self.mean)
        for values, skipped in chunks(self.plays):
            rows, missing = columns[: len(values)], np.isnan(values)
            features, indicators = rows[:, :count], rows[:, count:-1]
            np.subtract(values, self.mean, out=features)
            features /= self.scale
            features[missing] = 0
            np.subtract(missing[:, self.leads], self.rate, out=indicators)
            indicators /= self.spread
            rows[:, -1] = 1
            yield rows, skipped


def chunks(plays: Dataset) -> Iterator[tuple[Floats, Bools]]:
    """Yield the features of `CHUNK` plays after others, and which were skipped; the last are fewer.

    A chunk may reach from one part into the next: sums over chunks are the same bits however the
    plays are cut into parts. The array is the same each time.
    """
    chunk, filled, end = np.empty((0, 0)), 0, 0
    for features, _ in plays.parts():
        if not end:
            chunk = np.empty((CHUNK, features.shape[1]))
        taken = 0
        while taken < len(features):
            more = min(CHUNK - filled, len(features) - taken)
            chunk[filled : filled + more] = features[taken : taken + more]
            filled, taken, end = filled + more, taken + more, end + more
            if filled == CHUNK:
                yield chunk, plays.skipped[end - CHUNK : end]
                filled = 0
    if filled:
        yield chunk[:filled], plays.skipped[end - filled : end]


def make_design(plays: Dataset) -> Design:
    """Learn the columns of training plays, in one pass over them."""
    return design_of(plays, moments(plays))


def design_of(plays: Dataset, moments: "Moments") -> Design:
    """Return the columns of training plays whose moments are known."""
    total = len(plays.skipped)
    missing = moments.together.diagonal()
    same = (moments.together == missing) & (moments.together == missing[:, None])
    indicated = (missing > 0) & (missing < total)
    leads, number, sizes = np.unique(
        same.argmax(axis=1)[indicated], return_inverse=True, return_counts=True
    )
    group = np.full(len(missing), -1)
    group[indicated] = number
    rate = missing[leads] / total
    deviation = np.sqrt(moments.squares / total)
    return Design(
        plays,
        mean=moments.mean,
        scale=np.where(moments.low < moments.high, deviation, 1),
        leads=leads,
        group=group,
        rate=rate,
        spread=np.sqrt(rate * (1 - rate) / sizes),
    )


@dataclass(frozen=True)
class Moments:
    """What is known of the values of each feature, where they are not missing.

    Attributes:
        seen: how many there are.
        mean: 0 if there is none.
        squares: the sum of their squared distances from the mean.
        low: NaN if there is none.
        high: NaN if there is none.
        together: features x features, plays where both are missing.
    """

    seen: Floats
    mean: Floats
    squares: Floats
    low: Floats
    high: Floats
    together: Floats

    @classmethod
    def of(cls, values: Floats) -> "Moments":
        """Return those of a chunk of plays, around its own mean: large values lose no digits."""
        missing = np.isnan(values)
        count = (~missing).sum(axis=0)
        mean = np.where(missing, 0, values).sum(axis=0) / np.maximum(count, 1)
        distance = np.where(missing, 0, values - mean)
        absent = missing.astype(np.float32)  # holds the counts of a chunk exactly
        return cls(
            count,
            mean,
            (distance**2).sum(axis=0),
            np.fmin.reduce(values),
            np.fmax.reduce(values),
            (absent.T @ absent).astype(np.float64),
        )

    def merge(self, other: "Moments") -> "Moments":
        """Return those of the plays of both."""
        shift, both = other.mean - self.mean, np.maximum(self.seen + other.seen, 1)
        return Moments(
            self.seen + other.seen,
            self.mean + shift * other.seen / both,
            self.squares + other.squares + shift**2 * self.seen * other.seen / both,
            np.fmin(self.low, other.low),
            np.fmax(self.high, other.high),
            self.together + other.together,
        )


def moments(plays: Dataset) -> Moments:
    """Return the moments of the features of plays."""
    zero, none = np.zeros(1), np.full(1, np.nan)  # the first chunk makes them as many as features
    start = Moments(zero, zero, zero, none, none, np.zeros((1, 1)))
    return reduce(Moments.merge, (Moments.of(values) for values, _ in chunks(plays)), start)
