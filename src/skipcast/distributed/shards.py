"""Plays dealt out to workers: each reads its own parts."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from skipcast.arrays import Indices, Matrix
from skipcast.models.family import Dataset

NOBODY: Indices = np.empty(0, np.intp)


@dataclass(frozen=True)
class Slice:
    """Plays of a part that come after each other: its rows `first` to `end`, without `end`."""

    number: int
    first: int
    end: int


@dataclass(frozen=True)
class Chosen(Sequence[Matrix]):
    """The features of some plays of a data set; each slice is read when it is asked for."""

    features: Sequence[Matrix]
    slices: tuple[Slice, ...]

    def __len__(self) -> int:
        return len(self.slices)

    def __getitem__(self, number: Any) -> Any:
        part = self.slices[number]
        return self.features[part.number][part.first : part.end]


def shard(plays: Dataset, slices: Sequence[Slice]) -> Dataset:
    """Return some plays, without their sessions and positions.

    No family looks at these, and for each play they are 16 bytes on the way to a worker.

    >>> matrix, skipped, count = np.eye(3), np.array([0, 1, 1], bool), np.arange(3)
    >>> plays = Dataset([matrix[:1], matrix[1:]], [1, 2], skipped, count, count)
    >>> shard(plays, [Slice(1, 0, 2)]).skipped.tolist()
    [True, True]
    >>> next(shard(plays, [Slice(1, 1, 2)]).parts())[0].tolist()
    [[0.0, 0.0, 1.0]]
    """
    starts = np.cumsum([0, *plays.rows])
    skipped = [plays.skipped[starts[s.number] + s.first : starts[s.number] + s.end] for s in slices]
    chosen = Chosen(plays.features, tuple(slices))
    return Dataset(
        [*chosen] if isinstance(plays.features, list) else chosen,
        [s.end - s.first for s in slices],
        np.concatenate(skipped),
        NOBODY,
        NOBODY,
    )


def part(plays: Dataset, number: int) -> Dataset:
    """Return the plays of a part, as `shard` does."""
    return shard(plays, [_whole(plays, number)])


@dataclass(frozen=True)
class Shares:
    """Plays that workers share.

    Attributes:
        train: plays to learn from, one or more.
        validation: other plays, one or more.
        workers: how many share them at most, 1 or more.
    """

    train: Dataset
    validation: Dataset
    workers: int

    def deal(self, most: int | None = None) -> list[tuple[Dataset, Dataset]]:
        """Deal out the plays, to as many as all get skips and others of both kinds."""
        for count in range(min(self.workers, most or self.workers), 1, -1):
            pairs = [*zip(_deal(self.train, count), _deal(self.validation, count), strict=True)]
            if all(_has_both(plays) for pair in pairs for plays in pair):
                return pairs
        return [(self.train, self.validation)]


def _deal(plays: Dataset, count: int) -> list[Dataset]:
    """Deal out plays, as many to each.

    Whole parts go out in turn, so that each has some of all times. What is left, `count` parts at
    most, is cut by sessions, as all wait for the one that has most.
    """
    numbers = [number for number, rows in enumerate(plays.rows) if rows]
    rest = (len(numbers) - 1) // count * count
    whole = [_whole(plays, number) for number in numbers[:rest]]
    cuts = [_cut(plays, number, count) for number in numbers[rest:]]
    return [
        shard(plays, [*whole[share::count], *(slices[share] for slices in cuts)])
        for share in range(count)
    ]


def _whole(plays: Dataset, number: int) -> Slice:
    return Slice(number, 0, plays.rows[number])


def _cut(plays: Dataset, number: int, count: int) -> list[Slice]:
    """Cut a part into slices of whole sessions."""
    start, rows = sum(plays.rows[:number]), plays.rows[number]
    sessions = plays.sessions[start : start + rows]
    near = np.arange(1, count) * rows // count
    bounds = [0, *np.searchsorted(sessions, sessions[near]).tolist(), rows]
    return [Slice(number, first, end) for first, end in pairwise(bounds)]


def _has_both(plays: Dataset) -> bool:
    return 0 < int(plays.skipped.sum()) < len(plays.skipped)
