"""LightGBM the other way: all workers grow the same trees, by the library's own module for Dask.

`docs/scale_cluster.md` tells why it was not taken. Early stopping of `lightgbm.dask` knows the loss
of one worker only. So a fit grows `CHUNK` trees, then finds the loss of all validation plays, and
goes on from the answers of the trees until that loss has risen.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
from cloudpickle import register_pickle_by_value  # type: ignore[import-untyped]
from distributed import Client
from lightgbm import Booster, DaskLGBMClassifier

from skipcast.arrays import Floats, Matrix
from skipcast.distributed.shards import Shares
from skipcast.models.boosting import MAX_ROUNDS
from skipcast.models.family import Dataset, Params
from skipcast.models.lightgbm import fixed_params

CHUNK = 25  # trees


@dataclass
class Sum:
    """A model that adds up the log-odds of others; used as a booster is."""

    models: list[Booster] = field(default_factory=list)
    params: Params = field(default_factory=lambda: {"num_threads": 1})

    def raw(self, features: Matrix) -> Floats:
        """Return the log-odds of plays."""
        return np.sum([model.predict(features, raw_score=True) for model in self.models], axis=0)

    def predict(self, features: Matrix, **_: Any) -> Floats:
        """Return the probability of each play."""
        probability: Floats = 1 / (1 + np.exp(-self.raw(features)))
        return probability

    def save_model(self, path: Path) -> None:
        """Write the texts of all."""
        path.write_text("\n".join(model.model_to_string() for model in self.models), "utf-8")


@dataclass
class _Plays:
    """Plays, a share in the memory of each worker, and their log-odds by the trees so far."""

    features: Any
    skipped: Any
    log_odds: Any = None

    @classmethod
    def put(cls, client: Client, shares: Sequence[Dataset], workers: Sequence[str]) -> "_Plays":
        """Have each worker read its share."""
        features, skipped = [], []
        for share, worker in zip(shares, workers, strict=True):
            with dask.annotate(workers=[worker], allow_other_workers=False):
                matrix, target = (dask.delayed(read)(share) for read in (_features, _skipped))
            rows, columns = len(share.skipped), share.features[0].shape[1]
            features.append(da.from_delayed(matrix, (rows, columns), np.float32))
            skipped.append(da.from_delayed(target, (rows,), np.float64))
        return cls(*client.persist([da.concatenate(features), da.concatenate(skipped)]))

    def add(self, client: Client, model: Booster) -> None:
        """Add what a model says to the log-odds."""
        text = model.model_to_string()
        more = self.features.map_blocks(_raw, text, drop_axis=1, dtype=np.float64)
        self.log_odds = client.persist(more if self.log_odds is None else self.log_odds + more)

    def loss(self) -> float:
        """Return the log loss, nats."""
        signed = self.log_odds * (1 - 2 * self.skipped)
        return float(da.log1p(da.exp(signed)).mean().compute())


def _features(share: Dataset) -> Matrix:
    return np.concatenate([features for features, _ in share.parts()])


def _skipped(share: Dataset) -> Floats:
    return share.skipped.astype(np.float64)


def _raw(features: Matrix, model: str) -> Floats:
    return np.asarray(Booster(model_str=model).predict(features, raw_score=True, num_threads=1))


def fit(client: Client, params: Params, shares: Shares, *, seed: int) -> Sum:
    """Fit a model of the plays that workers share."""
    register_pickle_by_value(sys.modules[__name__])  # the cluster has no benchmarks
    pairs, workers = shares.deal(), sorted(client.scheduler_info(n_workers=-1)["workers"])
    train, validation = (
        _Plays.put(client, side, workers[: len(pairs)]) for side in zip(*pairs, strict=True)
    )
    fixed = fixed_params(threads=1) | {"tree_learner": "data", "seed": seed}
    model, best = Sum(), np.inf
    while len(model.models) * CHUNK < MAX_ROUNDS:
        chunk = DaskLGBMClassifier(client=client, n_estimators=CHUNK, **(params | fixed))
        chunk.fit(train.features, train.skipped, init_score=train.log_odds)
        validation.add(client, chunk.booster_)
        if validation.loss() >= best:
            break
        best = validation.loss()
        train.add(client, chunk.booster_)
        model.models.append(chunk.booster_)
    return model
