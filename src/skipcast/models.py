"""The three model families: how one is searched, fitted, saved without pickle, and loaded.

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
Predict = Callable[[Matrix], Probabilities]
OnRound = Callable[[int, float], None]
Params = dict[str, Any]

MAX_ROUNDS = 600  # of boosting; early stopping ends nearly all fits before
PATIENCE = 20  # rounds without a lower validation loss that end a fit


@dataclass(frozen=True)
class Part:
    """The plays of some sessions: what is known of each, and whether it was skipped."""

    features: Matrix  # plays x features, NaN where missing
    skipped: npt.NDArray[np.bool_]  # plays


@dataclass(frozen=True)
class ModelFamily:
    """What the search and the server need of a family.

    `defaults` are the library's own parameters, the first to be tried; `suggest` draws others from
    a trial. `prepare` does once per search what all fits share (binning, imputing) and `fit` makes
    a model of it: parameters, prepared data, seed, threads, and a function that is told each
    round's validation log loss and may raise to end the fit. `predict` gives a model's
    probabilities of being skipped, 0..1; `save` writes it to a file and `load` reads it back as a
    function that does the same.
    """

    defaults: Params
    suggest: Callable[["Trial"], Params]
    prepare: Callable[[Part, Part], Any]
    fit: Callable[[Params, Any, int, int, OnRound], Any]
    predict: Callable[[Any, Matrix], Probabilities]
    save: Callable[[Any, Path], None]
    load: Callable[[Path], Predict]
    requires: tuple[str, ...]  # packages that a server of the family needs


# Logistic regression


def _suggest_logistic(trial: "Trial") -> Params:
    return {"C": trial.suggest_float("C", 1e-4, 1e2, log=True)}


def _prepare_logistic(train: Part, validation: Part) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    # A missing history is a fact of its own, not a number: mean plus an indicator column.
    imputer = SimpleImputer(strategy="mean", add_indicator=True, keep_empty_features=True)
    scaling = make_pipeline(imputer, StandardScaler())
    return scaling, scaling.fit_transform(train.features), train.skipped


def _fit_logistic(params: Params, data: Any, seed: int, threads: int, on_round: OnRound) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    scaling, scaled, skipped = data
    logistic = LogisticRegression(max_iter=1000, random_state=seed, **params).fit(scaled, skipped)
    return make_pipeline(scaling, logistic)


def _predict_logistic(model: Any, features: Matrix) -> Probabilities:
    return np.asarray(model.predict_proba(features)[:, 1], np.float64)


def _save_logistic(model: Any, path: Path) -> None:
    import skops.io

    skops.io.dump(model, path)


def _load_logistic(path: Path) -> Predict:
    import skops.io

    # Refuses every type that skops does not trust; the imputer keeps the dtype that it has seen.
    pipeline = skops.io.load(path, trusted=["numpy.dtype"])
    return lambda features: _predict_logistic(pipeline, features)


# LightGBM


def _suggest_lightgbm(trial: "Trial") -> Params:
    return {
        "learning_rate": trial.suggest_float("learning_rate", 0.05, 0.3, log=True),
        "num_leaves": trial.suggest_int("num_leaves", 7, 127, log=True),
        "min_child_samples": trial.suggest_int("min_child_samples", 5, 300, log=True),
        "colsample_bytree": trial.suggest_float("colsample_bytree", 0.2, 1.0),
        "reg_lambda": trial.suggest_float("reg_lambda", 1e-8, 30.0, log=True),
    }


def _prepare_lightgbm(train: Part, validation: Part) -> Any:
    from lightgbm import Dataset

    # Without the filter, bins do not depend on min_child_samples: all fits can share them.
    shared = {"feature_pre_filter": False, "force_row_wise": True, "verbose": -1}
    data = Dataset(train.features, train.skipped, params=shared, free_raw_data=True).construct()
    valid = data.create_valid(validation.features, validation.skipped, params=shared)
    return data, valid.construct()


def _fit_lightgbm(params: Params, data: Any, seed: int, threads: int, on_round: OnRound) -> Any:
    import lightgbm

    def report(env: Any) -> None:
        on_round(env.iteration, env.evaluation_result_list[0][2])

    fixed = {
        "objective": "binary",
        "metric": "binary_logloss",
        "seed": seed,
        "num_threads": threads,
        "deterministic": True,
        "force_row_wise": True,
        "feature_pre_filter": False,
        "verbose": -1,
    }
    return lightgbm.train(
        params | fixed,
        data[0],
        MAX_ROUNDS,
        valid_sets=[data[1]],
        callbacks=[report, lightgbm.early_stopping(PATIENCE, verbose=False)],
    )


def _predict_lightgbm(booster: Any, features: Matrix) -> Probabilities:
    return np.asarray(booster.predict(features), np.float64)


def _save_lightgbm(booster: Any, path: Path) -> None:
    booster.save_model(path)


def _load_lightgbm(path: Path) -> Predict:
    from lightgbm import Booster

    booster = Booster(model_file=path)
    return lambda features: _predict_lightgbm(booster, features)


# XGBoost


def _suggest_xgboost(trial: "Trial") -> Params:
    return {
        "learning_rate": trial.suggest_float("learning_rate", 0.05, 0.3, log=True),
        "max_depth": trial.suggest_int("max_depth", 3, 9),
        "min_child_weight": trial.suggest_float("min_child_weight", 1.0, 100.0, log=True),
        "colsample_bytree": trial.suggest_float("colsample_bytree", 0.2, 1.0),
        "reg_lambda": trial.suggest_float("reg_lambda", 1e-3, 30.0, log=True),
    }


def _prepare_xgboost(train: Part, validation: Part) -> Any:
    from xgboost import QuantileDMatrix

    data = QuantileDMatrix(train.features, train.skipped)
    return data, QuantileDMatrix(validation.features, validation.skipped, ref=data)


def _fit_xgboost(params: Params, data: Any, seed: int, threads: int, on_round: OnRound) -> Any:
    import xgboost

    class Report(xgboost.callback.TrainingCallback):  # type: ignore[misc]
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            on_round(epoch, evals_log["validation"]["logloss"][-1])
            return False

    fixed = {
        "objective": "binary:logistic",
        "eval_metric": "logloss",
        "tree_method": "hist",
        "seed": seed,
        "nthread": threads,
    }
    booster = xgboost.train(
        params | fixed,
        data[0],
        MAX_ROUNDS,
        evals=[(data[1], "validation")],
        callbacks=[Report(), xgboost.callback.EarlyStopping(rounds=PATIENCE)],
        verbose_eval=False,
    )
    return booster[: booster.best_iteration + 1]


def _predict_xgboost(booster: Any, features: Matrix) -> Probabilities:
    return np.asarray(booster.inplace_predict(features), np.float64)


def _save_xgboost(booster: Any, path: Path) -> None:
    path.write_bytes(booster.save_raw("ubj"))


def _load_xgboost(path: Path) -> Predict:
    from xgboost import Booster

    booster = Booster(model_file=bytearray(path.read_bytes()))
    return lambda features: _predict_xgboost(booster, features)


FAMILIES: dict[Family, ModelFamily] = {
    "logistic": ModelFamily(
        {"C": 1.0},
        _suggest_logistic,
        _prepare_logistic,
        _fit_logistic,
        _predict_logistic,
        _save_logistic,
        _load_logistic,
        ("scikit-learn", "skops"),
    ),
    "lightgbm": ModelFamily(
        {
            "learning_rate": 0.1,
            "num_leaves": 31,
            "min_child_samples": 20,
            "colsample_bytree": 1.0,
            "reg_lambda": 1e-8,  # the library's 0, on a logarithmic range
        },
        _suggest_lightgbm,
        _prepare_lightgbm,
        _fit_lightgbm,
        _predict_lightgbm,
        _save_lightgbm,
        _load_lightgbm,
        ("lightgbm",),
    ),
    "xgboost": ModelFamily(
        {
            "learning_rate": 0.3,
            "max_depth": 6,
            "min_child_weight": 1.0,
            "colsample_bytree": 1.0,
            "reg_lambda": 1.0,
        },
        _suggest_xgboost,
        _prepare_xgboost,
        _fit_xgboost,
        _predict_xgboost,
        _save_xgboost,
        _load_xgboost,
        ("xgboost",),
    ),
}
