"""LightGBM: gradient boosted trees, trained natively on data binned once."""

from pathlib import Path
from typing import Any

import numpy as np

from skipcast.arrays import Floats, Matrix
from skipcast.models.boosting import COLSAMPLE, LEARNING_RATE, MAX_ROUNDS, PATIENCE
from skipcast.models.family import ModelFamily, OnRound, Params, Part, Range

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


def _predict_lightgbm(booster: Any, features: Matrix) -> Floats:
    threads = booster.params["num_threads"]  # the library itself would take all cores
    return np.asarray(booster.predict(features, num_threads=threads), np.float64)


def _contributions_lightgbm(booster: Any, features: Matrix) -> Floats:
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
