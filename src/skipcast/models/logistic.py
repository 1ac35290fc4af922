"""Logistic regression: fitted by scikit-learn, kept and used as plain arrays.

The arrays are the only form that predicts, in the search as in the server: the two cannot differ,
no server needs scikit-learn, and each play is summed alone, so that its bits do not depend on how
many others are scored with it.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from skipcast.arrays import Floats, Matrix
from skipcast.models.family import ModelFamily, OnRound, Params, Part, Range


@dataclass(frozen=True)
class Linear:
    """What each feature adds to the log-odds of a skip; arrays hold a value per feature.

    A feature adds `(value - mean) * weight + given`, or `missing` where its value is missing.
    """

    mean: Floats
    weight: Floats
    given: Floats
    missing: Floats
    base: Floats  # one value: the log-odds that the features are added to


def _prepare(train: Part, validation: Part) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    # A missing history is a fact of its own, not a number: mean plus an indicator column.
    imputer = SimpleImputer(strategy="mean", add_indicator=True, keep_empty_features=True)
    scaling = make_pipeline(imputer, StandardScaler())
    return scaling, scaling.fit_transform(train.features.astype(np.float64)), train.skipped


def _fit(params: Params, data: Any, seed: int, threads: int, on_round: OnRound) -> Linear:
    from sklearn.linear_model import LogisticRegression

    (imputer, scaler), scaled, skipped = data
    # Few features, many plays: Newton's method takes a few steps where L-BFGS takes a hundred. The
    # indicators are nearly collinear, which single precision could not solve.
    logistic = LogisticRegression(solver="newton-cholesky", **params).fit(scaled, skipped)
    weight, mean = logistic.coef_[0] / scaler.scale_, scaler.mean_
    count = len(imputer.statistics_)
    given, missing = np.zeros(count), (imputer.statistics_ - mean[:count]) * weight[:count]
    indicated = imputer.indicator_.features_
    given[indicated] -= mean[count:] * weight[count:]
    missing[indicated] += (1 - mean[count:]) * weight[count:]
    arrays = (mean[:count], weight[:count], given, missing, logistic.intercept_)
    return Linear(*(np.asarray(array, np.float64) for array in arrays))


def _predict(model: Linear, features: Matrix) -> Floats:
    # Row after row in memory: then numpy sums each play's terms in the same order, one or many.
    terms = np.ascontiguousarray(_terms(model, features))
    probability: Floats = np.exp(-np.logaddexp(0, -(terms.sum(axis=1) + model.base)))
    return probability


def _contributions(model: Linear, features: Matrix) -> Floats:
    """Return weight times distance from the mean; that a value is missing counts with it."""
    terms = _terms(model, features)
    return np.column_stack([terms, np.full(len(terms), model.base[0])])


def _terms(model: Linear, features: Matrix) -> Floats:
    values = features.astype(np.float64)
    shifted = (values - model.mean) * model.weight + model.given
    return np.where(np.isnan(values), model.missing, shifted)


def _save(model: Linear, path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, **asdict(model))


def _load(path: Path, threads: int) -> Linear:
    with np.load(path, allow_pickle=False) as arrays:
        return Linear(**arrays)


LOGISTIC = ModelFamily(
    space={"C": Range(1e-4, 1e2, default=1.0, log=True)},
    prepare=_prepare,
    fit=_fit,
    predict=_predict,
    contributions=_contributions,
    save=_save,
    load=_load,
    requires=(),
)
