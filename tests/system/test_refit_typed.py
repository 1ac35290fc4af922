"""A search on a sample, a refit and a promotion, as they are typed; and what is typed after."""

import json

import pytest
from harness.clones import Clone, make_clone
from mlflow import MlflowClient

from skipcast.artifacts import Metrics, Refit, SearchResult

SAMPLE = ("--set", "search.plays=2000")
FAMILIES = ("logistic", "lightgbm")


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Clone:
    """A clone in which all stages have run, trials on a sample."""
    made = make_clone(tmp_path_factory.mktemp("clone"), tmp_path_factory.mktemp("home"))
    made.set_params(
        fetch={"twin_sessions": 300, "rows": 4000},
        search={"families": {"logistic": 1, "lightgbm": 2}},
        split={"test": 0.3},
        promote={"samples": 100},
    )
    made.must("skipcast", "run", *SAMPLE)
    return made


def client(clone):
    return MlflowClient(f"sqlite:///{clone.folder}/mlflow.db")


def names_of_refits(clone):
    logged = client(clone).search_runs(["1"], "tags.refit != ''")
    return [run.info.run_name for run in logged]


@pytest.fixture(scope="module")
def result(clone):
    return Refit.read(clone.folder / "data/refit.json")


def test_the_champion_is_a_refit(clone, result):
    version = client(clone).get_model_version_by_alias("skipcast", "champion")
    run = client(clone).get_run(version.run_id)
    assert run.info.run_name == f"refit {result.best}"
    assert version.run_id == result.candidate.run_id


def test_metrics_and_reports_are_of_the_refits(clone, result):
    metrics = Metrics.read(clone.folder / "metrics")
    for family in FAMILIES:
        assert metrics.validation[family].accuracy == result.families[family].accuracy
    assert f"{result.candidate.accuracy:.4f}" in clone.must("skipcast", "report")


def test_a_refit_of_other_values_is_refused_and_each_remedy_works(clone, result):
    refused = clone.run("skipcast", "refit")
    assert refused.returncode == 1
    assert refused.stderr.count("Error: ") == 1
    assert "Traceback" not in refused.stderr
    assert "`dvc repro --force search`" in refused.stderr
    assert "`skipcast run search refit` with the same values" in refused.stderr
    assert Refit.read(clone.folder / "data/refit.json") == result

    clone.must("skipcast", "run", "search", "refit", *SAMPLE)
    assert Refit.read(clone.folder / "data/refit.json") == result
    assert sorted(names_of_refits(clone)) == ["refit lightgbm", "refit logistic"]

    clone.must("dvc", "repro", "--force", "search")
    assert "their models stay as they are" in clone.must("skipcast", "refit")
    found, same = (
        json.loads((clone.folder / f"data/{name}.json").read_text()) for name in ("search", "refit")
    )
    assert found == same
    assert SearchResult.read(clone.folder / "data/search.json").run_id != result.run_id
