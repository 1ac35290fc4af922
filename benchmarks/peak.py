"""The most memory that any process of a run had."""

import threading
import time

import psutil

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
