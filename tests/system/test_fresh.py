"""The model's folder alone, in an environment built from nothing but its own requirements."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest

from skipcast.serving.packaging import example

ROOT = next(p for p in Path(__file__).parents if (p / "pyproject.toml").exists())
SCRIPT = """
import sys
opened = set()
sys.addaudithook(lambda event, args: opened.add(str(args[0])) if event == "open" else None)
import mlflow
model = mlflow.pyfunc.load_model(sys.argv[1])
import skipcast
print(skipcast.__file__)
print(repr(model.predict(model.input_example)["skip_probability"].iloc[-1]))
imported = [name for name in ("optuna", "typer", "psycopg2") if name in sys.modules]
print([path for path in opened if path.startswith(tuple(sys.argv[2:]))])
print(imported)
"""
VERSIONS = ["3.13", "3.12", "3.14", "3.11"]  # in the order of tools/setup.sh
NO_REGISTRY = r"dns error|error sending request|Connection refused|Network is unreachable|timed out"


@pytest.fixture(params=["the running Python", "another version"])
def python(request: pytest.FixtureRequest) -> str | Path:
    """Return the path of a Python to answer with."""
    if request.param == "the running Python":
        return sys.executable
    running = version_of(sys.executable)
    others = [version for version in VERSIONS if version != running]
    found = next(filter(None, map(find_python, others)), None)
    return found or pytest.skip(f"no Python runs here but {running}; wanted: {', '.join(others)}")


def find_python(version: str) -> Path | None:
    """Return the path of a Python that runs, on PATH or among pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    folders = [*map(Path, os.get_exec_path()), *sorted(pyenv.glob("versions/*/bin"))]
    pythons = [folder / f"python{version}" for folder in folders]
    return next((p for p in pythons if p.exists() and version_of(p) == version), None)


def version_of(python: str | Path) -> str:
    """Return such as 3.13, or nothing where it does not run."""
    command = [python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def test_loads_from_a_copy_of_its_folder_without_the_project(logged_model, tmp_path, python):
    model = logged_model()
    expected = model.served.predict(example())
    source = mlflow.artifacts.download_artifacts(model.uri)
    folder = Path(shutil.copytree(source, tmp_path / "copy"))

    uv, fresh = [sys.executable, ROOT / "tools/uv.py"], tmp_path / "venv/bin/python"
    subprocess.run([*uv, "venv", "--quiet", "--python", python, tmp_path / "venv"], check=True)
    assert version_of(fresh) == version_of(python)
    install = [*uv, "pip", "install", "--python", fresh, "--requirement"]
    done = subprocess.run(
        [*install, folder / "requirements.txt"], capture_output=True, text=True, check=False
    )
    if done.returncode and re.search(NO_REGISTRY, done.stderr):
        pytest.skip("no package registry answers")
    assert done.returncode == 0, done.stderr

    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    env |= {"HOME": str(tmp_path), "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/none.db"}
    done = subprocess.run(
        [fresh, "-c", SCRIPT, "copy", ROOT, source],
        cwd=tmp_path, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    where, probability, outside, imported = done.stdout.strip().splitlines()[-4:]
    assert Path(where).is_relative_to(folder)
    assert probability == repr(expected["skip_probability"].iloc[-1])
    assert outside == imported == "[]"
