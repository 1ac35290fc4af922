"""LightGBM: gradient boosted trees, trained natively on data binned once.

Binned data take a byte per value, missing or not, however many parts they come from.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from skipcast.arrays import Floats, Matrix
from skipcast.models.boosting import COLSAMPLE, LEARNING_RATE, MAX_ROUNDS, PATIENCE, learned
from skipcast.models.family import Dataset, ModelFamily, OnRound, Params, Range

# Without the filter, bins do not depend on min_child_samples: all fits can share them.
BINNING = {"feature_pre_filter": False, "force_row_wise": True, "verbose": -1}
BATCH = 8192  # plays that are binned at a time: in double precision, a few megabytes


def fixed_params(*, threads: int) -> Params:
    """Return the parameters of every LightGBM here, whatever else it is fitted with.

    >>> fixed_params(threads=1)["deterministic"]
    True
    """
    return {
        "objective": "binary",
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": threads,
        "verbose": -1,
    }


class LightGBM(ModelFamily):
    """The family lightgbm: its data are binned datasets, its models boosters."""

    label = "LightGBM"
    space: ClassVar[Mapping[str, Range]] = {
        "learning_rate": Range(*LEARNING_RATE, default=0.1, log=True),
        "num_leaves": Range(7, 127, default=31, log=True),
        "min_child_samples": Range(5, 300, default=20, log=True),
        "colsample_bytree": COLSAMPLE,
        # The library's default is 0, which a logarithmic range cannot hold.
        "reg_lambda": Range(1e-8, 30.0, default=1e-8, log=True),
    }
    libraries = ("lightgbm",)
    requires = ("lightgbm",)
    boosted = True

    def prepare(self, *, train: Dataset, validation: Dataset) -> Any:
        """Bin both data sets, with the bins of the training plays.

        The bins come from a sample of 200,000 plays of all parts: one part and many have the same.
        """
        data = _binned(train)
        return data, _binned(validation, bins_of=data)

    def fit(self, params: Params, data: Any, *, seed: int, threads: int, on_round: OnRound) -> Any:
        """Boost until the validation loss has not fallen for `PATIENCE` rounds."""
        import lightgbm

        def report(env: Any) -> None:
            on_round(learned(env.iteration + 1, params), env.evaluation_result_list[0][2])

        fixed = fixed_params(threads=threads) | {
            "metric": "binary_logloss",
            "seed": seed,
            "feature_pre_filter": False,
        }
        return lightgbm.train(
            params | fixed,
            data[0],
            MAX_ROUNDS,
            valid_sets=[data[1]],
            callbacks=[report, lightgbm.early_stopping(PATIENCE, verbose=False)],
        )

    def predict(self, model: Any, features: Matrix) -> Floats:
        """Sum the trees up to the best round."""
        threads = model.params["num_threads"]  # the library itself would take all cores
        return np.asarray(model.predict(features, num_threads=threads), np.float64)

    def contributions(self, model: Any, features: Matrix) -> Floats:
        """Return the SHAP values of the trees."""
        return np.asarray(model.predict(features, pred_contrib=True), np.float64)

    def save(self, model: Any, path: Path) -> None:
        """Write the library's own text format."""
        # The library's own error of a full disk would be none of those that are told in words.
        path.write_text(model.model_to_string(), encoding="utf-8")

    def load(self, path: Path, *, threads: int) -> Any:
        """Read the library's own text format."""
        from lightgbm import Booster

        booster = Booster(model_file=path)
        booster.params["num_threads"] = threads
        return booster


def _binned(plays: Dataset, *, bins_of: Any = None) -> Any:
    """Bin plays, with bins of their own or of other binned plays.

    The library asks for single plays, for the bins, then for all of them in batches. A part is read
    when its first play is asked for, and kept until another one is read.
    """
    import lightgbm

    read = lru_cache(maxsize=1)(plays.features.__getitem__)

    class Part(lightgbm.Sequence):  # type: ignore[misc]
        batch_size = BATCH

        def __init__(self, number: int) -> None:
            self.number = number

        def __len__(self) -> int:
            return plays.rows[self.number]

        def __getitem__(self, rows: int | slice) -> Floats:
            # The library takes plays for its bins in double precision only.
            return np.asarray(read(self.number)[rows], np.float64)

    parts = [Part(number) for number, rows in enumerate(plays.rows) if rows]
    data = lightgbm.Dataset(parts, plays.skipped, reference=bins_of, params=BINNING).construct()
    read.cache_clear()
    return data
