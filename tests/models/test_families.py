import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
import yaml
from harness.family_checks import CHECKS, datasets

from skipcast.models.families import FAMILIES, Family

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def data(plays):
    return datasets(plays)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.filterwarnings("error")
def test_each_family_conforms(name, check, data, tmp_path):
    check(FAMILIES[name], data, tmp_path)


def test_the_type_names_exactly_the_families():
    assert get_args(Family) == tuple(FAMILIES)


def test_labels_are_unique():
    assert len({family.label for family in FAMILIES.values()}) == len(FAMILIES)


def test_mlproject_has_a_parameter_for_each_family_which_leaves_params_as_they_are():
    search = yaml.safe_load((ROOT / "MLproject").read_text())["entry_points"]["search"]
    defaults = {name: about["default"] for name, about in search["parameters"].items()}
    assert defaults == dict.fromkeys(FAMILIES, "")
    assert re.findall(r"families\.(\w+)=\{\1\}", search["command"]) == list(FAMILIES)


def test_importing_the_families_imports_no_library_of_theirs():
    program = "import sys, skipcast.models.families; print(sorted(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    for heavy in ("sklearn", "lightgbm", "xgboost", "optuna"):
        assert f"'{heavy}'" not in run.stdout
