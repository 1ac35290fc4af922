"""The JSON files between stages: written as they are read, and clear about what is wrong."""

import json
import shutil

import numpy as np
import pytest

from skipcast.artifacts import (
    BestOfFamily,
    Champion,
    FeaturesReceipt,
    LoadReceipt,
    Metrics,
    Promotion,
    SearchResult,
    ValidationScores,
)
from skipcast.errors import SkipcastError

TABLES = {"training_set": {"rows": 3, "hash": "-7"}}
BEST = {
    "run_id": "b", "accuracy": 0.75, "log_loss": 0.5, "maa": None, "fpa": None,
    "model_uri": "models:/m-1",
}  # fmt: skip
SCORES = {"accuracy": 0.7, "auc": float("nan")}
CONTENTS = {
    LoadReceipt: {
        "into": "postgres", "database": "embedded", "schema": "skipcast", "synthetic": True,
        "listeners": False, "tables": TABLES,
    },
    FeaturesReceipt: {
        "hash": "ab", "track_table": "cd", "listener_table": "ef", "tables": TABLES,
        "horizon": "started", "skip": "brief", "groups": ["track", "taste"],
        "split": {"by": None, "validation": 0.2, "test": 0.1, "seed": 0},
    },
    SearchResult: {
        "run_id": "a", "families": {"lightgbm": BEST}, "best": "lightgbm", "ranked_by": "accuracy",
    },
    Promotion: {
        "candidate": {"family": "lightgbm", "version": 1},
        "skip": "brief",
        "decision": "promoted",
        "champion": {"family": "lightgbm", "version": 1},
    },
}  # fmt: skip


METRICS = Metrics(
    validation={"lightgbm": ValidationScores(accuracy=0.75, log_loss=0.5)},
    test={"candidate": SCORES, "majority": {"accuracy": 0.5}, "lightgbm": SCORES},
    test_low={"candidate": {"accuracy": 0.6}},
    test_high={"candidate": {"accuracy": 0.8}},
)


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
    path = tmp_path / "promotion.json"
    none = {"champion": {"family": None, "version": None}}
    path.write_text(json.dumps(CONTENTS[Promotion] | none))
    assert Promotion.read(path).champion == Champion(family=None, version=None)


@pytest.fixture
def metrics(tmp_path, monkeypatch):
    """Return the folder of the metrics of a promotion."""
    monkeypatch.chdir(tmp_path)
    METRICS.write()
    return tmp_path / "metrics"


def test_metrics_are_a_file_for_each_model(metrics):
    assert {str(path.relative_to(metrics)) for path in metrics.rglob("*.json")} == {
        "validation/lightgbm.json", "test/candidate.json", "test/majority.json",
        "test/lightgbm.json", "test_low/candidate.json", "test_high/candidate.json",
    }  # fmt: skip
    assert json.loads((metrics / "test/majority.json").read_text()) == {"accuracy": 0.5}


def test_metrics_are_read_as_they_were_written(metrics):
    assert repr(Metrics.read()) == repr(Metrics.read(metrics))
    assert Metrics.read().test["candidate"]["accuracy"] == 0.7
    assert np.isnan(Metrics.read().test["lightgbm"]["auc"])


def test_metrics_of_a_model_that_is_no_more_are_gone(metrics):
    (metrics / "test/champion.json").write_text("{}")
    METRICS.write()
    assert not (metrics / "test/champion.json").exists()
    assert [path.name for path in metrics.parent.iterdir()] == ["metrics"]


def test_missing_metrics_name_the_stage_that_makes_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SkipcastError, match=r"metrics must be there but is not\. `dvc repro"):
        Metrics.read()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"accuracy": "high"}', "\x00", "null"])
def test_a_wrong_file_of_metrics_is_named(metrics, content):
    (metrics / "test/majority.json").write_text(content)
    with pytest.raises(SkipcastError, match=r"(?s)test\.majority.*`dvc repro --force promote`"):
        Metrics.read()


def test_metrics_of_half_a_promotion_are_refused(metrics):
    shutil.rmtree(metrics / "test_low")
    with pytest.raises(SkipcastError, match="test_low: Field required"):
        Metrics.read()
