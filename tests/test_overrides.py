import os
from pathlib import Path

import pytest

from skipcast.errors import SkipcastError
from skipcast.overrides import VARIABLE, override
from skipcast.params import read_params

DEFAULTS = Path(__file__).parents[1] / "params.yaml"


def test_changed_values_stand_in_for_those_of_the_file():
    before = DEFAULTS.read_bytes()
    override(["fetch.rows=5", "search.families.xgboost=40", "fetch.source=my = file.csv"])
    params = read_params(DEFAULTS)
    assert (params.fetch.rows, params.fetch.source) == (5, "my = file.csv")
    assert params.search.families == {"logistic": 5, "lightgbm": 15, "xgboost": 40}
    assert DEFAULTS.read_bytes() == before


def test_a_change_without_a_value_leaves_that_of_the_file():
    override(["fetch.seed="])
    assert read_params(DEFAULTS).fetch.seed == 0


@pytest.mark.parametrize(
    ("value", "match"),
    [
        ("fetch.row=5", r"fetch\.row: Extra inputs"),
        ("fetch.rows=many", r"fetch\.rows: .*whole number"),
        ("fetch.rows.few=5", "must name a key of params.yaml but got fetch.rows.few"),
        ("fish.rows=5", "must name a key of params.yaml but got fish.rows"),
        ("fetch.source=a: b: c", "must have a value that is YAML but got fetch.source=a: b: c"),
    ],
)
def test_a_wrong_change_is_told(value, match):
    override([value])
    with pytest.raises(SkipcastError, match=match):
        read_params(DEFAULTS)


def test_a_change_must_have_a_key_and_a_value():
    with pytest.raises(SkipcastError, match="must be KEY=VALUE but got fetch"):
        override(["fetch"])


@pytest.mark.parametrize("turn", ["first", "second"])
def test_a_change_is_of_one_test_alone(turn):
    assert VARIABLE not in os.environ
    override([])
