"""Tasks for `skipcast.workers`: their processes must find them."""

import os
import signal
import time

import pyarrow as pa

from skipcast.workers import OnStep


def pid_after(seconds: float, on_step: OnStep) -> int:
    """Tell a step, wait, return the process."""
    on_step(1)
    time.sleep(seconds)
    return os.getpid()


def number(value: int, _: OnStep) -> int:
    """Return a number."""
    return value


def fail(message: str, _: OnStep) -> None:
    """Fail."""
    raise ValueError(message)


def be_killed(_: OnStep) -> None:
    """End as for want of memory."""
    os.kill(os.getpid(), signal.SIGKILL)


def be_killed_once(mark: str, value: int, _: OnStep) -> int:
    """End as for want of memory, if nobody has left the mark; else return the number."""
    if _leave(mark):
        os.kill(os.getpid(), signal.SIGKILL)
    return value


def be_silent_once(mark: str, value: int, _: OnStep) -> int:
    """Stop the process, if nobody has left the mark; else return the number."""
    if not _leave(mark):
        return value
    os.kill(os.getpid(), signal.SIGSTOP)
    return -1


def _leave(mark: str) -> bool:
    """Leave a mark; tell whether nobody has left it before."""
    try:
        os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def where(_: OnStep) -> str:
    """Return the folder of the process."""
    return os.getcwd()  # noqa: PTH109


def arrow_threads(left: int, _: OnStep) -> int:
    """Return how many threads Arrow takes; leave another number of them to the next task."""
    threads: int = pa.cpu_count()
    pa.set_cpu_count(left)
    return threads
