"""Processes: how many may compute at once, and what to say of one that was killed."""

import ctypes
import math
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from skipcast.errors import SkipcastError

LIMIT = "LOKY_MAX_CPU_COUNT"  # scikit-learn's own variable for the same
STAGE = "DVC_STAGE"  # which stage this is, as DVC tells it
ROOT = Path("/")
PR_SET_PDEATHSIG = 1  # of Linux's prctl


class ProcessKilledError(SkipcastError):
    """A process did not end by itself, so that what it did not do says nothing about its work."""


def cpu_count(root: Path = ROOT) -> int:
    """Return how many processors this process may use, 1 or more; part of one counts as one.

    It is the least of the processors that it may run on (`taskset`, cpusets), the time that its
    cgroups leave it (containers, `CPUQuota=` of systemd) and `LIMIT`.

    Args:
        root: folder that holds the `proc` and `sys` of the machine.

    Raises:
        SkipcastError: `LIMIT` is no whole number above 0.
    """
    is_linux = hasattr(os, "sched_getaffinity")
    allowed = len(os.sched_getaffinity(0)) if is_linux else os.cpu_count() or 1
    return max(1, min([allowed, *_quotas(root), *_limit()]))


def _limit() -> Iterator[int]:
    if text := os.environ.get(LIMIT, "").strip():
        if not text.isdecimal() or int(text) < 1:
            raise SkipcastError(
                f"{LIMIT} must be a whole number above 0 but got {text}. Correct it or unset it."
            )
        yield int(text)


def _quotas(root: Path) -> Iterator[int]:
    """Yield the processors that each cgroup of this process allows: its own and those above."""
    own = _own_cgroups(root)
    for base, mountpoint, version in _hierarchies(root):
        path = own.get(version)
        if path is None:
            continue
        # In a container, the part above its own cgroup is not mounted.
        inner = path.relative_to(base) if path.is_relative_to(base) else Path()
        for folder in (inner, *inner.parents):
            yield from _quota(mountpoint / folder)


def _own_cgroups(root: Path) -> dict[int, Path]:
    """Return the cgroup of this process for processors, by the version of its hierarchy."""
    own = {}
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if not controllers or "cpu" in controllers.split(","):
            own[1 if controllers else 2] = Path(path)
    return own


def _hierarchies(root: Path) -> Iterator[tuple[Path, Path, int]]:
    """Yield what of each hierarchy is mounted, where, and its version."""
    for line in _lines(root / "proc/self/mountinfo"):
        mount, _, system = line.partition(" - ")
        kind, _, options = system.split(" ", 2)
        if kind == "cgroup2" or (kind == "cgroup" and "cpu" in options.split(",")):
            base, mountpoint = mount.split(" ")[3:5]
            yield Path(base), root / mountpoint.lstrip("/"), 2 if kind == "cgroup2" else 1


def _quota(cgroup: Path) -> Iterator[int]:
    """Yield the processors that one cgroup allows, if it limits them: time over period."""
    files = ("cpu.max", "cpu.cfs_quota_us", "cpu.cfs_period_us")  # of version 2, then 1
    words = " ".join(line for name in files for line in _lines(cgroup / name)).split()
    if len(words) == 2 and words[0] not in ("max", "-1"):
        yield math.ceil(int(words[0]) / int(words[1]))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError:  # not every system has it, nor every cgroup
        return []


def killed(code: int) -> str | None:
    """Return what to say of a process that a signal ended, or None if it ended by itself.

    Args:
        code: its exit code, as `subprocess` and `multiprocessing` give it.

    >>> killed(-11), killed(1)
    ('was killed by SIGSEGV', None)
    """
    if code >= 0:
        return None
    names = {int(number): number.name for number in signal.Signals}
    text = f"was killed by {names.get(-code, f'signal {-code}')}"
    # Only a person, or a system that runs out of memory, sends this one.
    return f"{text}: most often, memory ran out" if code == -signal.SIGKILL else text


class _TerminatedError(SystemExit):
    """SIGTERM came."""


@contextmanager
def terminable() -> Iterator[None]:
    """Let SIGTERM end the block as an error would, so that it cleans up, and then this process."""

    def end(*_: object) -> None:
        raise _TerminatedError

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    except _TerminatedError:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)


def end_with_dvc() -> None:
    """Have this process killed as soon as DVC ends, if it is a stage that DVC runs.

    Where somebody kills DVC, the stage would go on unseen, and the next `dvc repro` would start a
    second one beside it.
    """
    if STAGE in os.environ:
        die_with_parent(signal.SIGKILL)()


def die_with_parent(number: int) -> Callable[[], None]:
    """Return a `preexec_fn`: the process gets a signal when the one that started it has ended.

    Where somebody kills that one, nobody else would end it. Only Linux can do so.

    Args:
        number: of the signal.
    """
    if not sys.platform.startswith("linux"):
        return lambda: None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(PR_SET_PDEATHSIG, number)
