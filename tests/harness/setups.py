"""A made-up project with the tools of this one, and its set-up."""

import importlib.util
import shutil
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
BASH = str(shutil.which("bash"))
AFTER = ("libraries.py", "scm.py")  # tools that ask what is installed, which is not the made-up one


def make_project(folder: Path) -> Path:
    """Make a project that requires the package `tiny_backend` and uv; return its folder."""
    shutil.copytree(ROOT / "tools", folder / "tools")
    for name in AFTER:
        (folder / "tools" / name).write_text("")
    (folder / "requirements.txt").write_text(f"tiny_backend==1.0\nuv=={version('uv')}\n")
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["tiny_backend"]\nbuild-backend = "tiny_backend"\n'
        '[project]\nname = "project"\nversion = "1.0"\n'
    )
    return folder


def set_up(
    project: Path, python: str | Path, env: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run the set-up of a project by a Python, with no other variables than `env`."""
    command: list[str | Path] = [BASH, project / "tools/setup.sh", python]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def load_tool(name: str) -> Any:
    """Return a program of tools/ as a module."""
    spec = importlib.util.spec_from_file_location(f"tools_{name}", ROOT / f"tools/{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
