"""Logistic regression: fitted by sums over the plays, kept and used as plain arrays.

The arrays are the only form that predicts, in the search as in the server: the two cannot differ,
no server needs another library, and each play is summed alone, so that its bits do not depend on
how many others are scored with it.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np

from skipcast.arrays import Floats, Matrix
from skipcast.models.design import Design, make_design
from skipcast.models.family import Dataset, ModelFamily, OnRound, Params, Range
from skipcast.models.newton import minimise

# Of the loss: where a fit ends, log-odds have an error below 1e-9.
TOLERANCE = 1e-10

Sums = tuple[float, Floats, Floats]
"""The log loss of plays, nats, its gradient and its second derivatives."""


@dataclass(frozen=True)
class Linear:
    """What each feature adds to the log-odds of a skip; arrays hold a value per feature.

    A feature adds `(value - mean) * weight + offset` where it has a value, else `missing`.
    """

    mean: Floats
    weight: Floats
    offset: Floats
    missing: Floats
    base: Floats  # one value: the log-odds that the features are added to

    def terms(self, features: Matrix) -> Floats:
        """Return what each feature adds to the log-odds of each play: plays x features.

        >>> one, zero = np.ones(1), np.zeros(1)
        >>> Linear(mean=one, weight=2 * one, offset=zero, missing=-one, base=zero).terms(
        ...     np.array([[3.0], [np.nan]], np.float32)
        ... ).tolist()
        [[4.0], [-1.0]]
        """
        values = features.astype(np.float64)
        shifted = (values - self.mean) * self.weight + self.offset
        return np.where(np.isnan(values), self.missing, shifted)


class Logistic(ModelFamily):
    """The family logistic: its data are a `Design`, its models `Linear`."""

    label = "logistic"
    space: ClassVar[Mapping[str, Range]] = {"C": Range(1e-4, 1e2, default=1.0, log=True)}
    libraries = ("scipy",)
    requires = ()
    boosted = False

    def prepare(self, *, train: Dataset, validation: Dataset) -> Design:
        """Learn how to impute and scale the training plays; the others are not needed."""
        return make_design(train)

    def fit(
        self, params: Params, data: Design, *, seed: int, threads: int, on_round: OnRound
    ) -> Linear:
        """Solve exactly: the same data and params give the same bits with every seed.

        Few features, many plays: Newton's method takes a few passes over the plays where L-BFGS
        takes a hundred. The penalty is half the sum of the squared weights, without the constant.
        """
        return solve(params, data, partial(losses, data))

    def predict(self, model: Linear, features: Matrix) -> Floats:
        """Sum each play's terms."""
        # Row after row in memory: then numpy sums the terms in the same order, one play or many.
        terms = np.ascontiguousarray(model.terms(features))
        probability: Floats = np.exp(-np.logaddexp(0, -(terms.sum(axis=1) + model.base)))
        return probability

    def contributions(self, model: Linear, features: Matrix) -> Floats:
        """Return weight times distance from the mean; that a value is missing counts with it."""
        terms = model.terms(features)
        return np.column_stack([terms, np.full(len(terms), model.base[0])])

    def save(self, model: Linear, path: Path) -> None:
        """Write the arrays as .npz."""
        with path.open("wb") as file:
            np.savez(file, **asdict(model))

    def load(self, path: Path, *, threads: int) -> Linear:
        """Read the arrays; numpy predicts in one thread."""
        with np.load(path, allow_pickle=False) as arrays:
            return Linear(**arrays)


def solve(params: Params, data: Design, losses: Callable[[Floats], Sums]) -> Linear:
    """Find the model of the training plays.

    Args:
        params: of the fit.
        data: the columns of the plays, which may be elsewhere.
        losses: what `losses` returns for all plays at some weights.
    """
    from threadpoolctl import threadpool_limits

    penalty = np.append(np.ones(data.width - 1), 0)

    def objective(weights: Floats) -> Sums:
        loss, gradient, curvature = losses(weights)
        return (
            params["C"] * loss + penalty * weights @ weights / 2,
            params["C"] * gradient + penalty * weights,
            params["C"] * curvature + np.diag(penalty),
        )

    tolerance = TOLERANCE * params["C"] * len(data.plays.skipped)
    # On few plays at a time, threads of BLAS wait longer for each other than they compute. One
    # takes half the time of two, and gives the same bits wherever it runs.
    with threadpool_limits(1, user_api="blas"):
        weights = minimise(objective, np.zeros(data.width), tolerance=tolerance)
    return _unscaled(weights, data)


def losses(design: Design, weights: Floats) -> Sums:
    """Return the log loss of all plays, nats, its gradient and its second derivatives."""
    from scipy.special import expit, log_expit

    loss, gradient = 0.0, np.zeros(design.width)
    curvature = np.zeros((design.width, design.width))
    for rows, skipped in design.rows():
        log_odds = rows @ weights
        probability = expit(log_odds)
        loss -= log_expit(np.where(skipped, log_odds, -log_odds)).sum()
        gradient += (probability - skipped) @ rows
        rows *= np.sqrt(probability * (1 - probability))[:, None]
        curvature += rows.T @ rows
    return loss, gradient, curvature


def _unscaled(weights: Floats, design: Design) -> Linear:
    """Turn the weights of a design's columns into those of plain features."""
    count = len(design.mean)
    own = weights[count:-1] / (design.spread * np.bincount(design.group[design.group >= 0]))
    indicator = np.append(own, 0)[design.group]  # of each feature; the last where it has none
    rate = np.append(design.rate, 0)[design.group]
    return Linear(
        mean=design.mean,
        weight=weights[:count] / design.scale,
        offset=-rate * indicator,
        missing=(1 - rate) * indicator,
        base=weights[-1:],
    )
