"""Versions whose files were changed after their promotion: who refuses them, and what mends it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
from harness.clients import requests
from harness.servers import ROOT, SKIPCAST
from mlflow.pyfunc.model import PythonModel

from skipcast.cli.demo import demo
from skipcast.cli.predict import predict
from skipcast.cli.refresh import refresh
from skipcast.cli.serve import serve
from skipcast.cli.submit import submit
from skipcast.errors import SkipcastError
from skipcast.promotion.ledger import Entry
from skipcast.promotion.registry import Registry

pytestmark = pytest.mark.system  # processes score with the models
CODE = "code/skipcast/schema.py"
BYTECODE = "code/skipcast/__pycache__/schema.cpython-311.pyc"


@pytest.fixture
def registry(logged_model, track_table, tmp_path, monkeypatch):
    """Two champions, the second of the model `skipcast`; the command's folder and a file to score.

    Their files are copies: other tests use the models.
    """
    (tmp_path / "params.yaml").write_text(
        (ROOT / "params.yaml").read_text().replace("model: skipcast", f"model: {tmp_path.name}")
    )
    made = Registry(tmp_path.name)
    model = mlflow.artifacts.download_artifacts(logged_model().uri)
    made.client.create_registered_model(made.name)
    for number in (1, 2):
        copy = shutil.copytree(model, tmp_path / str(number))
        made.client.create_model_version(made.name, str(copy), tags={"family": "lightgbm"})
        made.carry_out(Entry("promoted", number, number - 1 or None, "better"))
    monkeypatch.chdir(tmp_path)
    return made


def change(folder):
    (folder / CODE).write_text("raise SystemExit")


CHANGES = {
    f"{CODE} was changed": change,
    "MLmodel was changed": lambda f: (f / "MLmodel").open("a").write("\n"),
    "artifacts/classifier is gone": lambda f: (f / "artifacts/classifier").unlink(),
    f"{CODE} is gone": lambda f: (f / CODE).unlink(),
    "code/evil.py was added": lambda f: (f / "code/evil.py").write_text("raise SystemExit"),
    "code/skipcast/registered_model_meta was added": lambda f: (
        f / "code/skipcast/registered_model_meta"
    ).touch(),
}


@pytest.mark.parametrize("fault", CHANGES)
def test_a_champion_that_was_changed_is_not_served(registry, fault, tmp_path):
    CHANGES[fault](tmp_path / "2")
    with pytest.raises(SkipcastError, match=rf"version 2 of .* must be .* but {fault}\. Bring .*"):
        serve()


COMMANDS = {
    "demo": lambda: demo(),
    "refresh": lambda: refresh(),
    "submit": lambda: submit(Path("none"), Path("out.txt")),
    "predict": lambda: predict(Path("plays.parquet"), Path("out.csv")),
    "predict --model": lambda: predict(
        Path("plays.parquet"), Path("out.csv"), f"models:/{Path.cwd().name}/2"
    ),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_runs_a_model_that_was_changed(registry, command, plays, tmp_path):
    requests(plays).to_parquet("plays.parquet")
    change(tmp_path / "2")
    match = rf"version 2 of .* must be as the ledger has them but {CODE} was changed\. Bring"
    with pytest.raises(SkipcastError, match=match):
        COMMANDS[command]()
    assert not Path("out.csv").exists()


def test_the_remedies_mend_it(registry, tracking, tmp_path, monkeypatch):
    monkeypatch.chdir(Path(tracking.removeprefix("sqlite:///")).parent)
    shutil.copytree(tmp_path / "2", tmp_path / "backup")
    change(tmp_path / "2")
    with pytest.raises(
        SkipcastError, match=r"Bring them back from a backup, go back to .*rollback"
    ):
        registry.require_champion()
    registry.roll_back()
    assert registry.require_champion() == 1
    with pytest.raises(SkipcastError, match=r"schema.py was changed\. Name another .*: there is"):
        registry.roll_back(2)
    shutil.copytree(tmp_path / "backup", tmp_path / "2", dirs_exist_ok=True)
    assert registry.roll_back(2).champion == 1
    assert registry.require_champion() == 2


def test_what_python_and_mlflow_leave_behind_is_no_change_and_is_not_run(registry, tmp_path):
    (tmp_path / "2/registered_model_meta").write_text("model_name: another\n")
    (tmp_path / "2" / BYTECODE).parent.mkdir(exist_ok=True)
    (tmp_path / "2" / BYTECODE).write_bytes(b"what another has compiled")
    (tmp_path / "copy").mkdir()
    _, copy, _ = registry.take_champion(tmp_path / "copy")
    assert not (copy / BYTECODE).exists()
    assert f"model_name: {registry.name}" in (copy / "registered_model_meta").read_text()


def run(*command, **env):
    return subprocess.run(
        [SKIPCAST, *command], env=os.environ | env, capture_output=True, text=True, check=False
    )


def test_a_version_of_before_is_served_with_one_line(registry, plays, tmp_path):
    requests(plays).to_parquet("plays.parquet")
    registry.client.delete_model_version_tag(registry.name, "2", "skipcast.files")
    (tmp_path / "copy").mkdir()
    note = registry.take_champion(tmp_path / "copy")[2]
    assert note.startswith(f"Version 2 of {registry.name} was registered before the ledger held")
    done = run("predict", "--input", "plays.parquet", "--output", "out.csv")
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if "Version 2" in line] == [
        f"Warning: {note}"
    ]


class Pickled(PythonModel):
    """Tells by a file that it was loaded."""

    def __reduce__(self):
        return Path.touch, (Path("ran"),)

    def predict(self, context, model_input):
        return model_input


@pytest.mark.filterwarnings("ignore")
def test_a_pickle_is_not_loaded_unless_the_user_says_so(registry, plays, tmp_path):
    requests(plays).to_parquet("plays.parquet")
    mlflow.pyfunc.save_model("pickled", python_model=Pickled(), pip_requirements=[])
    Path("ran").unlink(missing_ok=True)  # MLflow has tried it
    command = ("predict", "--input", "plays.parquet", "--output", "out.csv", "--model", "pickled")
    done = run(*command)
    assert "'MLFLOW_ALLOW_PICKLE_DESERIALIZATION' to 'true'" in done.stderr
    assert not Path("ran").exists()
    run(*command, MLFLOW_ALLOW_PICKLE_DESERIALIZATION="true")
    assert Path("ran").exists()


QUIET = """
import os, sys
import skipcast.cli.main as main
assert "mlflow" not in sys.modules  # it reads the variables as it is imported
main.app = lambda: print(os.environ["MLFLOW_DISABLE_TELEMETRY"])
main.main()
"""


@pytest.mark.parametrize(("value", "expected"), [(None, "true"), ("false", "false")])
def test_telemetry_is_off_in_every_command_unless_the_user_sets_it_on(value, expected):
    env = os.environ | ({} if value is None else {"MLFLOW_DISABLE_TELEMETRY": value})
    done = subprocess.run(
        [sys.executable, "-c", QUIET], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == expected
