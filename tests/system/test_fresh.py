"""The model's folder alone, in an environment built from nothing but its own requirements."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
from conftest import fit

from skipcast.features.build import ALL, build_features
from skipcast.schema import TARGET
from skipcast.serving.packaging import example, log_model

SCRIPT = """
import sys, mlflow
model = mlflow.pyfunc.load_model(sys.argv[1])
import skipcast
print(skipcast.__file__)
print(repr(model.predict(model.input_example)["skip_probability"].iloc[-1]))
imported = [name for name in ("optuna", "typer", "psycopg2") if name in sys.modules]
print(imported)
"""
NO_REGISTRY = r"dns error|error sending request|Connection refused|Network is unreachable|timed out"


def test_loads_from_a_copy_of_its_folder_without_the_project(
    plays, plays_and_tracks, tracking, tmp_path
):
    features = build_features(plays, "started").to_numpy()
    fitted = fit("lightgbm", features, plays[TARGET].to_numpy())
    with mlflow.start_run():
        info = log_model(
            fitted, plays_and_tracks[1], family="lightgbm", horizon="started", groups=ALL
        )
    expected = mlflow.pyfunc.load_model(info.model_uri).predict(example())
    source = mlflow.artifacts.download_artifacts(info.model_uri)
    folder = Path(shutil.copytree(source, tmp_path / "copy"))

    uv, python = Path(sys.executable).with_name("uv"), tmp_path / "venv/bin/python"
    subprocess.run(
        [uv, "venv", "--quiet", "--python", sys.executable, tmp_path / "venv"], check=True
    )
    install = [uv, "pip", "install", "--python", python, "--requirement"]
    done = subprocess.run(
        [*install, folder / "requirements.txt"], capture_output=True, text=True, check=False
    )
    if done.returncode and re.search(NO_REGISTRY, done.stderr):
        pytest.skip("no package registry answers")
    assert done.returncode == 0, done.stderr

    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    env |= {"HOME": str(tmp_path), "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/none.db"}
    done = subprocess.run(
        [python, "-c", SCRIPT, "copy"],
        cwd=tmp_path, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    where, probability, imported = done.stdout.strip().splitlines()[-3:]
    assert Path(where).is_relative_to(folder)
    assert probability == repr(expected["skip_probability"].iloc[-1])
    assert imported == "[]"
