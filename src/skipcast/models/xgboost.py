"""XGBoost: gradient boosted trees, trained natively on data binned once."""

from pathlib import Path
from typing import Any

import numpy as np

from skipcast.arrays import Floats, Matrix
from skipcast.models.boosting import COLSAMPLE, LEARNING_RATE, MAX_ROUNDS, PATIENCE
from skipcast.models.family import ModelFamily, OnRound, Params, Part, Range

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


def _predict_xgboost(booster: Any, features: Matrix) -> Floats:
    return np.asarray(booster.inplace_predict(features), np.float64)


def _contributions_xgboost(booster: Any, features: Matrix) -> Floats:
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
