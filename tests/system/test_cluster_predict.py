"""Workers that score the parts of a table, of whom one is killed, or all."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from harness.clusters import cluster_beside_project
from harness.waiting import wait_until

from skipcast.cli.pool import open_workers
from skipcast.clients import batch
from skipcast.distributed import watch
from skipcast.distributed.predict import Scoring, predict
from skipcast.errors import SkipcastError
from skipcast.params import Cluster
from skipcast.parts import cut, write_parts
from skipcast.schema import LOG, names


@pytest.fixture(scope="module")
def parts(plays, tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts") / "plays"
    return write_parts(folder, cut(plays[[*names(LOG)]], rows=2000), made_by="fetch")


@pytest.fixture
def own(tmp_path):
    with cluster_beside_project(tmp_path) as cluster:
        yield cluster


def answered(folder):
    """Return when the answers to each part were written."""
    return {
        path.stem: path.with_suffix(".parquet").stat().st_mtime_ns
        for path in folder.glob(".predict-*/*.json")
    }


@contextmanager
def killed_after(parts, project, worker):
    """Kill a worker when so many parts are answered; yield what gets the parts that were then."""
    kept = {}

    def kill():
        wait_until(lambda: len(answered(project)) >= parts, pause=0.01)
        worker.kill()
        kept.update(answered(project))

    with ThreadPoolExecutor() as threads:
        killing = threads.submit(kill)
        yield kept
        killing.result()


def test_a_worker_that_is_killed_and_all_of_them(own, parts, logged_model, tmp_path, monkeypatch):
    monkeypatch.setattr(watch, "GONE_SECONDS", 2)
    model, project = logged_model().uri, tmp_path / "project"
    here, there = tmp_path / "here.csv", tmp_path / "there.csv"
    batch.predict(parts.folder, here, model, history=True)
    scoring = Scoring(parts, model, history=True, summary=False)
    first = own.add()
    with (
        open_workers(Cluster(scheduler=own.address), 1) as pool,
        killed_after(1, project, first) as kept,
        pytest.raises(SkipcastError, match=r"had 0 for 2 s.* what is finished is kept"),
    ):
        predict(pool, scoring, there)
    assert not there.exists()
    second, _ = own.add(), own.add()
    with (
        open_workers(Cluster(scheduler=own.address, workers=2), 1) as pool,
        killed_after(2, project, second) as then,
    ):
        predict(pool, scoring, there)
    assert there.read_bytes() == here.read_bytes()
    assert kept.items() <= then.items()
    assert not [*project.glob(".predict*")]
