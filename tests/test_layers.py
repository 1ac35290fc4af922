"""The contracts on imports in pyproject.toml: kept by the package, broken by a wrong import."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from imports import ROOT

PROJECT = ROOT.parents[1]


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check the package in `folder`/src against the contracts."""
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder / "src")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copied(tmp_path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT, tmp_path / "src/skipcast", ignore=ignored)
    shutil.copy(PROJECT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_package_keeps_them(copied):
    result = lint(copied)
    assert result.returncode == 0, result.stdout
    assert "0 broken" in result.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("evaluation/metrics.py", "import skipcast.search.spec", "Imports run one way"),
        ("models/family.py", "import skipcast.files", "What ships with a model"),
        ("serving/request.py", "import pydantic", "What ships with a model"),
        ("features/views.py", "import mlflow", "know nothing of MLflow"),
    ],
)
def test_a_wrong_import_is_named(copied, module, line, contract):
    path = copied / "src/skipcast" / module
    path.write_text(f"{path.read_text()}\n{line}\n")
    result = lint(copied)
    assert result.returncode == 1
    broken = [text for text in result.stdout.splitlines() if text.endswith("BROKEN")]
    assert any(contract in text for text in broken)
