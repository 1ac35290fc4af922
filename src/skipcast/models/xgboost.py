"""XGBoost: gradient boosted trees, trained natively on data binned once.

Binned data take 2.3 bytes per value, and 5 if a single one is missing. So a fit sees `LOWEST` for a
missing value, which every split sends to the left; its trees then are told to send missing ones
there. That stands in the model's file: who predicts fills nothing, and models whose splits have
learned a side for missing values are used in the same way.
"""

import ctypes
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from skipcast.arrays import Floats, Matrix
from skipcast.models.boosting import COLSAMPLE, LEARNING_RATE, MAX_ROUNDS, PATIENCE, learned
from skipcast.models.family import Dataset, ModelFamily, OnRound, Params, Range

LOWEST = np.float32(-1e30)  # below what any feature can be; a value below it would count as missing

# How its C function predicts: probabilities, by all trees, NaN where a value is missing.
CONFIG = json.dumps(
    {
        "type": 0,
        "training": False,
        "iteration_begin": 0,
        "iteration_end": 0,
        "missing": np.nan,
        "strict_shape": False,
        "cache_id": 0,
    }
).encode()


class XGBoost(ModelFamily):
    """The family xgboost: its data are matrices of the library, its models boosters."""

    label = "XGBoost"
    space: ClassVar[Mapping[str, Range]] = {
        "learning_rate": Range(*LEARNING_RATE, default=0.3, log=True),
        "max_depth": Range(3, 9, default=6),
        "min_child_weight": Range(1.0, 100.0, default=1.0, log=True),
        "colsample_bytree": COLSAMPLE,
        "reg_lambda": Range(1e-3, 30.0, default=1.0, log=True),
    }
    libraries = ("xgboost",)
    requires = ("xgboost",)
    boosted = True

    def prepare(self, *, train: Dataset, validation: Dataset) -> Any:
        """Bin both data sets, with the bins of the training plays."""
        from xgboost import QuantileDMatrix

        data = QuantileDMatrix(_iterator(train))
        return data, QuantileDMatrix(_iterator(validation), ref=data)

    def fit(self, params: Params, data: Any, *, seed: int, threads: int, on_round: OnRound) -> Any:
        """Boost until the validation loss has not fallen for `PATIENCE` rounds; keep the best."""
        import xgboost

        class Report(xgboost.callback.TrainingCallback):  # type: ignore[misc]
            def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
                on_round(learned(epoch + 1, params), evals_log["validation"]["logloss"][-1])
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
        return _with_missing_left(booster[: booster.best_iteration + 1], threads)

    def predict(self, model: Any, features: Matrix) -> Floats:
        """Sum the trees; for one request, `inplace_predict` takes twice the time for the same."""
        from xgboost.core import _LIB, _check_call

        if features.shape[1] != model.num_features():  # which the library does not look at
            raise ValueError(
                f"The model has {model.num_features()} features but got {features.shape[1]}."
            )
        rows = np.ascontiguousarray(features, np.float32)
        shape, dims = ctypes.POINTER(ctypes.c_uint64)(), ctypes.c_uint64()
        answer = ctypes.POINTER(ctypes.c_float)()
        out = map(ctypes.byref, (shape, dims, answer))
        data = json.dumps(rows.__array_interface__).encode()
        _check_call(_LIB.XGBoosterPredictFromDense(model.handle, data, CONFIG, None, *out))
        values = ctypes.string_at(answer, len(rows) * ctypes.sizeof(ctypes.c_float))
        return np.frombuffer(values, np.float32).astype(np.float64)

    def contributions(self, model: Any, features: Matrix) -> Floats:
        """Return the SHAP values of the trees."""
        from xgboost import DMatrix

        return np.asarray(model.predict(DMatrix(features), pred_contribs=True), np.float64)

    def save(self, model: Any, path: Path) -> None:
        """Write the library's own binary JSON."""
        path.write_bytes(model.save_raw("ubj"))

    def load(self, path: Path, *, threads: int) -> Any:
        """Read the library's own binary JSON."""
        return _booster(path.read_bytes(), threads)


def _iterator(plays: Dataset) -> Any:
    """Return what gives the library one part after another, as often as it asks."""
    from xgboost import DataIter

    class Parts(DataIter):  # type: ignore[misc]
        def reset(self) -> None:
            self.parts = plays.parts()

        def next(self, take: Callable[..., None]) -> bool:
            part = next(self.parts, None)
            if part is None:
                return False
            features, skipped = part
            take(data=np.fmax(features, LOWEST), label=skipped)
            return True

    return Parts()


def _with_missing_left(booster: Any, threads: int) -> Any:
    """Return a booster with the same splits that sends missing values where it sends `LOWEST`."""
    model = json.loads(booster.save_raw("json"))
    for tree in model["learner"]["gradient_booster"]["model"]["trees"]:
        tree["default_left"] = [1] * len(tree["default_left"])
    return _booster(json.dumps(model).encode(), threads)


def _booster(content: bytes, threads: int) -> Any:
    from xgboost import Booster

    return Booster({"nthread": threads}, model_file=bytearray(content))
