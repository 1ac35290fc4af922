"""`skipcast fetch` and `skipcast features` by the workers of a cluster, one of which is killed."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from harness.buckets import s3_server
from harness.clusters import own_cluster
from harness.waiting import wait_until

from skipcast.archive import joining
from skipcast.cli.data import fetch, load
from skipcast.cli.features import features
from skipcast.errors import SkipcastError
from skipcast.files import disk_errors
from skipcast.overrides import VARIABLE
from skipcast.parts import Parts, write_parts
from skipcast.storage import locate, upload

ROOT = Path(__file__).parents[2]
FILES = ("data/plays/*", "data/features/*", "data/*.parquet")


@pytest.fixture
def project(tmp_path, monkeypatch, twin):
    """Return a function that goes to a new project, whose params it sets."""
    monkeypatch.setattr(joining, "PART_ROWS", 700)  # of 5,000

    def go(name, **changes):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        shutil.copy(ROOT / "params.yaml", folder)
        monkeypatch.chdir(folder)
        values = {"fetch.source": str(twin), "fetch.rows": "all", "load.into": "none"}
        monkeypatch.setenv(VARIABLE, json.dumps({**values, **changes}))
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


@contextmanager
def killed_as_soon_as(there, worker):
    """Kill a worker when a file is there."""

    def kill():
        wait_until(there, pause=0.005)
        worker.kill()

    with ThreadPoolExecutor() as threads:
        killing = threads.submit(kill)
        yield
        killing.result()


def test_the_same_bytes_as_on_one_machine_though_a_worker_is_killed(project, own):
    here = project("here")
    for stage in (fetch, load, features):
        stage()
    there = project("there", **{"cluster.scheduler": own.address})
    first = own.add()
    own.add()
    with killed_as_soon_as(lambda: any(there.glob("data/.plays/part-*")), first):
        fetch()
    load()
    second = own.add()
    with killed_as_soon_as(lambda: any(there.glob("data/.features/part-*")), second):
        features()
    assert len(content(here)) > 15
    assert content(there) == content(here)


def test_the_same_bytes_from_a_bucket(project, own, twin):
    here = project("here")
    fetch()
    own.add(), own.add()
    with s3_server():
        bucket = locate("s3://mssd")
        bucket.fs.mkdir("mssd")
        for path in twin.rglob("*.*"):
            upload(path, bucket / path.relative_to(twin).as_posix())
        changes = {"cluster.scheduler": own.address, "fetch.source": "s3://mssd"}
        there = project("there", **changes)
        with pytest.raises(
            SkipcastError, match=r"The worker .* same files .* s3://mssd/? must be re"
        ):
            fetch()
        for _ in range(2):
            own.workers.pop(0).kill()
            own.add()  # with what tells it where the server is
        fetch()
    assert content(there) == content(here)


@pytest.fixture
def fetched(project, own):
    """Plays in parts, in the project of a cluster that has no worker yet."""
    folder = project("here")
    fetch()
    load()
    return project(folder.name, **{"cluster.scheduler": own.address})


def damage(path):
    path.write_bytes(path.read_bytes()[:-1])


def cut_a_session(path):
    """Take the first play of a part away, and say that this is how it was written."""
    plays = Parts.read(path.parent, made_by="fetch")
    tables = [plays.part(number) for number in range(len(plays))]
    write_parts(path.parent, [tables[0], tables[1][1:], *tables[2:]], made_by="fetch")
    load()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (Path.unlink, r"part-00001\.parquet must be there.* --force fetch"),
        (damage, r"part-00001\.parquet must be as the stage fetch wrote it.* --force fetch"),
        (cut_a_session, r"session_position must count 1, 2, 3, .* but got 2 first in session"),
    ],
)
def test_a_part_that_is_not_as_it_must_be_is_told_by_the_worker(fetched, own, change, message):
    change(fetched / "data/plays/part-00001.parquet")
    own.add()
    with pytest.raises(SkipcastError, match=message):
        features()


def test_a_full_disk_of_a_worker(fetched, own):
    own.add(before=["sh", "-c", 'export PYTHONDONTWRITEBYTECODE=1; ulimit -f 16; exec "$@"', "sh"])
    with (
        pytest.raises(SkipcastError, match=r"The disk must have room for .* allows no file so"),
        disk_errors(),
    ):
        features()
    own.workers.pop().kill()
    own.add()
    features()
