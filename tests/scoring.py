"""A real `mlflow models serve` for tests, and how they talk to it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pandas as pd

from skipcast.schema import LOG, OUTCOMES, REASON_END, names

SERVER_SECONDS = 120
JSON = "application/json"


class Endpoint:
    """The invocations of a server on this machine."""

    def __init__(self, port: int) -> None:
        self.port = port

    def send(self, body: bytes, content_type: str | None = JSON) -> tuple[int, Any]:
        """Post a body over a connection of its own; return the status and the decoded answer."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {} if content_type is None else {"Content-Type": content_type}
        try:
            connection.request("POST", "/invocations", body, headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        return answer.status, json.loads(text) if text[:1] in (b"{", b"[") else text.decode()

    def post(self, content: Any) -> tuple[int, Any]:
        """Post JSON."""
        return self.send(json.dumps(content).encode())


@contextmanager
def serving(model: str, log: Path) -> Iterator[Endpoint]:
    """Serve a model until the end of the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    scripts = Path(sys.executable).parent
    command = f"mlflow models serve -m {model} --env-manager local -p {port}"
    with log.open("w") as output:
        server = subprocess.Popen(
            [scripts / command.split()[0], *command.split()[1:]],
            env=os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _wait(port, server, log)
        yield Endpoint(port)
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _wait(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + SERVER_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError(f"The server did not answer:\n{log.read_text()}")


def requests(plays: pd.DataFrame, sessions: int = 5) -> pd.DataFrame:
    """Return the plays of some sessions as a client sends them: the last one's outcome unknown."""
    ids = plays["session_id"].unique()[:sessions]
    request = plays.loc[plays["session_id"].isin(ids), names(LOG)].astype(
        dict.fromkeys(OUTCOMES, object)
    )
    last = ~request["session_id"].duplicated(keep="last")
    request.loc[last, [*OUTCOMES, REASON_END]] = None
    return request.drop(columns="session_length")


def records(request: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as JSON has them."""
    rows: list[dict[str, Any]] = json.loads(request.to_json(orient="records"))
    return rows
