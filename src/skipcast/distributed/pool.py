"""The workers of a Dask cluster, as the stages use those of `skipcast.workers`."""

import asyncio
import os
import pickle
import threading
import time
import uuid
from collections.abc import Callable, Coroutine, Iterable, Iterator
from concurrent.futures import wait
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from queue import Empty, SimpleQueue
from typing import Any

import pyarrow as pa
from distributed import CancelledError, Client, Future, KilledWorker, get_worker
from distributed.comm import CommClosedError

from skipcast.distributed.watch import GO_ON, LOOK_SECONDS, Watch
from skipcast.errors import SkipcastError
from skipcast.files import hash_code, hash_json
from skipcast.processes import LIMIT, ProcessKilledError, cpu_count
from skipcast.workers import OnStep, Result, Task

PACKAGES = ("skipcast", "numpy", "pandas", "pyarrow", "lightgbm", "xgboost")
TELL_SECONDS = 0.5  # between two messages on the steps of a task

Check = Callable[[], object]
"""Raises an error if nobody is at work."""

_alone = threading.Lock()  # the folder in which a process works is that of all its threads


class DaskPool:
    """The workers of a cluster; each does a task at a time, whatever its threads.

    A task whose worker ends is done again by another one: tasks write what is whole or not there.
    """

    def __init__(self, client: Client, root: Path, scheduler: str) -> None:
        self.client = client
        self.root = root
        self.watch = Watch(client, scheduler)

    def run(self, tasks: Iterable[Task[Result]], on_step: OnStep) -> Iterator[Result]:
        """Yield the results of tasks as they come.

        Args:
            tasks: each is asked for when a worker is free, after all results until then.
            on_step: gets the steps of all.

        Raises:
            ProcessKilledError: a task has ended several workers.
            SkipcastError: the scheduler was lost, or all workers were, for `GONE_SECONDS`.
            Exception: a task failed; the others are not waited for.
        """
        messages: SimpleQueue[int | Future] = SimpleQueue()
        topic = f"skipcast-{uuid.uuid4().hex}"
        self.client.subscribe_topic(topic, lambda event: messages.put(event[1]))
        waiting, running = iter(tasks), set[Future]()
        try:
            while True:
                while len(running) < max(1, len(self.watch.living())):
                    try:
                        task = next(waiting)
                    except StopIteration:
                        break
                    running.add(self._submit(task, topic, messages))
                if not running:
                    return
                message = self.next(messages, self.watch.living)
                if isinstance(message, Future):
                    running.remove(message)
                    yield self.result(message, self.watch.living)
                else:
                    on_step(message)
        finally:
            self.drop(running)
            if self.client.status == "running":
                self.client.unsubscribe_topic(topic)

    def next(self, messages: "SimpleQueue[int | Future]", check: Check) -> int | Future:
        """Wait for a message; meanwhile, see that somebody is at work."""
        while True:
            check()
            with suppress(Empty):
                return messages.get(timeout=LOOK_SECONDS)

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
            installed(),
            key=f"skipcast-{uuid.uuid4().hex}",
            workers=worker,
            pure=False,
        )

    def result(self, future: Future, check: Check) -> Any:
        """Return the result of a task that has ended; if it is lost with its worker, wait again.

        Raises:
            ProcessKilledError: the task has ended several workers.
            SkipcastError: the scheduler was lost.
            Exception: the task failed, or what `check` raises.
        """
        try:
            return self.wait_for(self.client.gather(future, asynchronous=True), check)
        except KilledWorker as error:
            raise ProcessKilledError(
                "Each worker must end by itself but one task has ended "
                f"{error.allowed_failures + 1} of them, the last at {error.last_worker.address}: "
                f"most often, memory ran out. Give workers more memory, {GO_ON}"
            ) from error

    def wait_for(self, coroutine: Coroutine[Any, Any, Any], check: Check) -> Any:
        """Wait for what the client does; meanwhile, see that somebody is at work."""
        doing = asyncio.run_coroutine_threadsafe(coroutine, self.client.loop.asyncio_loop)
        try:
            while not wait([doing], LOOK_SECONDS).done:
                check()
            return doing.result()
        except (CancelledError, CommClosedError) as error:
            raise self.watch.lost() from error
        finally:
            doing.cancel()

    def drop(self, futures: Iterable[Future]) -> None:
        """Have nobody begin these tasks."""
        if self.client.status == "running":
            self.client.cancel(list(futures), force=True)


@cache  # a process goes on with the code that it has read
def installed() -> str:
    """Return a fingerprint of the code and the packages of this process."""
    return hash_json([hash_code("."), python_version(), [version(name) for name in PACKAGES]])


def _do(task: bytes, root: str, topic: str, wanted: str) -> Any:
    """Do a task in the folder of the project, with the threads of the worker; tell its steps.

    Raises:
        SkipcastError: the worker came after all were checked, and is not as they are.
    """
    if installed() != wanted:
        raise SkipcastError(
            f"The worker {get_worker().address} must have the code and packages of the others but "
            "has others: it came later. Install the same commit and requirements.txt there, and "
            f"start it again, {GO_ON}"
        )
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
