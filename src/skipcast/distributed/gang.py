"""Tasks that need each other: each on a worker of its own, all at the same time."""

import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import Any

from distributed import Future, Lock

from skipcast.distributed.pool import Check, DaskPool
from skipcast.errors import SkipcastError
from skipcast.workers import OnStep, Task

BLAME_SECONDS = 3.0  # until the scheduler misses a worker that the others of its gang miss


class WorkerLostError(SkipcastError):
    """A worker of a gang was lost, so that the others cannot go on."""


@contextmanager
def alone(pool: DaskPool) -> Iterator[None]:
    """Wait for the end of other gangs: two at once would wait for each other's workers.

    Raises:
        SkipcastError: the scheduler was lost, or all workers were.
    """
    lock = Lock("skipcast fit", scheduler_rpc=pool.client.scheduler, loop=pool.client.loop)

    async def acquire() -> None:
        await lock.acquire()

    async def release() -> None:
        await lock.release()

    pool.wait_for(acquire(), pool.watch.living)
    try:
        yield
    finally:
        with suppress(SkipcastError):  # of a scheduler that is lost; it forgets who is silent
            pool.wait_for(release(), pool.watch.living)


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
    running, results = dict(zip(futures, workers, strict=True)), dict[Future, Any]()

    def check() -> None:
        _check(pool, workers)

    try:
        while running:
            message = pool.next(messages, check)
            if not isinstance(message, Future):
                on_step(message)
                continue
            if message.status == "error":
                _blame(check)
            results[message] = pool.result(message, check)
            del running[message]
        return [results[future] for future in futures]
    finally:
        stuck = [worker for future, worker in running.items() if future.status == "pending"]
        pool.drop(futures)
        pool.watch.free(stuck)  # they wait for one that was lost


def _check(pool: DaskPool, workers: Sequence[str]) -> None:
    """See that all are there.

    Raises:
        WorkerLostError: one is not, or is silent.
    """
    living = pool.watch.living()
    for worker in workers:
        if worker not in living:
            raise WorkerLostError(
                f"The worker {worker} must go on until the fit ends but was lost."
            )


def _blame(check: Check) -> None:
    """Wait a moment whether a worker was lost; the others notice it first."""
    until = time.monotonic() + BLAME_SECONDS
    while time.monotonic() < until:
        check()
        time.sleep(0.5)
