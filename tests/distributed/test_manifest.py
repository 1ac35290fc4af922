"""deploy/dask.yaml fits the commands of Dask that it runs, and itself."""

from pathlib import Path

import pytest
import yaml
from distributed.cli import dask_scheduler, dask_worker

MANIFEST = Path(__file__).parents[2] / "deploy/dask.yaml"
DOCUMENTS = {
    (one["kind"], one["metadata"]["name"]): one for one in yaml.safe_load_all(MANIFEST.read_text())
}
PROGRAMS = {"dask-scheduler": dask_scheduler.main, "dask-worker": dask_worker.main}


def container(name):
    (one,) = DOCUMENTS["Deployment", name]["spec"]["template"]["spec"]["containers"]
    return one


@pytest.mark.parametrize("name", PROGRAMS)
def test_dask_knows_the_options(name):
    _, command, *arguments = container(name)["command"]
    assert command == name.removeprefix("dask-")
    PROGRAMS[name].make_context(command, list(arguments))  # it fails on an unknown one


def test_workers_find_the_scheduler():
    service = DOCUMENTS["Service", "dask-scheduler"]["spec"]
    (port,) = service["ports"]
    assert f"tcp://dask-scheduler:{port['port']}" in container("dask-worker")["command"]
    labels = DOCUMENTS["Deployment", "dask-scheduler"]["spec"]["template"]["metadata"]["labels"]
    assert service["selector"] == labels


def test_workers_have_the_folder_of_the_project():
    pod = DOCUMENTS["Deployment", "dask-worker"]["spec"]["template"]["spec"]
    (volume,), (mount,) = pod["volumes"], container("dask-worker")["volumeMounts"]
    assert ("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]) in DOCUMENTS
    assert mount == {"name": volume["name"], "mountPath": container("dask-worker")["workingDir"]}
