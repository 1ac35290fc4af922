"""LightGBM on several workers: each fits a model of its parts, and their trees are put together.

The model that comes of it adds up the mean of their log-odds. It is a model as any other of the
library. Nobody waits for anybody: the parts of a worker that was lost are fitted by another.
docs/scale_cluster.md tells what else was tried.
"""

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from skipcast.distributed.pool import DaskPool
from skipcast.distributed.shards import Shares
from skipcast.models.family import Dataset, Params
from skipcast.models.lightgbm import LightGBM
from skipcast.processes import cpu_count
from skipcast.workers import OnStep

MOST_MODELS = 16  # whose trees a server must add up


@dataclass(frozen=True)
class _Task:
    """What a worker does: it fits as one machine does, with the plays of some parts."""

    number: int
    params: Params
    train: Dataset
    validation: Dataset
    seed: int

    def __call__(self, on_step: OnStep) -> tuple[int, str]:
        """Return the number and the model's file."""
        family, threads = LightGBM(), cpu_count()
        data = family.prepare(train=self.train, validation=self.validation)
        model = family.fit(
            self.params, data, seed=self.seed, threads=threads, on_round=lambda *_: on_step(1)
        )
        return self.number, model.model_to_string(num_iteration=model.best_iteration)


def fit(pool: DaskPool, params: Params, shares: Shares, *, seed: int) -> Any:
    """Fit a model for each worker, `MOST_MODELS` at most; return one that answers as all do."""
    pairs = enumerate(shares.deal(MOST_MODELS))
    tasks = (_Task(number, params, *pair, seed) for number, pair in pairs)
    models = dict(pool.run(tasks, lambda _: None))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model")
        path.write_text(average([models[number] for number in sorted(models)]), encoding="utf-8")
        return LightGBM().load(path, threads=1)


def average(models: Sequence[str]) -> str:
    """Return the text of a model whose log-odds are the mean of those of others.

    Args:
        models: the texts that LightGBM writes; one or more.
    """
    head = re.sub(r"^tree_sizes=.*\n", "", models[0].split("\nTree=")[0], flags=re.MULTILINE)
    trees = [tree for model in models for tree in _trees(model)]
    parameters = "parameters:" + models[0].split("\nparameters:")[1]
    numbered = (f"Tree={n}\n{_shrunk(tree, len(models))}" for n, tree in enumerate(trees))
    return "\n\n\n".join([head.rstrip(), *numbered, "end of trees", parameters])


def _trees(model: str) -> list[str]:
    body = model.split("\nend of trees")[0]
    return [tree.split("\n", 1)[1].rstrip() for tree in body.split("\nTree=")[1:]]


def _shrunk(tree: str, by: int) -> str:
    def shrink(line: re.Match[str]) -> str:
        values = " ".join(repr(float(value) / by) for value in line[2].split())
        return f"{line[1]}={values}"

    return re.sub(r"^(leaf_value|internal_value)=(.*)$", shrink, tree, flags=re.MULTILINE)
