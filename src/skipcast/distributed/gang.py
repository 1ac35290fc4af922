"""Tasks that need each other: each on a worker of its own, all at the same time."""

import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

from distributed import Future

from skipcast.distributed.pool import DaskPool
from skipcast.errors import SkipcastError
from skipcast.workers import OnStep, Task

SILENT_SECONDS = 45.0  # of a worker end its gang; a worker tells twice a second that it lives
END_SECONDS = 10.0  # for the others of a gang to end by themselves


class WorkerLostError(SkipcastError):
    """A worker of a gang was lost, so that the others cannot go on."""


def together(
    pool: DaskPool, tasks: Sequence[Task[Any]], workers: Sequence[str], on_step: OnStep
) -> list[Any]:
    """Have each task done by its worker; return the results in their order.

    Args:
        pool: the workers.
        tasks: they wait for each other.
        workers: an address for each.
        on_step: gets the steps of all.

    Raises:
        WorkerLostError: one was lost.
        SkipcastError: the scheduler was lost.
        Exception: a task failed.
    """
    messages: SimpleQueue[int | Future] = SimpleQueue()
    topic = f"skipcast-{uuid.uuid4().hex}"
    pool.client.subscribe_topic(topic, lambda event: messages.put(event[1]))
    futures = [
        pool.submit(task, topic, worker) for task, worker in zip(tasks, workers, strict=True)
    ]
    for future in futures:
        future.add_done_callback(messages.put)
    running = dict(zip(futures, workers, strict=True))
    try:
        while running:
            message = pool.next(messages, lambda: _check(pool, running.values()))
            if not isinstance(message, Future):
                on_step(message)
                continue
            if message.status == "error":
                _blame(pool, workers)
            pool.result(message)
            del running[message]
        return [pool.result(future) for future in futures]
    finally:
        stuck = [worker for future, worker in running.items() if future.status == "pending"]
        pool.drop(running)
        _free(pool, stuck)


def _check(pool: DaskPool, workers: Any) -> None:
    """See that all are there.

    Raises:
        WorkerLostError: one is not, or is silent.
    """
    seen = pool.seen()
    latest = max(seen.values(), default=0.0)
    for worker in workers:
        if worker not in seen or latest - seen[worker] > SILENT_SECONDS:
            raise WorkerLostError(
                f"The worker {worker} must go on until the fit ends but was lost."
            )


def _blame(pool: DaskPool, workers: Sequence[str]) -> None:
    """Wait a moment whether a worker was lost; the others notice it first."""
    until = time.monotonic() + END_SECONDS / 3
    while time.monotonic() < until:
        _check(pool, workers)
        time.sleep(0.5)


def _free(pool: DaskPool, workers: list[str]) -> None:
    """Start workers again that wait for one that was lost, where that can be done."""
    if workers and pool.client.status == "running":
        with suppress(Exception):
            pool.client.restart_workers(
                [worker for worker in workers if worker in pool.seen()],
                timeout=END_SECONDS,
                raise_for_error=False,
            )
