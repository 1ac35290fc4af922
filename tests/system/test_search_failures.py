"""What search and refit need goes away while they run: a clear error, and the next one goes on."""

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import mlflow
import pytest
from harness.searches import check_complete, make_small_job
from harness.servers import tracking_server

from skipcast.database import cluster
from skipcast.database.embedded import running
from skipcast.errors import SkipcastError
from skipcast.search.mlflow_runs import Runs
from skipcast.search.refit import refit
from skipcast.search.trials import search


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


def test_postgres_goes_away(mine, monkeypatch):
    with tempfile.TemporaryDirectory(prefix="skipcast-") as name:
        folder = Path(name, "postgres")
        with running(folder) as url, monkeypatch.context() as patch:
            at_second_log(patch, lambda: cluster.stop(folder))
            with pytest.raises(SkipcastError, match=r"embedded (Postgres )?must .* but"):
                search(mine, url)
        with running(folder) as url:
            check_complete(mine, url, search(mine, url))


@pytest.fixture
def store(tmp_path, monkeypatch):
    """Return the options of a tracking server, whose end is noticed at once."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    return [
        *("--backend-store-uri", f"sqlite:///{tmp_path}/server.db"),
        *("--artifacts-destination", str(tmp_path / "artifacts")),
    ]


def test_mlflow_goes_away(mine, store, tmp_path, postgres, monkeypatch):
    with ExitStack() as stack, monkeypatch.context() as patch:
        address = stack.enter_context(tracking_server(tmp_path, *store))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        at_second_log(patch, stack.close)
        with pytest.raises(SkipcastError, match=rf"MLflow store {address} must .* failed"):
            search(mine, postgres)
    with tracking_server(tmp_path, *store, port=int(address.rpartition(":")[2])):
        check_complete(mine, postgres, search(mine, postgres))


@pytest.fixture
def sampled(mine, feature_files):
    """Return a job in the same folder, whose trials have a sample."""
    assert mine
    return make_small_job("mine", feature_files, plays=2500, families={"logistic": 1})


def at_log(monkeypatch, happen) -> None:
    """Let something happen just before the refit logs what it has fitted."""
    original = Runs.log
    monkeypatch.setattr(Runs, "log", lambda *args: happen() or original(*args))


def test_postgres_goes_away_in_a_refit(sampled, monkeypatch):
    with tempfile.TemporaryDirectory(prefix="skipcast-") as name:
        folder = Path(name, "postgres")
        with running(folder) as url, monkeypatch.context() as patch:
            found = search(sampled, url)
            at_log(patch, lambda: cluster.stop(folder))
            with pytest.raises(SkipcastError, match=r"embedded (Postgres )?must .* but"):
                refit(sampled, url, found)
        with running(folder) as url:
            assert refit(sampled, url, found).best == "logistic"


def test_mlflow_goes_away_in_a_refit(sampled, store, tmp_path, postgres, monkeypatch):
    with ExitStack() as stack, monkeypatch.context() as patch:
        address = stack.enter_context(tracking_server(tmp_path, *store))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        found = search(sampled, postgres)
        at_log(patch, stack.close)
        with pytest.raises(SkipcastError, match=rf"store {address} must log the refit but failed"):
            refit(sampled, postgres, found)
    with tracking_server(tmp_path, *store, port=int(address.rpartition(":")[2])):
        assert refit(sampled, postgres, found).best == "logistic"


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """Yield a folder on a disk of 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]
    if subprocess.run(["mount", *options], capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk to fill")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def resize(disk: Path, megabytes: int) -> None:
    subprocess.run(["mount", "-o", f"remount,size={megabytes}m", disk], check=True)


@contextmanager
def filled(disk: Path) -> Iterator[None]:
    """Have no room left on a disk of at most 50 MB."""
    filler = disk / "filler"
    with suppress(OSError):
        filler.write_bytes(bytes(50_000_000))
    yield
    filler.unlink()


def test_a_disk_fills(mine, small_disk, postgres):
    mlflow.create_experiment("mine", artifact_location=small_disk.as_uri())
    with pytest.raises(SkipcastError, match=r"disk must have room for .* but is full"):
        search(mine, postgres)
    resize(small_disk, 200)
    check_complete(mine, postgres, search(mine, postgres))


def test_a_disk_fills_in_a_refit(sampled, small_disk, postgres):
    mlflow.create_experiment("mine", artifact_location=small_disk.as_uri())
    resize(small_disk, 50)
    found = search(sampled, postgres)
    with (
        filled(small_disk),
        pytest.raises(SkipcastError, match=r"disk must have room for .* but is full"),
    ):
        refit(sampled, postgres, found)
    assert refit(sampled, postgres, found).best == "logistic"


def test_the_disk_of_the_store_fills_in_a_refit(sampled, small_disk, postgres, monkeypatch, capfd):
    resize(small_disk, 50)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{small_disk}/mlflow.db")
    found = search(sampled, postgres)
    with (
        filled(small_disk),
        pytest.raises(SkipcastError, match=r"room for the MLflow store .* but is full"),
    ):
        refit(sampled, postgres, found)
    assert "Traceback" not in capfd.readouterr().err
    assert refit(sampled, postgres, found).best == "logistic"
