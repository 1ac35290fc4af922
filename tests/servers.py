"""Servers that tests start on free ports, and requests to them."""

import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

SERVER_SECONDS = 120


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def started(command: Sequence[str], url: str, log: Path, **where) -> Iterator[subprocess.Popen]:
    """Run a server in a process group of its own until it answers on `url`; end the group."""
    with log.open("w") as output:
        server = subprocess.Popen(
            command, stdout=output, stderr=output, start_new_session=True, **where
        )
    try:
        wait_for(url, server, log)
        yield server
    finally:
        if group_lives(server):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def group_lives(server: subprocess.Popen) -> bool:
    """Tell whether the server or a process that it started is there."""
    server.poll()
    try:
        os.killpg(server.pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_for(url: str, server: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + SERVER_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5)
        except OSError:
            time.sleep(0.3)
        else:
            return
    pytest.fail(f"The server did not answer:\n{log.read_text()}")


def post(url: str, body: object) -> tuple[int, dict]:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)
