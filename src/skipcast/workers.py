"""Processes that work through tasks side by side; where one is enough, it is this one."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Protocol, TypeVar

from skipcast.processes import LIMIT, ProcessKilledError, killed

Result = TypeVar("Result", covariant=True)
OnStep = Callable[[int], None]
"""Gets how much of a task is done, in what it is measured by."""


class Task(Protocol[Result]):
    """What a process does at a time; it and its result can be pickled."""

    def __call__(self, on_step: OnStep, /) -> Result:
        """Do it; return its result."""


class Pool(Protocol):
    """Who does tasks side by side."""

    def run(self, tasks: Iterable[Task[Result]], on_step: OnStep) -> Iterator[Result]:
        """Yield the results of tasks as they come; ask for each when there is somebody free."""


class Workers:
    """Processes that wait for tasks, of which none is left behind."""

    def __init__(self, processes: dict[Connection, BaseProcess]) -> None:
        self._processes = processes

    def run(self, tasks: Iterable[Task[Result]], on_step: OnStep) -> Iterator[Result]:
        """Yield the results of tasks as they come.

        Args:
            tasks: each is asked for when a process is free, after all results until then.
            on_step: gets the steps of all.

        Raises:
            ProcessKilledError: a process was killed.
            Exception: a task failed; the others are not waited for.
        """
        if not self._processes:
            for task in tasks:
                yield task(on_step)
            return
        waiting = iter(tasks)
        free, busy = [*self._processes], list[Connection]()
        while True:
            for connection in [*free]:
                try:
                    task = next(waiting)
                except StopIteration:
                    break
                self._send(connection, task)
                free.remove(connection)
                busy.append(connection)
            if not busy:
                return
            for ready in wait(busy):
                connection = next(one for one in busy if one is ready)
                kind, value = self._receive(connection)
                if kind == "step":
                    on_step(value)
                elif kind == "failed":
                    raise value
                else:
                    busy.remove(connection)
                    free.append(connection)
                    yield value

    def _send(self, connection: Connection, task: Task[Any]) -> None:
        try:
            connection.send(task)
        except OSError as error:
            raise self._killed(connection) from error

    def _receive(self, connection: Connection) -> tuple[str, Any]:
        try:
            message: tuple[str, Any] = connection.recv()
        except (EOFError, OSError) as error:
            raise self._killed(connection) from error
        return message

    def _killed(self, connection: Connection) -> ProcessKilledError:
        process = self._processes[connection]
        process.join()
        code = process.exitcode or 0
        return ProcessKilledError(
            "Each process of the stage must end by itself but one "
            f"{killed(code) or f'ended with exit code {code}'}. Run it again, with fewer processes "
            f"if memory ran out: `{LIMIT}=1 dvc repro`. What is finished is kept."
        )


@contextmanager
def workers(count: int) -> Iterator[Workers]:
    """Start processes, and end them all.

    Args:
        count: how many may compute; 1 starts none, as this process itself does the tasks.
    """
    context = multiprocessing.get_context("spawn")
    processes: dict[Connection, BaseProcess] = {}
    try:
        with own_code_first():
            for _ in range(count if count > 1 else 0):
                ours, theirs = context.Pipe()
                process: BaseProcess = context.Process(target=_serve, args=(theirs,), daemon=True)
                process.start()
                theirs.close()  # else the end of the process would not be seen
                processes[ours] = process
        yield Workers(processes)
    finally:
        for process in processes.values():
            process.kill()
            process.join()


@contextmanager
def own_code_first() -> Iterator[None]:
    """Have processes that are started meanwhile import this code.

    A model that MLflow has loaded puts the code that it brings before it, a part of another time.
    """
    own = str(Path(__file__).parents[1])
    sys.path.insert(0, own)
    try:
        yield
    finally:
        sys.path.remove(own)


def _serve(connection: Connection) -> None:
    """Do tasks until the process that started this one ends it, or ends itself."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one that started this one
    end_with_parent()
    while True:
        try:
            task = connection.recv()
        except EOFError:  # that one was killed, and the thread has not seen it yet
            return
        try:
            result = task(lambda steps: connection.send(("step", steps)))
        except Exception as error:
            connection.send(("failed", error))
        else:
            connection.send(("done", result))


def end_with_parent() -> None:
    """End this process when the one that started it ends, in whatever way."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
