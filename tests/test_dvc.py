"""The code that dvc.yaml lists for a stage is the code that the stage imports.

Left out are the modules of `skipcast.cli`, which read, call and write: a word in a command must not
run a stage again.
"""

import pytest
import yaml
from imports import ROOT, closure, places, used_by

PROJECT = ROOT.parents[1]
STAGES = yaml.safe_load((PROJECT / "dvc.yaml").read_text())["stages"]
COMMANDS = {
    "fetch": "skipcast.cli.data",
    "load": "skipcast.cli.data",
    "features": "skipcast.cli.features",
    "search": "skipcast.cli.search",
    "refit": "skipcast.cli.refit",
    "promote": "skipcast.cli.promote",
}
# These take the names of families, and the ranges that params may narrow, from models: nothing of
# that is in what fetch, load and features write.
NAMES_ONLY = frozenset(
    {("skipcast.artifacts", "skipcast.models"), ("skipcast.params", "skipcast.models")}
)


def imported(stage):
    modules = closure(used_by(COMMANDS[stage], stage), cut=NAMES_ONLY)
    return places(modules) - {"src/skipcast/cli"}


def listed(stage):
    return {path for path in STAGES[stage]["deps"] if path.startswith("src/")}


def test_every_stage_has_its_command():
    assert {stage: f"skipcast {stage}" for stage in COMMANDS} == {
        name: stage["cmd"] for name, stage in STAGES.items()
    }


@pytest.mark.parametrize("stage", COMMANDS)
def test_no_code_that_a_stage_imports_is_missing(stage):
    assert imported(stage) - listed(stage) == set()


@pytest.mark.parametrize("stage", COMMANDS)
def test_no_code_is_listed_that_a_stage_does_not_import(stage):
    assert listed(stage) - imported(stage) == set()


@pytest.mark.parametrize("stage", COMMANDS)
def test_every_code_that_is_listed_is_there(stage):
    assert [path for path in listed(stage) if not (PROJECT / path).exists()] == []


def test_what_python_writes_beside_the_code_is_ignored():
    """Else a stage would be out of date after each run."""
    assert {"__pycache__/", "*.pyc"} <= set((PROJECT / ".dvcignore").read_text().splitlines())


def test_a_lazy_import_counts():
    assert "skipcast.search.trials" in used_by("skipcast.cli.search", "search")


def test_an_import_of_a_command_beside_does_not_count():
    assert "skipcast.twin.write" not in used_by("skipcast.cli.data", "load")
