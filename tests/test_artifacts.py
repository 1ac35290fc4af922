"""The JSON files between stages: written as they are read, and clear about what is wrong."""

import json

import pytest

from skipcast.artifacts import (
    BestOfFamily,
    Champion,
    FeaturesReceipt,
    LoadReceipt,
    Metrics,
    SearchResult,
)
from skipcast.errors import SkipcastError

TABLES = {"training_set": {"rows": 3, "hash": "-7"}}
BEST = {"run_id": "b", "accuracy": 0.75, "log_loss": 0.5, "model_uri": "models:/m-1"}
SCORES = {"accuracy": 0.7, "auc": float("nan")}
CONTENTS = {
    LoadReceipt: {
        "database": "embedded", "schema": "skipcast", "synthetic": True, "tables": TABLES,
    },
    FeaturesReceipt: {
        "hash": "ab", "track_table": "cd", "tables": TABLES, "horizon": "started",
        "groups": ["track", "taste"], "split": {"validation": 0.2, "test": 0.1, "seed": 0},
    },
    SearchResult: {"run_id": "a", "families": {"lightgbm": BEST}, "best": "lightgbm"},
    Metrics: {
        "families": {"lightgbm": {"accuracy": 0.75, "log_loss": 0.5}},
        "candidate": {"family": "lightgbm", "version": 1},
        "decision": "promoted",
        "champion": {"family": "lightgbm", "version": 1},
        "test": {"candidate": SCORES},
        "interval": {"candidate": {"accuracy": {"low": 0.6, "high": 0.8}}},
        "baselines": {"majority": {"accuracy": 0.5}},
        "best_of_family": {"lightgbm": SCORES},
    },
}  # fmt: skip


@pytest.fixture
def result(tmp_path):
    """Return a function that reads `data/search.json` with the content that it is given."""

    def read(content: str) -> SearchResult:
        path = tmp_path / "search.json"
        path.write_text(content)
        return SearchResult.read(path)

    return read


@pytest.mark.parametrize("kind", CONTENTS)
def test_writes_the_bytes_that_it_read(kind, tmp_path):
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    before.write_text(json.dumps(CONTENTS[kind], indent=2) + "\n")
    kind.read(before).write(after)
    assert after.read_bytes() == before.read_bytes()


@pytest.mark.parametrize("kind", CONTENTS)
def test_a_missing_file_names_the_stage_that_makes_it(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    match = rf"{kind.PATH} must be there but is not. `dvc repro {kind.STAGE}` makes it"
    with pytest.raises(SkipcastError, match=match):
        kind.read()


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "\x00", '{"run_id": "a",}'])
def test_what_is_no_json_object_names_file_and_remedy(result, content):
    with pytest.raises(
        SkipcastError, match=r"(?s)search\.json must be as .*`dvc repro --force search`"
    ):
        result(content)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"seed": 0}, "  seed: Extra inputs are not permitted, got 0"),
        ({"run_id": 5}, "  run_id: Input should be a valid string, got 5"),
        (
            {"families": {"lightgbm": {**BEST, "accuracy": "high"}}},
            "  families.lightgbm.accuracy: ",
        ),
        ({"families": {"lightgbm": {}}}, "  families.lightgbm.model_uri: Field required"),
        ({"best": "xgboost"}, "best must be one of lightgbm"),
    ],
)
def test_a_wrong_key_is_named_with_its_value(result, change, fault):
    with pytest.raises(SkipcastError) as error:
        result(json.dumps(CONTENTS[SearchResult] | change))
    assert fault in str(error.value)


def test_a_missing_key_is_named(result):
    with pytest.raises(SkipcastError, match="  best: Field required"):
        result(json.dumps({"run_id": "a", "families": {"lightgbm": BEST}}))


def test_the_candidate_is_the_best_of_the_best_family(result):
    assert result(json.dumps(CONTENTS[SearchResult])).candidate == BestOfFamily(**BEST)


def test_no_champion_is_two_nulls(tmp_path):
    path = tmp_path / "metrics.json"
    none = {"champion": {"family": None, "version": None}}
    path.write_text(json.dumps(CONTENTS[Metrics] | none))
    assert Metrics.read(path).champion == Champion(family=None, version=None)
