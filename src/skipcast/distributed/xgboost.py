"""XGBoost on several workers: each has the binned plays of its parts, all grow the same trees.

The library's own Dask module would want all features in the workers' memory, four bytes a value.
So workers do what that module does (they join a communicator), and read part after part.
"""

import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distributed.utils import get_ip

from skipcast.distributed.gang import WorkerLostError, alone, together
from skipcast.distributed.pool import DaskPool
from skipcast.distributed.shards import Shares
from skipcast.distributed.watch import GO_ON
from skipcast.errors import SkipcastError
from skipcast.models.family import Dataset, OnRound, Params
from skipcast.models.xgboost import XGBoost
from skipcast.processes import cpu_count
from skipcast.workers import OnStep

if TYPE_CHECKING:  # other fits begin faster without
    from xgboost.tracker import RabitTracker

ATTEMPTS = 3
WAIT_SECONDS = 60  # of a worker for another one


@dataclass(frozen=True)
class _Task:
    """What a worker does: it fits as one machine does, while the library adds up over all."""

    params: Params
    train: Dataset
    validation: Dataset
    seed: int
    communicator: Mapping[str, Any]

    def __call__(self, on_step: OnStep) -> tuple[bytes, list[tuple[float, float]]]:
        """Return the model's file and what `OnRound` gets in each round; the same on all."""
        from xgboost.collective import CommunicatorContext

        rounds: list[tuple[float, float]] = []

        def on_round(learned: float, loss: float) -> None:
            rounds.append((learned, loss))
            on_step(1)

        family, threads = XGBoost(), cpu_count()
        with CommunicatorContext(**self.communicator), tempfile.TemporaryDirectory() as folder:
            data = family.prepare(train=self.train, validation=self.validation)
            model = family.fit(
                self.params, data, seed=self.seed, threads=threads, on_round=on_round
            )
            family.save(model, Path(folder, "model"))
            return Path(folder, "model").read_bytes(), rounds


def fit(pool: DaskPool, params: Params, shares: Shares, *, seed: int, on_round: OnRound) -> Any:
    """Fit a model as `XGBoost.fit` does; the loss is that of all validation plays.

    Where a worker is lost, all begin again, as soon as there are as many as at first: the trees
    depend on how many share the plays.

    Raises:
        SkipcastError: workers were lost, and none came instead.
    """
    from xgboost.core import XGBoostError

    with alone(pool):
        shards = shares.deal()
        for attempt in range(ATTEMPTS):
            workers = _wait(pool, len(shards))
            try:
                content, rounds = _fit(pool, params, shards, seed, workers)
                break
            except (WorkerLostError, XGBoostError) as error:  # of those that waited for it
                if attempt + 1 == ATTEMPTS:
                    raise SkipcastError(
                        f"A fit must end by itself but its workers ended {ATTEMPTS} of them: "
                        f"{str(error).splitlines()[-1]} Most often, memory ran out. Give workers "
                        f"more memory, {GO_ON}"
                    ) from error
    for learned, loss in rounds:
        on_round(learned, loss)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "model").write_bytes(content)
        return XGBoost().load(Path(folder, "model"), threads=1)


def _fit(
    pool: DaskPool, params: Params, shards: list[tuple[Dataset, Dataset]], seed: int,
    workers: list[str],
) -> tuple[bytes, list[tuple[float, float]]]:  # fmt: skip
    from xgboost.tracker import RabitTracker

    host = pool.client.scheduler.address.split("://")[1].rsplit(":", 1)[0].strip("[]")
    tracker = RabitTracker(n_workers=len(shards), host_ip=get_ip(host), sortby="task")
    tracker.start()
    args = {"dmlc_retry": 2, "dmlc_timeout": WAIT_SECONDS} | tracker.worker_args()
    tasks = [
        _Task(params, *pair, seed, args | {"dmlc_task_id": f"{number:05}"})
        for number, pair in enumerate(shards)
    ]
    try:
        found: tuple[bytes, list[tuple[float, float]]] = together(pool, tasks, workers, _ignore)[0]
        return found
    finally:
        # It waits, perhaps for ever, for workers that were lost while they joined.
        threading.Thread(target=_free, args=(tracker,), daemon=True).start()


def _free(tracker: "RabitTracker") -> None:
    """End what workers join; it complains of those that were lost."""
    from xgboost.core import XGBoostError

    with suppress(XGBoostError):
        tracker.free()


def _ignore(_: int) -> None:
    """Nobody shows the rounds."""


def _wait(pool: DaskPool, count: int) -> list[str]:
    """Return the addresses of `count` workers, as soon as there are as many."""
    while len(workers := pool.watch.living(count)) < count:
        time.sleep(0.5)
    return workers[:count]
