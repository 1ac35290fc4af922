"""The three model families: how one is suggested, built, saved without pickle, and loaded.

Each library is imported only by its own functions: a server loads the one that it serves.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from optuna import Trial

Family = Literal["logistic", "lightgbm", "xgboost"]
Matrix = npt.NDArray[np.float32]
Probabilities = npt.NDArray[np.float64]
Params = dict[str, Any]


@dataclass(frozen=True)
class ModelFamily:
    """What the search and the server need of a family.

    `suggest` draws parameters from a trial; `build` makes an unfitted classifier from them, a seed
    and a number of threads; `save` writes a fitted one to a file; `load` returns a function from a
    matrix of features, float32, NaN where missing, to the probability of being skipped, 0..1.
    """

    suggest: Callable[["Trial"], Params]
    build: Callable[[Params, int, int], Any]
    save: Callable[[Any, Path], None]
    load: Callable[[Path], Callable[[Matrix], Probabilities]]
    requires: tuple[str, ...]  # packages that a server of the family needs


def _suggest_logistic(trial: "Trial") -> Params:
    return {"C": trial.suggest_float("C", 1e-4, 1e2, log=True)}


def _build_logistic(params: Params, seed: int, threads: int) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    # A missing history is a fact of its own, not a number: mean plus an indicator column.
    return make_pipeline(
        SimpleImputer(strategy="mean", add_indicator=True),
        StandardScaler(),
        LogisticRegression(max_iter=1000, random_state=seed, **params),
    )


def _save_logistic(model: Any, path: Path) -> None:
    import skops.io

    skops.io.dump(model, path)


def _load_logistic(path: Path) -> Callable[[Matrix], Probabilities]:
    import skops.io

    # Refuses every type that skops does not trust; the imputer keeps the dtype that it has seen.
    pipeline = skops.io.load(path, trusted=["numpy.dtype"])

    def predict(features: Matrix) -> Probabilities:
        return np.asarray(pipeline.predict_proba(features)[:, 1], np.float64)

    return predict


def _suggest_lightgbm(trial: "Trial") -> Params:
    return {
        "n_estimators": trial.suggest_int("n_estimators", 50, 400, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.3, log=True),
        "num_leaves": trial.suggest_int("num_leaves", 7, 127, log=True),
        "min_child_samples": trial.suggest_int("min_child_samples", 5, 300, log=True),
        "colsample_bytree": trial.suggest_float("colsample_bytree", 0.3, 1.0),
        "reg_lambda": trial.suggest_float("reg_lambda", 1e-3, 30.0, log=True),
    }


def _build_lightgbm(params: Params, seed: int, threads: int) -> Any:
    from lightgbm import LGBMClassifier

    return LGBMClassifier(
        random_state=seed,
        n_jobs=threads,
        deterministic=True,
        force_row_wise=True,
        verbose=-1,
        **params,
    )


def _save_lightgbm(model: Any, path: Path) -> None:
    model.booster_.save_model(path)


def _load_lightgbm(path: Path) -> Callable[[Matrix], Probabilities]:
    from lightgbm import Booster

    booster = Booster(model_file=path)

    def predict(features: Matrix) -> Probabilities:
        return np.asarray(booster.predict(features), np.float64)

    return predict


def _suggest_xgboost(trial: "Trial") -> Params:
    return {
        "n_estimators": trial.suggest_int("n_estimators", 50, 400, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.3, log=True),
        "max_depth": trial.suggest_int("max_depth", 3, 9),
        "min_child_weight": trial.suggest_float("min_child_weight", 1.0, 100.0, log=True),
        "colsample_bytree": trial.suggest_float("colsample_bytree", 0.3, 1.0),
        "reg_lambda": trial.suggest_float("reg_lambda", 1e-3, 30.0, log=True),
    }


def _build_xgboost(params: Params, seed: int, threads: int) -> Any:
    from xgboost import XGBClassifier

    return XGBClassifier(random_state=seed, n_jobs=threads, tree_method="hist", **params)


def _save_xgboost(model: Any, path: Path) -> None:
    model.get_booster().save_model(path.with_suffix(".ubj"))  # the suffix chooses the format
    path.with_suffix(".ubj").rename(path)


def _load_xgboost(path: Path) -> Callable[[Matrix], Probabilities]:
    from xgboost import Booster

    booster = Booster()
    booster.load_model(bytearray(path.read_bytes()))

    def predict(features: Matrix) -> Probabilities:
        return np.asarray(booster.inplace_predict(features), np.float64)

    return predict


FAMILIES: dict[Family, ModelFamily] = {
    "logistic": ModelFamily(
        _suggest_logistic,
        _build_logistic,
        _save_logistic,
        _load_logistic,
        ("scikit-learn", "skops"),
    ),
    "lightgbm": ModelFamily(
        _suggest_lightgbm, _build_lightgbm, _save_lightgbm, _load_lightgbm, ("lightgbm",)
    ),
    "xgboost": ModelFamily(
        _suggest_xgboost, _build_xgboost, _save_xgboost, _load_xgboost, ("xgboost",)
    ),
}
