"""Logistic regression: fitted by scikit-learn, kept and used as plain arrays.

The arrays are the only form that predicts, in the search as in the server: the two cannot differ,
no server needs scikit-learn, and each play is summed alone, so that its bits do not depend on how
many others are scored with it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from skipcast.arrays import Floats, Matrix
from skipcast.models.family import Dataset, ModelFamily, OnRound, Params, Range


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
    """The family logistic: its data are scaled features, its models `Linear`."""

    label = "logistic"
    space: ClassVar[Mapping[str, Range]] = {"C": Range(1e-4, 1e2, default=1.0, log=True)}
    libraries = ("scikit-learn",)
    requires = ()
    boosted = False

    def prepare(self, *, train: Dataset, validation: Dataset) -> Any:
        """Impute and scale the training plays; the validation plays are not needed."""
        from sklearn.impute import SimpleImputer
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        # A missing history is a fact of its own, not a number: mean plus an indicator column.
        imputer = SimpleImputer(strategy="mean", add_indicator=True, keep_empty_features=True)
        scaling = make_pipeline(imputer, StandardScaler())
        features = np.concatenate(train.features).astype(np.float64)
        return scaling, scaling.fit_transform(features), train.skipped

    def fit(
        self, params: Params, data: Any, *, seed: int, threads: int, on_round: OnRound
    ) -> Linear:
        """Solve exactly: the same data and params give the same bits with every seed."""
        from sklearn.linear_model import LogisticRegression

        scaling, scaled, skipped = data
        # Few features, many plays: Newton's method takes a few steps where L-BFGS takes a hundred.
        # The indicators are nearly collinear, which single precision could not solve.
        logistic = LogisticRegression(solver="newton-cholesky", **params).fit(scaled, skipped)
        return _unscaled(logistic, *scaling)

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


def _unscaled(logistic: Any, imputer: Any, scaler: Any) -> Linear:
    """Turn scikit-learn's weights of scaled, imputed features into those of plain features."""
    weight, mean = logistic.coef_[0] / scaler.scale_, scaler.mean_
    count = len(imputer.statistics_)
    offset, missing = np.zeros(count), (imputer.statistics_ - mean[:count]) * weight[:count]
    indicated = imputer.indicator_.features_  # the features that have an indicator column
    offset[indicated] -= mean[count:] * weight[count:]
    missing[indicated] += (1 - mean[count:]) * weight[count:]
    arrays = (mean[:count], weight[:count], offset, missing, logistic.intercept_)
    return Linear(*(np.asarray(array, np.float64) for array in arrays))
