"""`mlflow models serve` in processes of its own, on a free port of this machine."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from skipcast.errors import SkipcastError
from skipcast.processes import die_with_parent, killed

EXAMPLE = "serving_input_example.json"  # a request that MLflow keeps with the model
START_SECONDS = 300
ANSWER_SECONDS = 60
STOP_SECONDS = 90  # a request ends within 60
STEP = 0.1


class ServerProcess:
    """A scoring server that was started; `stop` must be called."""

    def __init__(self, command: Sequence[str], port: int) -> None:
        """Start a server by `mlflow ...`, which is to answer at `port` of this machine."""
        self.port = port
        # In a session of its own: who stops all of them by Ctrl-C wants the last answers, too.
        self._process = subprocess.Popen(
            [sys.executable, "-m", *command],
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGTERM),
        )

    def wait(self) -> None:
        """Wait until it answers `/ping`, which it does once it has loaded the model.

        Raises:
            SkipcastError: it ended before, or takes too long.
        """
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            self.check()
            try:
                urllib.request.urlopen(self._url("ping"), timeout=ANSWER_SECONDS).close()
            except OSError:
                time.sleep(STEP)
            else:
                return
        raise SkipcastError(f"it must answer /ping within {START_SECONDS} s but does not.")

    def try_example(self, model: Path) -> None:
        """Have it answer the request that was logged with its model, if one was.

        Args:
            model: the folder of its model.

        Raises:
            SkipcastError: it answers otherwise than with probabilities.
        """
        file = model / EXAMPLE
        if not file.exists():
            return
        kind = {"Content-Type": "application/json"}
        request = urllib.request.Request(self._url("invocations"), file.read_bytes(), kind)
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
                text = answer.read().decode()
        except urllib.error.HTTPError as error:
            raise SkipcastError(
                f"it must answer its example with probabilities but answers HTTP {error.code}."
            ) from error
        except OSError as error:
            raise SkipcastError(f"it must answer its example but does not: {error}.") from error
        if not _has_probability(text):
            raise SkipcastError(
                f"it must answer its example with probabilities but answers {text[:200]}."
            )

    def check(self) -> None:
        """Raise where it has ended.

        Raises:
            SkipcastError: it has.
        """
        code = self._process.poll()
        if code is not None:
            raise SkipcastError(
                "it must run until it is stopped but "
                f"{killed(code) or f'ended with {code}'}; the command's output has its own words."
            )

    def stop(self) -> None:
        """End it after its last answer."""
        deadline = time.monotonic() + STOP_SECONDS
        self._signal(signal.SIGTERM)
        while time.monotonic() < deadline and self._lives():
            time.sleep(STEP)
        self._signal(signal.SIGKILL)
        self._process.wait()

    def _url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def _lives(self) -> bool:
        """Tell whether it or a process that it started is still there."""
        self._process.poll()
        return self._signal(0)

    def _signal(self, number: int) -> bool:
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return False
        return True


def _has_probability(text: str) -> bool:
    try:
        rows: list[dict[str, Any]] = json.loads(text)["predictions"]
        found = [row["skip_probability"] for row in rows]
    except (ValueError, KeyError, TypeError):
        return False
    return any(isinstance(value, float) and 0 <= value <= 1 for value in found)


def free_port() -> int:
    """Return a port of this machine that no program has now."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port
