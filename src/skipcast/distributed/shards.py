"""Plays dealt out to workers: each reads its own parts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skipcast.arrays import Matrix
from skipcast.models.family import Dataset


@dataclass(frozen=True)
class Chosen(Sequence[Matrix]):
    """The features of some parts of a data set; each is read when it is asked for."""

    features: Sequence[Matrix]
    numbers: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, number: Any) -> Any:
        return self.features[self.numbers[number]]


def shard(plays: Dataset, numbers: Sequence[int]) -> Dataset:
    """Return the plays of some parts.

    >>> matrix, skipped, count = np.eye(3), np.array([0, 1, 1], bool), np.arange(3)
    >>> plays = Dataset([matrix[:1], matrix[1:]], [1, 2], skipped, count, count)
    >>> shard(plays, [1]).skipped.tolist(), next(shard(plays, [1]).parts())[0].tolist()
    ([True, True], [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    """
    ends = np.cumsum(plays.rows)
    rows = [plays.rows[number] for number in numbers]
    slices = [slice(ends[number] - plays.rows[number], ends[number]) for number in numbers]
    skipped, sessions, positions = (
        np.concatenate([values[one] for one in slices])
        for values in (plays.skipped, plays.sessions, plays.positions)
    )
    features = (
        [plays.features[number] for number in numbers]
        if isinstance(plays.features, list)
        else Chosen(plays.features, tuple(numbers))
    )
    return Dataset(features, rows, skipped, sessions, positions)


@dataclass(frozen=True)
class Shares:
    """Plays that workers share.

    Attributes:
        train: plays to learn from.
        validation: other plays, of the same parts.
        workers: how many share them at most, 1 or more.
    """

    train: Dataset
    validation: Dataset
    workers: int

    def deal(self, most: int | None = None) -> list[tuple[Dataset, Dataset]]:
        """Deal out the parts in turn, to as many as all get skips and others of both kinds."""
        count = len(self.train.rows)
        for shares in range(min(self.workers, most or self.workers, count), 1, -1):
            dealt = [range(first, count, shares) for first in range(shares)]
            pairs = [(shard(self.train, own), shard(self.validation, own)) for own in dealt]
            if all(_has_both(plays) for pair in pairs for plays in pair):
                return pairs
        return [(self.train, self.validation)]


def _has_both(plays: Dataset) -> bool:
    return 0 < int(plays.skipped.sum()) < len(plays.skipped)
