"""`skipcast fetch` and `skipcast features` by the workers of a cluster, one of which is killed."""

import json
import shutil
import threading
import time
from pathlib import Path

import pytest
from harness.clusters import own_cluster

from skipcast.archive import joining
from skipcast.cli.data import fetch, load
from skipcast.cli.features import features
from skipcast.errors import SkipcastError
from skipcast.params import CHANGES

ROOT = Path(__file__).parents[2]
FILES = ("data/plays/*", "data/features/*", "data/*.parquet")


@pytest.fixture
def project(tmp_path, monkeypatch, twin):
    """Return a function that goes to a new project, whose params it sets."""
    monkeypatch.setattr(joining, "PART_ROWS", 700)  # of 5,000

    def go(name, **changes):
        folder = tmp_path / name
        folder.mkdir()
        shutil.copy(ROOT / "params.yaml", folder)
        monkeypatch.chdir(folder)
        values = {"fetch.source": str(twin), "fetch.rows": "all", "load.into": "none"}
        monkeypatch.setenv(CHANGES, json.dumps({**values, **changes}))
        return folder

    return go


@pytest.fixture
def own(tmp_path):
    (tmp_path / "cluster").mkdir()
    with own_cluster(tmp_path / "cluster") as cluster:
        yield cluster


def content(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for pattern in FILES
        for path in sorted(folder.glob(pattern))
    }


def kill_as_soon_as(there, worker, seconds=30):
    """Return a thread that kills a worker when a file is there."""

    def wait():
        until = time.monotonic() + seconds
        while not there() and time.monotonic() < until:
            time.sleep(0.005)
        worker.kill()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_the_same_bytes_as_on_one_machine_though_a_worker_is_killed(project, own):
    here = project("here")
    for stage in (fetch, load, features):
        stage()
    there = project("there", **{"cluster.scheduler": own.address})
    first = own.add()
    own.add()
    killing = kill_as_soon_as(lambda: any(there.glob("data/.plays/part-*")), first)
    fetch()
    killing.join()
    load()
    second = own.add()
    killing = kill_as_soon_as(lambda: any(there.glob("data/.features/part-*")), second)
    features()
    killing.join()
    assert len(content(here)) > 15
    assert content(there) == content(here)


def test_a_part_that_is_missing_is_named_by_the_worker(project, own):
    project("here", **{"cluster.scheduler": own.address})
    own.add()
    fetch()
    load()
    Path("data/plays/part-00003.parquet").unlink()
    with pytest.raises(SkipcastError, match=r"part-00003\.parquet must be there.* --force fetch"):
        features()
