"""The champion away from this project: an environment of its requirements, an image of it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
from harness.clients import records, requests
from harness.servers import ROOT, SCRIPTS, environment, model_server

PREDICT = """
import json, sys
import mlflow, pandas as pd
plays = pd.read_json(sys.argv[2], dtype=False, orient="records")
answer = mlflow.pyfunc.load_model(sys.argv[1]).predict(plays)
print(json.dumps(answer["skip_probability"].dropna().tolist()))
"""


@pytest.fixture(scope="module")
def folder(logged_model, tmp_path_factory):
    """Return the model's files, copied away from the store."""
    made = tmp_path_factory.mktemp("anywhere")
    found = mlflow.artifacts.download_artifacts(logged_model().uri, dst_path=str(made))
    return Path(found)


@pytest.fixture(scope="module")
def python(folder, tmp_path_factory):
    """Return the Python of an environment of the model's requirements, from the package index."""
    made = tmp_path_factory.mktemp("fresh") / "env"
    uv = [sys.executable, ROOT / "tools/uv.py"]
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    subprocess.run([*uv, "venv", "--quiet", "--python", version, made], check=True)
    install = ["pip", "install", "--quiet", "--python", made / "bin/python"]
    subprocess.run([*uv, *install, "-r", folder / "requirements.txt"], check=True)
    return made / "bin/python"


def test_answers_with_the_endpoints_bits_in_an_environment_of_its_own(
    folder, python, plays, tmp_path
):
    asked = records(requests(plays, sessions=20))
    (tmp_path / "plays.json").write_text(json.dumps(asked))
    with model_server(str(folder), tmp_path / "log") as endpoint:
        status, answer = endpoint.post({"dataframe_records": asked})
    assert status == 200
    expected = [row["skip_probability"] for row in answer["predictions"]]
    command = [python, "-I", "-c", PREDICT, folder, tmp_path / "plays.json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [value for value in expected if value is not None]
    listed = subprocess.run([python, "-m", "pip", "list"], capture_output=True, text=True)
    assert "skipcast" not in listed.stdout


def test_the_dockerfile_is_what_mlflow_makes_of_a_champion(logged_model, tmp_path):
    """Where it is not, MLflow is another version: copy what it makes to deploy/."""
    image = tmp_path / "image"
    command = ["models", "generate-dockerfile", "-m", logged_model().uri, "-d", image]
    done = subprocess.run(
        [SCRIPTS / "mlflow", *command],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    made, ours = ((f / "Dockerfile").read_text() for f in (image, ROOT / "deploy"))
    python = re.compile(r"python:[\d.]+-slim")  # of who logged the model
    heading, _, ours = ours.partition("\n\n")
    assert all(line.startswith("#") for line in heading.splitlines())
    assert python.sub("", made) == python.sub("", ours)
    assert (image / "model_dir/MLmodel").exists()
