"""Versions whose files were changed after their promotion: who refuses them, and what mends it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from harness.clients import requests
from harness.servers import ROOT, SKIPCAST
from mlflow.pyfunc.model import PythonModel

from skipcast.cli.demo import demo
from skipcast.cli.predict import predict
from skipcast.cli.refresh import refresh
from skipcast.cli.serve import serve
from skipcast.errors import SkipcastError
from skipcast.mlflow_store.trust import TAG
from skipcast.promotion.answers import stream
from skipcast.promotion.ledger import Entry
from skipcast.promotion.registry import Registry

pytestmark = pytest.mark.system  # processes score with the models
CODE = "code/skipcast/schema.py"
BYTECODE = "code/skipcast/__pycache__/schema.cpython-311.pyc"
CLASSIFIER = "artifacts/classifier"


@pytest.fixture(scope="module")
def store(logged_model, track_table, tmp_path_factory):
    """Two champions, the second of them now; the folder has the files of each, and whole copies."""
    folder = tmp_path_factory.mktemp("champions")
    made = Registry(folder.name)
    model = mlflow.artifacts.download_artifacts(logged_model().uri)  # other tests use it
    made.client.create_registered_model(made.name)
    for number in (1, 2):
        shutil.copytree(model, folder / f"whole/{number}")
        copy = shutil.copytree(model, folder / str(number))
        made.client.create_model_version(made.name, str(copy), tags={"family": "lightgbm"})
        made.carry_out(Entry("promoted", number, number - 1 or None, "better"))
    return made, folder


@pytest.fixture
def files(store):
    """The files of the champion, whole."""
    folder = store[1] / "2"
    shutil.rmtree(folder, ignore_errors=True)  # a test may have removed it
    return shutil.copytree(store[1] / "whole/2", folder)


@pytest.fixture
def registry(store, files, tmp_path, monkeypatch):
    """The registry; the working directory is that of its project."""
    text = (ROOT / "params.yaml").read_text()
    (tmp_path / "params.yaml").write_text(
        text.replace("model: skipcast", f"model: {store[0].name}")
    )
    monkeypatch.chdir(tmp_path)
    return store[0]


def change(folder):
    (folder / CODE).write_text("raise SystemExit")


def link(path, target):
    """Put a symbolic link in the place of a file."""
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def other_file(folder):
    """Write a file elsewhere on the machine; return where it is."""
    path = folder.parent / "evil" / "evil.py"
    path.parent.mkdir(exist_ok=True)
    path.write_text("raise SystemExit")
    return path


AS_RECORDED = "must be as the ledger has them but"
CHANGES = {
    f"{AS_RECORDED} {CODE} was changed": change,
    f"{AS_RECORDED} MLmodel was changed": lambda f: (f / "MLmodel").open("a").write("\n"),
    f"{AS_RECORDED} requirements.txt was changed": lambda f: (f / "requirements.txt").write_text(
        "evil"
    ),
    f"{AS_RECORDED} {CLASSIFIER} was changed": lambda f: (f / CLASSIFIER).write_bytes(b""),
    f"must be there but {CLASSIFIER} is gone": lambda f: (f / CLASSIFIER).unlink(),
    "must be there but MLmodel is gone": shutil.rmtree,
    f"{AS_RECORDED} {CODE} is gone": lambda f: (f / CODE).unlink(),
    f"{AS_RECORDED} code/evil.py was added": lambda f: (f / "code/evil.py").touch(),
    f"{AS_RECORDED} code/evil.pyc was added": lambda f: (f / "code/evil.pyc").touch(),
    f"{AS_RECORDED} code/skipcast/registered_model_meta was added": lambda f: (
        f / "code/skipcast/registered_model_meta"
    ).touch(),
    "must be files and folders but code/skipcast/arrays.py is a link": lambda f: link(
        f / "code/skipcast/arrays.py", other_file(f)
    ),
    "must be files and folders but code/evil is a link": lambda f: link(
        f / "code/evil", other_file(f).parent
    ),
}


@pytest.mark.parametrize("fault", CHANGES)
def test_a_champion_that_was_changed_is_not_served(registry, files, fault):
    CHANGES[fault](files)
    with pytest.raises(SkipcastError, match=rf"version 2 of .* {fault}\. Bring them back from"):
        serve()


def pipe(path):
    """Put a pipe in the place of a file: whoever reads it waits for ever."""
    path.unlink()
    os.mkfifo(path)


def put_folder(path):
    """Put a folder in the place of a file."""
    path.unlink()
    path.mkdir()


def put_file(path):
    """Put a file in the place of a folder, if there is one."""
    shutil.rmtree(path, ignore_errors=True)
    path.touch()


DAMAGES = {
    "MLmodel is empty": lambda f: (f / "MLmodel").write_text(""),
    "MLmodel is no YAML": lambda f: (f / "MLmodel").write_bytes(b"\0\xff: ["),
    "MLmodel names no Python function": lambda f: (f / "MLmodel").write_text("flavors: {}"),
    "MLmodel has a list": lambda f: (f / "MLmodel").write_text(
        "flavors: {python_function: {artifacts: [1]}}"
    ),
    "a link leads nowhere": lambda f: link(f / CODE, "nowhere"),
    "a file is a pipe": lambda f: pipe(f / CODE),
    "a file is a folder": lambda f: put_folder(f / CODE),
    "a folder is a file": lambda f: put_file(f / "code/skipcast"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_any_damage_is_told_with_the_remedy(registry, files, damage):
    DAMAGES[damage](files)
    with pytest.raises(SkipcastError, match=r"version 2 of .* must be .*\. Bring them back from"):
        serve()


COMMANDS = {
    "demo": lambda _: demo(),
    "refresh": lambda _: refresh(),
    "predict": lambda _: predict(Path("plays.parquet"), Path("out.csv")),
    "predict --model": lambda name: predict(
        Path("plays.parquet"), Path("out.csv"), f"models:/{name}/2"
    ),
    "serve": lambda _: serve(),
    "serve --follow": lambda _: serve(follow=True, proxy=Path("proxy")),
    "promote, which compares with the champion": lambda name: next(
        stream(f"models:/{name}/2", [pd.read_parquet("plays.parquet")])
    ),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_runs_a_model_that_was_changed(registry, files, command, plays, monkeypatch):
    monkeypatch.setattr(
        "skipcast.clients.proxy.find_nginx", lambda: "nginx"
    )  # it does not come so far
    requests(plays).to_parquet("plays.parquet")
    change(files)
    match = rf"version 2 of .* must be as the ledger has them but {CODE} was changed\. Bring"
    with pytest.raises(SkipcastError, match=match):
        COMMANDS[command](registry.name)
    assert not Path("out.csv").exists()


def test_the_remedies_mend_it(store, registry, files, tracking, monkeypatch):
    monkeypatch.chdir(Path(tracking.removeprefix("sqlite:///")).parent)
    change(files)
    with pytest.raises(
        SkipcastError, match=r"Bring them back from a backup, go back to .*rollback"
    ):
        registry.require_champion()
    registry.roll_back()
    assert registry.require_champion() == 1
    with pytest.raises(SkipcastError, match=r"schema.py was changed\. Name another .*: there is"):
        registry.roll_back(2)
    shutil.copytree(store[1] / "whole/2", files, dirs_exist_ok=True)
    assert registry.roll_back(2).champion == 1
    assert registry.require_champion() == 2


def test_what_python_and_mlflow_leave_behind_is_no_change_and_is_not_run(registry, files, tmp_path):
    (files / "registered_model_meta").write_text("model_name: another\n")
    (files / BYTECODE).parent.mkdir(exist_ok=True)
    (files / BYTECODE).write_bytes(b"what another has compiled")
    put_file(files / "code/__pycache__")
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
    run_id = registry.client.get_model_version(registry.name, "2").tags[TAG]
    registry.client.delete_model_version_tag(registry.name, "2", TAG)
    (tmp_path / "copy").mkdir()
    note = registry.take_champion(tmp_path / "copy")[2]
    assert note.startswith(f"Version 2 of {registry.name} was registered before the ledger held")
    done = run("predict", "--input", "plays.parquet", "--output", "out.csv")
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stderr.splitlines() if "Version 2" in line] == [
        f"Warning: {note}"
    ]
    registry.client.set_model_version_tag(registry.name, "2", TAG, run_id)


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


SAFE = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"}
TELL = """
import os, sys
import skipcast.cli.main as main
assert "mlflow" not in sys.modules  # it reads the variables as it is imported
main.app = lambda: print(os.environ[sys.argv[1]])
main.main()
"""
STARTED_BY = {
    "skipcast": [sys.executable, "-c", TELL],
    "make": ["make", "--no-print-directory", "--eval", "tell: ; @echo $$$(NAME)", "tell"],
}


@pytest.mark.parametrize("set_by_the_user", [None, "as the user has it"])
@pytest.mark.parametrize("name", SAFE)
@pytest.mark.parametrize("by", STARTED_BY)
def test_every_command_is_safe_unless_the_user_says_otherwise(by, name, set_by_the_user):
    """DVC's stages are commands of ours; so are those of MLproject."""
    env = {key: value for key, value in os.environ.items() if key not in SAFE}
    env |= {} if set_by_the_user is None else {name: set_by_the_user}
    option = f"NAME={name}" if by == "make" else name
    done = subprocess.run(
        [*STARTED_BY[by], option], cwd=ROOT, env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == (set_by_the_user or SAFE[name])


@pytest.mark.parametrize("file", ["dvc.yaml", "MLproject"])
def test_dvc_and_mlflow_start_our_commands_alone(file):
    commands = re.findall(
        r"^ +(?:cmd|command): *[\"']?(.*)", (ROOT / file).read_text(), re.MULTILINE
    )
    assert commands
    assert all(command.startswith("skipcast ") for command in commands), commands
