"""Servers that tests start on free ports, and requests to them."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SKIPCAST = Path(sys.executable).with_name("skipcast")
SERVER_SECONDS = 120
STOP_SECONDS = 20


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


@contextmanager
def served(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen, str]]:
    """Run `skipcast serve` in `folder`; yield the process and where it answers."""
    shutil.copy(ROOT / "params.yaml", folder)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [SKIPCAST, "serve", "--port", str(port), *options]
    with started(command, f"{url}/ping", folder / f"{port}.log", cwd=folder) as server:
        yield server, url


def gone(server: subprocess.Popen) -> bool:
    """Tell whether the server and all that it started end in time."""
    deadline = time.monotonic() + STOP_SECONDS
    while group_lives(server) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not group_lives(server)


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
