"""Workers that may not do the work are refused before it, by name."""

import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from harness.clusters import cluster_beside_project
from harness.tasks import pid_after

import skipcast
from skipcast.cli.pool import open_workers
from skipcast.errors import SkipcastError
from skipcast.params import Cluster


@pytest.fixture
def own(tmp_path):
    with cluster_beside_project(tmp_path) as cluster:
        yield cluster


def refused(own, *, match, **needs):
    with (
        pytest.raises(SkipcastError, match=match),
        open_workers(Cluster(scheduler=own.address), 1, **needs),
    ):
        pass
    assert not any(Path.cwd().iterdir())


def dist_info(folder, name, version):
    place = folder / f"{name}-{version}.dist-info"
    place.mkdir(parents=True)
    (place / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")


def without(*folders):
    """Return what runs a command for which folders are empty, as on another machine."""
    hidden = ["unshare", "--map-root-user", "--mount", "sh", "-c"]
    mount = " && ".join(f"mount -t tmpfs none '{folder}'" for folder in folders)
    if subprocess.run([*hidden, mount], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount")
    return [*hidden, f'{mount} && exec "$@"', "sh"]


@pytest.mark.parametrize("name", ["numpy", "xgboost", "skipcast"])
def test_another_version(own, tmp_path, name):
    dist_info(tmp_path / "other", name, "0.0.1")
    own.add(environment={"PYTHONPATH": str(tmp_path / "other")})
    refused(own, match=rf"The worker tcp://.* must have {name} \d.* but has 0\.0\.1\. Install")


@pytest.mark.parametrize("name", ["skipcast", "lightgbm"])
def test_a_worker_without_a_package(own, name):
    own.add(before=without(*Path(pytest.__file__).parents[1].glob(f"{name}-*.dist-info")))
    refused(own, match=rf"The worker tcp://.* must have {name} \d.* does not have it\. Install")


def test_other_code_of_the_same_version(own, tmp_path):
    other = tmp_path / "other/skipcast"
    shutil.copytree(Path(skipcast.__file__).parent, other)
    with (other / "features/columns.py").open("a") as file:
        file.write("# another commit\n")
    own.add(environment={"PYTHONPATH": str(tmp_path / "other")})
    refused(own, match=r"The worker tcp://.* must have the code of skipcast .*, \w{12}, but has \w")


def test_code_that_a_worker_has_read_before_its_files_were_changed(own, tmp_path):
    other = tmp_path / "other/skipcast"
    shutil.copytree(Path(skipcast.__file__).parent, other)
    own.add(environment={"PYTHONPATH": str(tmp_path / "other")})
    with open_workers(Cluster(scheduler=own.address), 1):
        pass
    with (other / "features/columns.py").open("a") as file:
        file.write("# another commit\n")
    with open_workers(Cluster(scheduler=own.address), 1):  # it goes on with what it has read
        pass


def test_a_worker_that_comes_later_with_other_code(own, tmp_path):
    other = tmp_path / "other/skipcast"
    shutil.copytree(Path(skipcast.__file__).parent, other)
    with (other / "features/columns.py").open("a") as file:
        file.write("# another commit\n")
    own.add()
    with open_workers(Cluster(scheduler=own.address), 1) as pool:
        own.add(environment={"PYTHONPATH": str(tmp_path / "other")})
        pool.client.wait_for_workers(2)
        with pytest.raises(SkipcastError, match=r"The worker tcp://.* it came later\. Install"):
            list(pool.run((partial(pid_after, 1) for _ in range(4)), lambda _: None))


def test_another_folder_at_the_same_path(own):
    own.add(before=without(Path.cwd()))
    refused(own, match=r"The worker tcp://.* must read and write in .*project, .*No such file")


def test_a_source_that_a_worker_cannot_read(own, tmp_path):
    (tmp_path / "mssd").mkdir()
    (tmp_path / "mssd/log.csv").write_text("session_id")
    own.add(before=without(tmp_path / "mssd"))
    refused(own, match=r"must read the same files .*mssd/log", paths=[tmp_path / "mssd/log.csv"])


def test_another_database(own, monkeypatch):
    own.add()
    monkeypatch.setenv("DATABASE_URL", "postgresql://me:secret@db/plays")
    refused(
        own,
        match=r"must have the variable DATABASE_URL that is set here but has none\.",
        variables=["DATABASE_URL"],
    )
    with open_workers(Cluster(scheduler=own.address), 1):
        pass


def test_the_database_of_this_machine_alone(own, monkeypatch):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    refused(
        own,
        match=r"must have a database that its workers reach.* load\.into",
        variables=["DATABASE_URL"],
    )


def test_without_the_extra(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("skipcast.distributed")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(SkipcastError, match=r"distributed is missing\. `pip install 'skipcast\[clu"),
        open_workers(Cluster(scheduler="local"), 1),
    ):
        pass
