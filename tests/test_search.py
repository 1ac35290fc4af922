from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient

from skipcast.errors import SkipcastError
from skipcast.features import KEY_COLUMNS, build_features
from skipcast.models import FAMILIES
from skipcast.params import read_params
from skipcast.schema import TARGET
from skipcast.search import open_runs, search

DEFAULTS = Path(__file__).parents[1] / "params.yaml"
TRIALS = {"logistic": 2, "lightgbm": 2, "xgboost": 2}


@pytest.fixture(scope="module")
def features(plays):
    table = plays[list(KEY_COLUMNS)].assign(skipped=plays[TARGET])
    return table.join(build_features(plays, "started"))


def params(experiment, **changes):
    defaults = read_params(DEFAULTS)
    search = defaults.search.model_copy(update={"families": TRIALS, "experiment": experiment})
    return defaults.model_copy(update={"search": search, **changes})


@pytest.fixture(scope="module")
def found(features, plays_and_tracks, tracking):
    return search(features, plays_and_tracks[1], params("one"), origin={"data.hash": "7"})


def runs(experiment):
    client = MlflowClient()
    experiment_id = client.get_experiment_by_name(experiment).experiment_id
    return client.search_runs([experiment_id])


def test_one_parent_and_a_child_per_trial(found):
    parent = [run for run in runs("one") if run.info.run_id == found["run_id"]]
    children = [
        run for run in runs("one") if run.data.tags.get("mlflow.parentRunId") == found["run_id"]
    ]
    assert len(parent) == 1
    assert sorted(run.info.run_name for run in children) == [
        f"{family}-{i:03d}" for family in sorted(TRIALS) for i in range(2)
    ]
    for run in [*parent, *children]:
        assert run.info.status == "FINISHED"
        assert run.data.tags["data.hash"] == "7"
        assert run.data.tags["horizon"] == "started"
        assert "mlflow.source.git.commit" in run.data.tags
    for run in children:
        assert {"accuracy", "log_loss", "auc", "fit_seconds"} <= set(run.data.metrics)
        assert run.data.params


def test_the_best_of_each_family_is_the_most_accurate_and_carries_a_model(found, features):
    for family, best in found["families"].items():
        accuracies = {
            run.info.run_id: run.data.metrics["accuracy"]
            for run in runs("one")
            if run.data.tags.get("family") == family
        }
        assert accuracies[best["run_id"]] == best["accuracy"] == max(accuracies.values())
        model = mlflow.pyfunc.load_model(best["model_uri"])
        assert model.metadata.signature is not None
        assert model.metadata.run_id == best["run_id"]


def test_scores_are_those_of_the_validation_sessions_alone(found, features, plays):
    from skipcast.split import split_sessions

    rows = split_sessions(plays["session_id"], params("one").split) == "validation"
    for best in found["families"].values():
        answer = mlflow.pyfunc.load_model(best["model_uri"]).predict(
            plays.assign(skip_2=plays["skip_2"].astype(object))
        )
        right = (answer["skipped"].to_numpy() == plays[TARGET].to_numpy())[rows]
        assert np.mean(right) == pytest.approx(best["accuracy"], abs=1e-3)


def test_the_same_seed_finds_the_same(found, features, plays_and_tracks):
    again = search(features, plays_and_tracks[1], params("two"), origin={})
    for family, best in found["families"].items():
        for score in ("accuracy", "log_loss"):
            assert again["families"][family][score] == best[score]


def test_a_trial_that_fails_ends_its_runs_as_failed(features, plays_and_tracks, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setitem(FAMILIES, "logistic", replace(FAMILIES["logistic"], fit=fail))
    with pytest.raises(OSError, match="disk full"):
        search(features, plays_and_tracks[1], params("failing"), origin={})
    assert [run.info.status for run in runs("failing")] == ["FAILED", "FAILED"]


def test_refuses_sessions_that_cannot_be_split(features, plays_and_tracks):
    one = features[features["session_id"] == features["session_id"].iloc[0]]
    with pytest.raises(
        SkipcastError, match=r"sessions must have skipped plays and others .* fetch.rows"
    ):
        search(one, plays_and_tracks[1], params("small"), origin={})


def test_a_deleted_experiment_is_told_with_its_remedy(tracking):
    client = MlflowClient()
    client.delete_experiment(client.create_experiment("gone"))
    with pytest.raises(SkipcastError, match="restore the experiment"):
        open_runs("gone", {})
