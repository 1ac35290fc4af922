"""Commands of skipcast that a benchmark runs: what they took, under a limit that is enforced."""

import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

SKIPCAST = Path(sys.executable).with_name("skipcast")
POLL_SECONDS = 0.2


class Peak(threading.Thread):
    """Reads the memory of a process and all that it starts."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._process = psutil.Process(pid)
        self.bytes = 0.0
        self.start()

    def run(self) -> None:
        """Read until the process has ended."""
        while self._process.is_running():
            try:
                every = [self._process, *self._process.children(recursive=True)]
                self.bytes = max(self.bytes, *(one.memory_info().rss for one in every))
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                pass
            time.sleep(POLL_SECONDS)


def own_variables() -> dict[str, str]:
    """Return the variables of this process but for those of the user's database and store.

    A command that may not keep the code that it compiles would compile all of it each time.
    """
    theirs = ("MLFLOW_", "DATABASE_URL", "PYTHONDONTWRITEBYTECODE")
    return {name: value for name, value in os.environ.items() if not name.startswith(theirs)}


def settings(values: Sequence[str]) -> list[str]:
    """Return values of params, each KEY=VALUE, as options."""
    return [word for value in values for word in ("--set", value)]


def run_command(
    *words: object, folder: Path = Path(), limit: float | None = None
) -> tuple[float, float]:
    """Run a command of skipcast in a folder; leave if it fails.

    Args:
        words: of the command.
        folder: of the project.
        limit: bytes of data that no process may have more of (RLIMIT_DATA, which children inherit).

    Returns:
        Its seconds, and the most bytes that any of its processes had.
    """

    def enforce() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_DATA, (int(limit), int(limit)))

    command = [str(SKIPCAST), *map(str, words)]
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder, env=own_variables(), preexec_fn=enforce)
    peak = Peak(process.pid)
    if process.wait():
        under = "" if limit is None else f" under {limit / 1e9:g} GB"
        sys.exit(f"`skipcast {' '.join(map(str, words))}` failed{under} in {folder.absolute()}.")
    return time.perf_counter() - started, peak.bytes
