"""Logistic regression of scikit-learn on standardised features."""

from pathlib import Path
from typing import Any

import numpy as np

from skipcast.family import Matrix, ModelFamily, OnRound, Params, Part, Probabilities, Range


def _prepare(train: Part, validation: Part) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    # A missing history is a fact of its own, not a number: mean plus an indicator column.
    imputer = SimpleImputer(strategy="mean", add_indicator=True, keep_empty_features=True)
    scaling = make_pipeline(imputer, StandardScaler())
    return scaling, scaling.fit_transform(train.features), train.skipped


def _fit(params: Params, data: Any, seed: int, threads: int, on_round: OnRound) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    scaling, scaled, skipped = data
    logistic = LogisticRegression(max_iter=1000, random_state=seed, **params).fit(scaled, skipped)
    return make_pipeline(scaling, logistic)


def _predict(model: Any, features: Matrix) -> Probabilities:
    return np.asarray(model.predict_proba(features)[:, 1], np.float64)


def _contributions(model: Any, features: Matrix) -> Probabilities:
    """Return coefficient times standardised value; an indicator counts with its feature."""
    scaling, logistic = model
    weighted = scaling.transform(features) * logistic.coef_[0]
    count = features.shape[1]
    result = np.empty((len(features), count + 1))
    result[:, :count] = weighted[:, :count]
    result[:, count] = logistic.intercept_[0]
    np.add.at(result.T, scaling[0].indicator_.features_, weighted[:, count:].T)
    return result


def _save(model: Any, path: Path) -> None:
    import skops.io

    skops.io.dump(model, path)


def _load(path: Path) -> Any:
    import skops.io

    # Refuses every type that skops does not trust; the imputer keeps the dtype that it has seen.
    return skops.io.load(path, trusted=["numpy.dtype"])


LOGISTIC = ModelFamily(
    space={"C": Range(1e-4, 1e2, default=1.0, log=True)},
    prepare=_prepare,
    fit=_fit,
    predict=_predict,
    contributions=_contributions,
    save=_save,
    load=_load,
    requires=("scikit-learn", "skops"),
)
