"""The workers of a Dask cluster, as the stages use those of `skipcast.workers`."""

import os
import pickle
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import pyarrow as pa
from distributed import Client, Future, KilledWorker, get_worker

from skipcast.errors import SkipcastError
from skipcast.processes import LIMIT, ProcessKilledError, cpu_count
from skipcast.workers import OnStep, Result, Task

GONE_SECONDS = 60  # without a worker end the work
ANSWER_SECONDS = 10  # for the scheduler
LOOK_SECONDS = 1.0  # between two looks whether scheduler and workers are there
TELL_SECONDS = 0.5  # between two messages on the steps of a task
GO_ON = "then run it again: what is finished is kept."

_alone = threading.Lock()  # the folder in which a process works is that of all its threads


class DaskPool:
    """The workers of a cluster; each does a task at a time, whatever its threads.

    A task whose worker ends is done again by another one: tasks write what is whole or not there.
    """

    def __init__(self, client: Client, root: Path, scheduler: str) -> None:
        self.client = client
        self.root = root
        self.scheduler = scheduler
        self._seen = time.monotonic()  # when there was a worker

    def run(self, tasks: Iterable[Task[Result]], on_step: OnStep) -> Iterator[Result]:
        """Yield the results of tasks as they come.

        Args:
            tasks: each is asked for when a worker is free, after all results until then.
            on_step: gets the steps of all.

        Raises:
            ProcessKilledError: a task has ended several workers.
            SkipcastError: the scheduler was lost, or there was no worker for `GONE_SECONDS`.
            Exception: a task failed; the others are not waited for.
        """
        messages: SimpleQueue[int | Future] = SimpleQueue()
        topic = f"skipcast-{uuid.uuid4().hex}"
        self.client.subscribe_topic(topic, lambda event: messages.put(event[1]))
        waiting, running = iter(tasks), set[Future]()
        try:
            while True:
                while len(running) < max(1, len(self.workers())):
                    try:
                        task = next(waiting)
                    except StopIteration:
                        break
                    running.add(self._submit(task, topic, messages))
                if not running:
                    return
                message = self.next(messages)
                if isinstance(message, Future):
                    running.remove(message)
                    yield self.result(message)
                else:
                    on_step(message)
        finally:
            self.drop(running)
            if self.client.status == "running":
                self.client.unsubscribe_topic(topic)

    def next(
        self, messages: "SimpleQueue[int | Future]", check: Callable[[], object] | None = None
    ) -> int | Future:
        """Wait for a message; meanwhile, see that somebody is at work, or do another check."""
        while True:
            try:
                return messages.get(timeout=LOOK_SECONDS)
            except Empty:
                (check or self.workers)()

    def workers(self) -> list[str]:
        """Return the addresses of the workers, in order.

        Raises:
            SkipcastError: the scheduler does not answer, or there was none for `GONE_SECONDS`.
        """
        found = self.seen()
        now = time.monotonic()
        if found:
            self._seen = now
        elif now - self._seen > GONE_SECONDS:
            raise SkipcastError(
                f"The cluster {self.scheduler} must have workers until the work is done but had "
                f"none for {GONE_SECONDS} s. Start some (`dask worker "
                f"{self.client.scheduler.address} --nthreads 1`), {GO_ON}"
            )
        return sorted(found)

    def seen(self) -> dict[str, float]:
        """Return when each worker told last that it lives, seconds of the scheduler's clock.

        Raises:
            SkipcastError: the scheduler does not answer.
        """
        try:
            if self.client.status != "running":
                raise self.lost()
            about = self.client.sync(
                self.client.scheduler.identity, n_workers=-1, callback_timeout=ANSWER_SECONDS
            )
        except (OSError, TimeoutError) as error:
            raise self.lost() from error
        return {address: worker["last_seen"] for address, worker in about["workers"].items()}

    def lost(self) -> SkipcastError:
        """Return what to say of a scheduler that was there and is not."""
        return SkipcastError(
            f"The scheduler {self.scheduler} must answer until the work is done but no longer "
            f"does. Start it again, {GO_ON}"
        )

    def _submit(self, task: Task[Any], topic: str, messages: "SimpleQueue[int | Future]") -> Future:
        future = self.submit(task, topic)
        future.add_done_callback(messages.put)
        return future

    def submit(self, task: Task[Any], topic: str, worker: str | None = None) -> Future:
        """Have a worker do a task: any, or this one and no other."""
        return self.client.submit(
            _do,
            pickle.dumps(task),
            str(self.root),
            topic,
            key=f"skipcast-{uuid.uuid4().hex}",
            workers=worker,
            pure=False,
        )

    def result(self, future: Future) -> Any:
        """Return the result of a task that has ended.

        Raises:
            ProcessKilledError: it has ended several workers.
            SkipcastError: the scheduler was lost.
            Exception: the task failed.
        """
        if future.status not in ("finished", "error"):
            raise self.lost()
        try:
            return future.result(timeout=ANSWER_SECONDS)
        except KilledWorker as error:
            raise ProcessKilledError(
                "Each worker must end by itself but one task has ended "
                f"{error.allowed_failures + 1} of them, the last at {error.last_worker.address}: "
                f"most often, memory ran out. Give workers more memory, {GO_ON}"
            ) from error

    def drop(self, futures: Iterable[Future]) -> None:
        """Have nobody begin these tasks."""
        if self.client.status == "running":
            self.client.cancel(list(futures), force=True)


def _do(task: bytes, root: str, topic: str) -> Any:
    """Do a task in the folder of the project, with the threads of the worker; tell its steps."""
    told, steps = time.monotonic(), 0

    def on_step(more: int) -> None:
        nonlocal told, steps
        steps += more
        if time.monotonic() - told >= TELL_SECONDS:
            tell()

    def tell() -> None:
        nonlocal told, steps
        get_worker().log_event(topic, steps)
        told, steps = time.monotonic(), 0

    with _alone:
        before, limit = Path.cwd(), os.environ.get(LIMIT)
        os.chdir(root)
        os.environ[LIMIT] = limit or str(get_worker().state.nthreads)
        pa.set_cpu_count(cpu_count())  # else Arrow takes all cores
        try:
            result = pickle.loads(task)(on_step)
        finally:
            os.chdir(before)
            os.environ[LIMIT] = limit or ""
    if steps:
        tell()
    return result
