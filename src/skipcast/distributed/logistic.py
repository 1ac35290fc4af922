"""Logistic regression on several workers: each sums up over its parts; here the sums are added."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np

from skipcast.arrays import Floats
from skipcast.distributed.pool import DaskPool
from skipcast.distributed.shards import part
from skipcast.models.design import Design, Moments, design_of, moments
from skipcast.models.family import Dataset, Params
from skipcast.models.logistic import Linear, Sums, losses, solve
from skipcast.workers import OnStep


@dataclass(frozen=True)
class _Learn:
    """Find the moments of a part."""

    number: int
    plays: Dataset

    def __call__(self, _: OnStep) -> tuple[int, Moments]:
        return self.number, moments(self.plays)


@dataclass(frozen=True)
class _Sum:
    """Sum up the losses of a part."""

    number: int
    design: Design
    weights: Floats

    def __call__(self, _: OnStep) -> tuple[int, Sums]:
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1, user_api="blas"):
            return self.number, losses(self.design, self.weights)


def fit(pool: DaskPool, params: Params, train: Dataset) -> Linear:
    """Fit the model of `Logistic.fit`, but for rounding: sums are added part by part."""
    parts = [(number, part(train, number)) for number, rows in enumerate(train.rows) if rows]
    design = design_of(train, reduce(Moments.merge, _each(pool, (_Learn(*p) for p in parts))))

    def all_losses(weights: Floats) -> Sums:
        tasks = (_Sum(number, replace(design, plays=plays), weights) for number, plays in parts)
        loss, gradient, curvature = zip(*_each(pool, tasks), strict=True)
        return sum(loss), np.sum(gradient, axis=0), np.sum(curvature, axis=0)

    return solve(params, design, all_losses)


def _each(pool: DaskPool, tasks: Iterator[Any]) -> list[Any]:
    """Return the results in the order of the parts: so the sums are the same bits each time."""
    return [result for _, result in sorted(pool.run(tasks, lambda _: None), key=lambda r: r[0])]
