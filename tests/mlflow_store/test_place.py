"""Where the store of a project keeps its artifacts, on SQLite files with MLflow's tables."""

import os
import shutil
import sqlite3
from contextlib import closing

import pytest

from skipcast.errors import SkipcastError
from skipcast.mlflow_store.place import VARIABLE, choose_store, out_of_reach, sqlite_file, typed

TABLES = """
CREATE TABLE experiments (experiment_id INTEGER, name TEXT, artifact_location TEXT);
CREATE TABLE runs (run_uuid TEXT, experiment_id INTEGER, artifact_uri TEXT);
CREATE TABLE tags (run_uuid TEXT, key TEXT);
CREATE TABLE model_versions (source TEXT, storage_location TEXT);
"""
ODD = ["my projects", "100%25", "a&b", 'it\'s "mine"', "[1] (2)", "größe", "c#", "what?", "a+b=c"]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder without the variable."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv(VARIABLE, raising=False)
    yield folder
    os.environ.pop(VARIABLE, None)


def make_store(folder, *experiments):
    """Write a store; each experiment has a run, that of `skipcast` is a search's."""
    with closing(sqlite3.connect(folder / "mlflow.db")) as database, database:
        database.executescript(TABLES)
        for number, (name, place) in enumerate(experiments, 1):
            run = f"run{number}"
            database.execute("INSERT INTO experiments VALUES (?, ?, ?)", (number, name, place))
            database.execute("INSERT INTO runs VALUES (?, ?, ?)", (run, number, f"{place}/{run}"))
            key = "search" if name == "skipcast" else "other"
            database.execute("INSERT INTO tags VALUES (?, ?)", (run, key))
            values = (f"models:/m{number}", f"{place}/models/m{number}")
            database.execute("INSERT INTO model_versions VALUES (?, ?)", values)


def places(folder):
    """Return the places of experiments, runs and model versions."""
    queries = [
        "SELECT artifact_location FROM experiments",
        "SELECT artifact_uri FROM runs",
        "SELECT storage_location FROM model_versions",
    ]
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        return [place for query in queries for (place,) in database.execute(query)]


RELATIVE = ["mlruns/1", "mlruns/1/run1", "mlruns/1/models/m1"]


def test_places_of_the_package_are_made_relative(project):
    make_store(project, ("skipcast", f"{project}/mlruns/1"))
    choose_store()
    assert places(project) == RELATIVE


def test_a_place_written_as_a_uri_is_made_relative(project):
    make_store(project, ("skipcast", f"{project.as_uri()}/mlruns/1"))
    choose_store()
    assert places(project) == RELATIVE


def test_places_of_others_stay_as_long_as_the_project_does(project):
    make_store(project, ("notebook", f"{project}/mlruns/1"))
    choose_store()
    assert places(project)[0] == f"{project}/mlruns/1"


@pytest.mark.parametrize("name", ["skipcast", "notebook"])
def test_a_moved_project_keeps_its_artifacts(project, monkeypatch, name):
    make_store(project, (name, f"{project}/mlruns/1"))
    moved = project.with_name("moved")
    project.rename(moved)
    monkeypatch.chdir(moved)
    choose_store()
    assert places(moved) == RELATIVE
    assert not project.exists()


@pytest.mark.parametrize("with_artifacts", [True, False])
def test_a_copy_does_not_go_on_with_the_originals(project, monkeypatch, with_artifacts):
    make_store(project, ("skipcast", f"{project}/mlruns/1"))
    (project / "mlruns/1").mkdir(parents=True)
    copy = project.with_name("copy")
    shutil.copytree(project, copy)
    if not with_artifacts:
        shutil.rmtree(copy / "mlruns")
    monkeypatch.chdir(copy)
    choose_store()
    assert places(copy) == RELATIVE
    assert places(project)[0] == f"{project}/mlruns/1"


@pytest.mark.parametrize("place", ["notebooks/mlruns/1", "mlruns/other"])
def test_a_place_that_somebody_chose_stays(project, place):
    (project / place).mkdir(parents=True)
    make_store(project, ("skipcast", f"{project}/{place}"))
    choose_store()
    assert places(project)[0] == f"{project}/{place}"


@pytest.mark.parametrize("place", ["s3://bucket/mlruns/1", "mlflow-artifacts:/1"])
def test_a_place_of_a_server_stays(project, place):
    make_store(project, ("skipcast", place))
    choose_store()
    assert places(project)[0] == place


@pytest.mark.parametrize("name", ODD)
def test_the_store_is_the_one_in_the_folder_whatever_its_name(tmp_path, monkeypatch, name):
    folder = tmp_path / name
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv(VARIABLE, "")
    make_store(folder, ("skipcast", f"{folder}/mlruns/1"))
    choose_store()
    assert sqlite_file(os.environ[VARIABLE]) == folder / "mlflow.db"
    assert places(folder) == RELATIVE


def test_a_store_that_mlflow_hands_on_escaped_is_the_one_in_the_folder(tmp_path, monkeypatch):
    folder = tmp_path / "my projects"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv(VARIABLE, f"sqlite:///{tmp_path}/my%20projects/mlflow.db")
    choose_store()
    assert os.environ[VARIABLE] == "sqlite:///mlflow.db"


def test_a_store_that_is_named_stays_the_one(project, monkeypatch):
    monkeypatch.setenv(VARIABLE, "http://127.0.0.1:5000")
    choose_store()
    assert os.environ[VARIABLE] == "http://127.0.0.1:5000"


@pytest.mark.parametrize("folder", ["standalone/tmpab12", "tmpcd34"])
def test_a_store_that_dvc_would_delete_is_refused(project, monkeypatch, folder):
    temporary = project / ".dvc/tmp/exps" / folder
    temporary.mkdir(parents=True)
    monkeypatch.chdir(temporary)
    with pytest.raises(SkipcastError, match="must outlive the experiment"):
        choose_store()


def test_a_damaged_store_is_told(project):
    (project / "mlflow.db").write_text("no database, but long enough to be read as one" * 20)
    with pytest.raises(SkipcastError, match=r"mlflow.db must be an MLflow store .* not a database"):
        choose_store()


def test_an_empty_file_is_a_new_store(project):
    (project / "mlflow.db").touch()
    choose_store()
    assert (project / "mlflow.db").stat().st_size == 0


def test_to_look_for_a_store_makes_none(project):
    choose_store()
    assert not (project / "mlflow.db").exists()


def test_commands_are_typed_with_the_variable_where_mlflow_needs_it(tmp_path, monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    for name, expected in (
        ("plain", "mlflow ui"),
        ("a b", f"{VARIABLE}=sqlite:///mlflow.db mlflow ui"),
    ):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        monkeypatch.setenv(VARIABLE, "")
        choose_store()
        assert typed("mlflow ui") == expected


def test_artifacts_of_another_folder_are_out_of_reach(project, monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, f"sqlite:///{tmp_path}/mlflow.db")
    assert out_of_reach("mlruns/1") == f"are known by their place in {tmp_path}, mlruns/1"
    assert out_of_reach(f"{tmp_path}/mlruns/1") is None


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("/nowhere/mlruns/1", "are files where the server runs, /nowhere/mlruns/1"),
        ("file:///nowhere/mlruns/1", "are files where the server runs, /nowhere/mlruns/1"),
        ("mlruns/1", "are files where the server runs, mlruns/1"),
        ("mlflow-artifacts:/1", None),
        ("s3://bucket/1", None),
    ],
)
def test_artifacts_on_the_machine_of_a_server_are_out_of_reach(project, monkeypatch, place, why):
    monkeypatch.setenv(VARIABLE, "http://127.0.0.1:5000")
    (project / "mlruns/1").mkdir(parents=True)
    assert out_of_reach(place) == why


def test_artifacts_of_a_server_on_this_machine_are_in_reach(project, monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, "http://127.0.0.1:5000")
    assert out_of_reach(f"{tmp_path}/artifacts/1") is None
