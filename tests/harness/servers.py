"""Servers that tests start on free ports, each in a process group of its own."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.clients import Endpoint
from harness.waiting import STOP_SECONDS, wait_until
from skipcast.database.embedded import running as running_postgres

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(sys.executable).parent
SKIPCAST = SCRIPTS / "skipcast"
START_SECONDS = 180
Process = subprocess.Popen[bytes]
Command = Sequence[str | Path]


def free_port() -> int:
    """Return a port of this machine that no program has now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def environment() -> dict[str, str]:
    """Return the variables of this process; MLflow looks for uvicorn on the PATH."""
    return os.environ | {"PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"}


@contextmanager
def running(
    command: Command,
    url: str,
    log: Path,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[Process]:
    """Run a server in a process group of its own until the end of the block, then kill the group.

    Args:
        command: what starts the server.
        url: answers as soon as the server is ready.
        log: file for all that the server prints.
        cwd: folder in which the server runs.
        env: its variables; those of this process if not given.

    Raises:
        AssertionError: the server ended, or did not answer in `START_SECONDS`.
    """
    # Each MLflow server would start ten more processes, for jobs that nobody here has.
    env = {**(env or os.environ), "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with log.open("w") as output:
        server = subprocess.Popen(
            command, stdout=output, stderr=output, start_new_session=True, cwd=cwd, env=env
        )
    try:
        _wait_for(url, server, log)
        yield server
    finally:
        if _group_lives(server):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


@contextmanager
def model_server(
    model: str, log: Path, *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Iterator[Endpoint]:
    """Run `mlflow models serve` for the URI or folder `model` as the README says."""
    port = free_port()
    command = ["models", "serve", "-m", model, "--env-manager", "local", "-p", str(port)]
    url = f"http://127.0.0.1:{port}"
    env = env or environment()
    with running([SCRIPTS / "mlflow", *command], f"{url}/ping", log, cwd=cwd, env=env):
        yield Endpoint(f"{url}/invocations")


@contextmanager
def champion_server(
    folder: Path, *options: str, env: Mapping[str, str] | None = None
) -> Iterator[tuple[Process, str]]:
    """Run `skipcast serve` in `folder`; yield the process and the server's address."""
    if not (folder / "params.yaml").exists():
        shutil.copy(ROOT / "params.yaml", folder)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command: Command = [SKIPCAST, "serve", "--port", str(port), *options]
    log = folder / f"{port}.log"
    with running(command, f"{url}/ping", log, cwd=folder, env=env) as server:
        yield server, url


@contextmanager
def tracking_server(folder: Path, *options: str, port: int | None = None) -> Iterator[str]:
    """Run an MLflow server for the current MLflow store; yield its address."""
    port = port or free_port()
    command: Command = [
        SCRIPTS / "mlflow",
        "server",
        "--port",
        str(port),
        "--workers",
        "1",
        *options,
    ]
    url = f"http://127.0.0.1:{port}"
    with running(command, f"{url}/health", folder / "server.log", env=environment()):
        yield url


@contextmanager
def postgres_server() -> Iterator[str]:
    """Run a Postgres server in a folder of its own; yield its URL.

    Not in pytest's: each pytest that starts closes it to all other users, Postgres's among them.
    """
    with (
        tempfile.TemporaryDirectory(prefix="skipcast-") as folder,
        running_postgres(Path(folder, "postgres")) as url,
    ):
        yield url


def wait_for_end(server: Process) -> None:
    """Wait until the server and all that it started have ended, at most `STOP_SECONDS`."""
    wait_until(lambda: not _group_lives(server), STOP_SECONDS)


def _group_lives(server: Process) -> bool:
    """Tell whether the server or a process that it started is still there."""
    server.poll()
    try:
        os.killpg(server.pid, 0)
    except ProcessLookupError:
        return False
    return True


def _wait_for(url: str, server: Process, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError(f"The server must answer at {url} but does not:\n{log.read_text()}")
