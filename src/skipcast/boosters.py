"""Gradient boosted trees: LightGBM and XGBoost, trained natively on data binned once."""

from pathlib import Path
from typing import Any

import numpy as np

from skipcast.family import Matrix, ModelFamily, OnRound, Params, Part, Probabilities, Range

MAX_ROUNDS = 600  # of boosting; early stopping ends nearly all fits before
PATIENCE = 20  # rounds without a lower validation loss that end a fit

LEARNING_RATE = (0.05, 0.3)
COLSAMPLE = Range(0.2, 1.0, default=1.0)


# LightGBM


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
        learned = (env.iteration + 1) * params["learning_rate"]
        on_round(learned, env.evaluation_result_list[0][2])

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
    threads = booster.params["num_threads"]  # the library itself would take all cores
    return np.asarray(booster.predict(features, num_threads=threads), np.float64)


def _contributions_lightgbm(booster: Any, features: Matrix) -> Probabilities:
    return np.asarray(booster.predict(features, pred_contrib=True), np.float64)


def _save_lightgbm(booster: Any, path: Path) -> None:
    booster.save_model(path)


def _load_lightgbm(path: Path, threads: int) -> Any:
    from lightgbm import Booster

    booster = Booster(model_file=path)
    booster.params["num_threads"] = threads
    return booster


LIGHTGBM = ModelFamily(
    space={
        "learning_rate": Range(*LEARNING_RATE, default=0.1, log=True),
        "num_leaves": Range(7, 127, default=31, log=True),
        "min_child_samples": Range(5, 300, default=20, log=True),
        "colsample_bytree": COLSAMPLE,
        # The library's default is 0, which a logarithmic range cannot hold.
        "reg_lambda": Range(1e-8, 30.0, default=1e-8, log=True),
    },
    prepare=_prepare_lightgbm,
    fit=_fit_lightgbm,
    predict=_predict_lightgbm,
    contributions=_contributions_lightgbm,
    save=_save_lightgbm,
    load=_load_lightgbm,
    requires=("lightgbm",),
)


# XGBoost


def _prepare_xgboost(train: Part, validation: Part) -> Any:
    from xgboost import DMatrix, QuantileDMatrix

    # Validation plays are not binned: each round, trees walk plain values in a quarter of the time.
    data = QuantileDMatrix(train.features, train.skipped)
    return data, DMatrix(validation.features, validation.skipped)


def _fit_xgboost(params: Params, data: Any, seed: int, threads: int, on_round: OnRound) -> Any:
    import xgboost

    class Report(xgboost.callback.TrainingCallback):  # type: ignore[misc]
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            learned = (epoch + 1) * params["learning_rate"]
            on_round(learned, evals_log["validation"]["logloss"][-1])
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


def _contributions_xgboost(booster: Any, features: Matrix) -> Probabilities:
    from xgboost import DMatrix

    return np.asarray(booster.predict(DMatrix(features), pred_contribs=True), np.float64)


def _save_xgboost(booster: Any, path: Path) -> None:
    path.write_bytes(booster.save_raw("ubj"))


def _load_xgboost(path: Path, threads: int) -> Any:
    from xgboost import Booster

    return Booster({"nthread": threads}, model_file=bytearray(path.read_bytes()))


XGBOOST = ModelFamily(
    space={
        "learning_rate": Range(*LEARNING_RATE, default=0.3, log=True),
        "max_depth": Range(3, 9, default=6),
        "min_child_weight": Range(1.0, 100.0, default=1.0, log=True),
        "colsample_bytree": COLSAMPLE,
        "reg_lambda": Range(1e-3, 30.0, default=1.0, log=True),
    },
    prepare=_prepare_xgboost,
    fit=_fit_xgboost,
    predict=_predict_xgboost,
    contributions=_contributions_xgboost,
    save=_save_xgboost,
    load=_load_xgboost,
    requires=("xgboost",),
)
