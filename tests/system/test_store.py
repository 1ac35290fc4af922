"""The MLflow store in a project with an odd name, moved, copied, emptied, or in another place.

One project is made once; each test works in a copy of it. Its Postgres is the tests' own server.
"""

import re
import shutil
import sqlite3
import urllib.request
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
from harness.clones import Clone, make_clone
from harness.servers import (
    SCRIPTS,
    champion_server,
    free_port,
    model_server,
    running,
    tracking_server,
)
from mlflow import MlflowClient

from skipcast.artifacts import Refit
from skipcast.schema import LOG, names

NAME = "my projects & 100% [größe] #1"
AGAIN = ("dvc", "repro", "--force", "--downstream", "search")


@pytest.fixture(scope="module")
def made(tmp_path_factory, postgres) -> Clone:
    """A project with an odd name, in which all stages have run; do not change it."""
    folder = tmp_path_factory.mktemp("odd") / NAME
    clone = make_clone(folder, tmp_path_factory.mktemp("home"))
    clone.env["DATABASE_URL"] = postgres
    clone.set_params(
        fetch={"twin_sessions": 300, "rows": 4000},
        search={"families": {"logistic": 1, "lightgbm": 1}},
        split={"test": 0.3},
        promote={"samples": 100},
    )
    clone.must("dvc", "repro")
    clone.must("git", "add", "dvc.lock", "metrics", "params.yaml")
    clone.must("git", "commit", "--quiet", "-m", "made")
    plays = pd.read_parquet(folder / "data/plays")
    plays[names(LOG)].head(200).to_csv(folder / "some.csv", index=False)
    return clone


@pytest.fixture
def copy(made, tmp_path) -> Clone:
    """A copy of the project in another folder."""
    return copy_of(made, tmp_path / "copy")


def copy_of(clone: Clone, folder: Path) -> Clone:
    shutil.copytree(clone.folder, folder, symlinks=True)
    copied = Clone(folder, Path(clone.env["HOME"]))
    copied.env = dict(clone.env)
    return copied


def predict(clone: Clone):
    return clone.run(
        "skipcast", "predict", "--input", "some.csv", "--output", "out.csv", "--score-history"
    )


def works(clone: Clone) -> None:
    """Check that the champion scores plays."""
    done = predict(clone)
    assert done.returncode == 0, done.stderr


def refused(clone: Clone, *command: str) -> str:
    """Run a command that must fail with one clear message; return it."""
    done = clone.run(*command)
    printed = done.stdout + done.stderr
    assert done.returncode != 0, printed
    assert printed.count("Error: ") == 1, printed
    assert "Traceback" not in printed
    return " ".join(printed.split())


def test_nothing_is_made_beside_a_project_with_an_odd_name(made):
    assert [path.name for path in made.folder.parent.iterdir()] == [NAME]


def test_mlflow_ui_shows_what_a_project_with_an_odd_name_has(made):
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [SCRIPTS / "mlflow", "ui", "--port", str(port), "--workers", "1"]
    log = made.folder / "ui.log"
    with running(command, f"{url}/health", log, cwd=made.folder, env=made.env):
        client = MlflowClient(url)
        version = client.get_model_version_by_alias("skipcast", "champion")
        run = client.get_run(version.tags["decision_run"])
        address = f"{url}/get-artifact?path=model_card.md&run_id={run.info.run_id}"
        with urllib.request.urlopen(address) as card:
            assert card.read() == (made.folder / "reports/model_card.md").read_bytes()


def test_a_project_with_an_odd_name_serves(made):
    with champion_server(made.folder, env=made.env) as (_, url):
        urllib.request.urlopen(f"{url}/ping").close()


def test_what_report_says_to_type_serves_in_a_project_with_an_odd_name(made):
    told = made.must("skipcast", "report")
    (line,) = (line.strip() for line in told.splitlines() if "mlflow models serve" in line)
    variable, program = line.split()[:2]
    assert (variable, program) == ("MLFLOW_TRACKING_URI=sqlite:///mlflow.db", "mlflow")
    name, _, value = variable.partition("=")
    log = made.folder / "server.log"
    with model_server(
        "models:/skipcast@champion", log, cwd=made.folder, env=made.env | {name: value}
    ):
        assert [path.name for path in made.folder.parent.iterdir()] == [NAME]


def list_files(folder: Path) -> dict[str, int]:
    return {
        str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if "mlruns" in path.parts
    }


def test_mlflow_alone_serves_a_copy_by_its_own_files(made, copy):
    hidden = made.folder.with_name("hidden")
    made.folder.rename(hidden)
    try:
        log = copy.folder / "server.log"
        with model_server("models:/skipcast@champion", log, cwd=copy.folder, env=copy.env):
            pass
    finally:
        hidden.rename(made.folder)


def as_earlier_versions(clone: Clone) -> None:
    """Put whole paths into the store, as MLflow does."""
    columns = [
        ("experiments", "artifact_location"),
        ("runs", "artifact_uri"),
        ("logged_models", "artifact_location"),
        ("model_versions", "storage_location"),
    ]
    with closing(sqlite3.connect(clone.folder / "mlflow.db")) as store, store:
        for table, column in columns:
            store.execute(
                f"UPDATE {table} SET {column} = ? || {column} WHERE {column} LIKE 'mlruns/%'",
                (f"{clone.folder}/",),
            )


def choose_another(clone: Clone) -> None:
    """Let the other family's model be the candidate, as if another search had found it better."""
    result = Refit.read(clone.folder / "data/refit.json")
    (other,) = set(result.families) - {result.best}
    result.model_copy(update={"best": other}).write(clone.folder / "data/refit.json")


def test_a_copy_of_an_earlier_version_runs_its_own_code_and_leaves_the_original(copy, tmp_path):
    as_earlier_versions(copy)
    second = copy_of(copy, tmp_path / "second")
    for code in (copy.folder / "mlruns").rglob("served_model.py"):
        code.write_text("raise RuntimeError('the code of the original')")
    before = list_files(copy.folder)
    choose_another(second)
    assert "champion's: accuracy" in second.must("skipcast", "promote")
    assert list_files(copy.folder) == before


def test_a_moved_project_of_an_earlier_version_compares_and_leaves_no_old_folder(copy, tmp_path):
    as_earlier_versions(copy)
    copy.folder.rename(tmp_path / "moved")
    moved = Clone(tmp_path / "moved", Path(copy.env["HOME"]))
    moved.env = copy.env
    choose_another(moved)
    assert "champion's: accuracy" in moved.must("skipcast", "promote")
    assert not copy.folder.exists()


COMMANDS = {
    "promote": ("skipcast", "promote"),
    "serve": ("skipcast", "serve"),
    "demo": ("skipcast", "demo", "--port", "0"),
    "report": ("skipcast", "report"),
    "predict": ("skipcast", "predict", "--input", "some.csv", "--output", "out.csv"),
}


@pytest.fixture(scope="module")
def emptied(made, tmp_path_factory) -> Clone:
    """A copy whose store was damaged and is away now."""
    clone = copy_of(made, tmp_path_factory.mktemp("emptied") / "project")
    (clone.folder / "mlflow.db").write_bytes(b"damaged" * 1000)
    told = refused(clone, "skipcast", "promote", "--history")
    assert f"move it away, then `{' '.join(AGAIN)}`" in told
    (clone.folder / "mlflow.db").unlink()
    shutil.rmtree(clone.folder / "mlruns")
    return clone


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_that_the_store_was_emptied(emptied, command):
    told = refused(emptied, *COMMANDS[command])
    assert "must be in the MLflow store" in told or "must be registered in" in told
    assert " ".join(AGAIN) in told


def test_the_history_says_that_the_store_was_emptied(emptied):
    assert " ".join(AGAIN) in emptied.must("skipcast", "promote", "--history")


def test_what_they_say_brings_the_champion_of_an_emptied_store_back(emptied):
    emptied.must(*AGAIN)
    works(emptied)
    assert "champion: " in emptied.must("skipcast", "report")


@pytest.fixture(scope="module")
def half(made, tmp_path_factory) -> Clone:
    """A copy whose artifacts are gone."""
    clone = copy_of(made, tmp_path_factory.mktemp("half") / "project")
    shutil.rmtree(clone.folder / "mlruns")
    return clone


@pytest.mark.parametrize("command", ["promote", "serve", "report", "predict"])
def test_every_command_says_that_the_artifacts_are_gone(half, command):
    told = refused(half, *COMMANDS[command])
    assert "MLmodel is" in told
    assert " ".join(AGAIN) in told


def test_a_search_whose_artifacts_are_gone_is_done_again_and_its_promotion_asks(half):
    """The champion cannot be compared with: that is refused, and what to do is told."""
    told = refused(half, *AGAIN)
    assert "MLmodel is gone" in told
    assert "skipcast promote --without-champion" in told
    told = half.must("skipcast", "promote", "--without-champion")
    assert "version 2 is promoted (champion until now: version 1)" in told
    works(half)


def test_another_store_is_told(copy, tmp_path):
    copy.env["MLFLOW_TRACKING_URI"] = f"sqlite:///{tmp_path}/other.db"
    told = refused(copy, "skipcast", "promote")
    assert f"must be in the MLflow store sqlite:///{tmp_path}/other.db" in told
    assert "Correct MLFLOW_TRACKING_URI" in told


def test_a_deleted_experiment_of_promotions_is_told_before_the_search(copy):
    client = MlflowClient(f"sqlite:///{copy.folder}/mlflow.db")
    ledger = client.get_experiment_by_name("skipcast-promotions")
    client.delete_experiment(ledger.experiment_id)
    for command in (("search",), ("promote", "--history")):
        told = refused(copy, "skipcast", *command)
        assert f"`mlflow experiments restore -x {ledger.experiment_id}`" in told
    copy.must("mlflow", "experiments", "restore", "-x", ledger.experiment_id)
    assert "version 1 promoted" in copy.must("skipcast", "promote", "--history")


def test_a_server_that_does_not_know_its_name_is_told_and_how_to_start_it(copy, tmp_path):
    port = free_port()
    copy.env["MLFLOW_TRACKING_URI"] = f"http://localhost:{port}"
    store = ("--backend-store-uri", f"sqlite:///{copy.folder}/mlflow.db")
    with tracking_server(tmp_path, *store, "--allowed-hosts", "other.example", port=port):
        told = refused(copy, "skipcast", "search")
    assert "Invalid Host header" in told
    assert "dvc repro" not in told
    remedy = re.search("`mlflow server (--allowed-hosts .*?)`", told)
    assert remedy is not None
    with tracking_server(tmp_path, *store, *remedy[1].split(), port=port):
        assert "version 1 promoted" in copy.must("skipcast", "promote", "--history")
        told = refused(copy, "skipcast", "promote", "--dry-run")
    assert "are files where the server runs, mlruns/2. Type the command there, without" in told
    del copy.env["MLFLOW_TRACKING_URI"]
    assert "would be kept" in copy.must("skipcast", "promote", "--dry-run")


def test_an_experiment_of_dvc_in_a_folder_of_its_own_asks_for_a_store_that_lasts(copy):
    command = ("dvc", "exp", "run", "--temp", "--set-param", "search.seed=5")
    told = refused(copy, *command)
    assert "`export MLFLOW_TRACKING_URI=sqlite:///$HOME/skipcast.db`" in told
    copy.env["MLFLOW_TRACKING_URI"] = f"sqlite:///{copy.env['HOME']}/skipcast.db"
    copy.must(*command)
    works(copy)


def test_mlflow_run_leaves_params_as_they_are(copy):
    params = (copy.folder / "params.yaml").read_bytes()
    command = ["mlflow", "run", ".", "--env-manager", "local", "-e", "fetch", "-P", "rows=3000"]
    copy.must(*command)
    assert (copy.folder / "params.yaml").read_bytes() == params
    assert 3000 <= len(pd.read_parquet(copy.folder / "data/plays")) < 3100
