"""Every benchmark says how to run it and what it prints."""

import ast
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"
PROGRAMS = sorted(path for path in FOLDER.glob("*.py") if "__main__" in path.read_text("utf-8"))


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_docstring_says_how_to_run_the_program(path):
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    assert f"Usage: `python benchmarks/{path.name}" in docstring
