"""A search on a real Postgres server and a real MLflow store: what it logs, what it does again."""

import shutil
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import optuna
import pytest
from harness.searches import (
    TRIALS,
    check_complete,
    params_of,
    runs,
    scores,
    small_params,
    trials,
)
from mlflow import MlflowClient

from skipcast.errors import SkipcastError
from skipcast.models.families import FAMILIES
from skipcast.parts import Parts, write_parts
from skipcast.schema import TARGET
from skipcast.search.trials import search
from skipcast.split import split_sessions


def artifacts(run_id, folder=None):
    return {Path(file.path).name for file in MlflowClient().list_artifacts(run_id, folder)}


@pytest.fixture(params=TRIALS)
def best(request, searched):
    """The best trial of a family."""
    return searched.families[request.param]


def test_each_trial_is_done_once_and_nothing_is_left_running(searched, make_job, postgres):
    check_complete(make_job("searched"), postgres, searched)


@pytest.mark.usefixtures("searched")
def test_every_run_ends_as_finished():
    assert {run.info.status for run in runs("searched")} == {"FINISHED"}


@pytest.mark.usefixtures("searched")
def test_every_run_carries_data_horizon_and_commit():
    for run in runs("searched"):
        assert run.data.tags.items() >= {"data.hash": "7", "horizon": "started"}.items()
        assert run.data.tags["mlflow.source.git.commit"] == "missing"  # pytest runs in none


@pytest.mark.usefixtures("searched")
def test_every_run_names_its_data_as_its_input():
    for run in runs("searched"):
        named = [(data.dataset.name, data.tags[0].value) for data in run.inputs.dataset_inputs]
        assert sorted(named) == [("train", "training"), ("validation", "validation")]


@pytest.mark.usefixtures("searched")
def test_every_trial_is_complete_with_all_scores_and_all_parameters():
    for run in trials("searched"):
        expected = {"accuracy", "log_loss", "auc", "train_accuracy", "fit_seconds"}
        assert expected <= set(run.data.metrics)
        assert set(run.data.params) == set(FAMILIES[run.data.tags["family"]].space)
        assert run.data.tags["state"] == "complete"


def curve(run_id):
    history = MlflowClient().get_metric_history(run_id, "round_log_loss")
    return [metric.value for metric in sorted(history, key=lambda metric: metric.step)]


def test_a_booster_ends_at_the_lowest_point_of_its_curve(searched):
    run_id = searched.families["lightgbm"].run_id
    rounds = MlflowClient().get_run(run_id).data.metrics["rounds"]
    assert np.argmin(curve(run_id)) + 1 == rounds


def test_a_boosters_log_loss_is_the_lowest_of_its_curve(searched):
    best = searched.families["lightgbm"]
    assert min(curve(best.run_id)) == pytest.approx(best.log_loss, abs=1e-5)


@pytest.mark.usefixtures("searched")
@pytest.mark.parametrize("family", TRIALS)
def test_the_first_trial_is_the_library_defaults(family):
    (first,) = [run for run in runs("searched") if run.info.run_name == f"{family}-000"]
    defaults = FAMILIES[family].defaults({})
    assert first.data.params == {name: str(value) for name, value in defaults.items()}


def test_the_best_carries_a_model_of_its_run_with_signature_and_example(best):
    metadata = mlflow.pyfunc.load_model(best.model_uri).metadata
    assert metadata.run_id == best.run_id
    assert metadata.signature is not None
    assert metadata.load_input_example() is not None


def test_the_best_carries_its_figures(best):
    names = {"roc.png", "precision_recall.png", "calibration.png", "importance.png"}
    assert artifacts(best.run_id, "figures") == names


def test_the_parent_carries_the_figures_of_the_studies(searched):
    # Of logistic none but the history: it has one parameter.
    lightgbm = {f"{name}_lightgbm.png" for name in ("history", "parallel_coordinate", "importance")}
    assert artifacts(searched.run_id, "figures") == {"history_logistic.png", *lightgbm}


def test_the_parent_carries_params_and_result(searched):
    assert {"params.yaml", "search.json"} <= artifacts(searched.run_id)


def test_scores_are_those_of_the_validation_sessions_alone(best, plays, raw_plays):
    rows = split_sessions(plays, small_params("any").split) == "validation"
    model = mlflow.pyfunc.load_model(best.model_uri)
    answer = model.predict(raw_plays, params={"score_history": True})
    right = (answer["skipped"].to_numpy() == plays[TARGET].to_numpy())[rows]
    assert np.mean(right) == pytest.approx(best.accuracy, abs=1e-3)


@pytest.fixture(scope="module")
def again(make_job, postgres):
    """The result of the same search in another experiment."""
    return search(make_job("again"), postgres)


def test_the_same_seed_gives_the_same_scores(searched, again):
    assert scores(again) == scores(searched)


def test_the_same_seed_gives_the_same_parameters(searched, again):
    assert params_of(again) == params_of(searched)


def test_the_same_seed_gives_the_same_best_family(searched, again):
    assert again.best == searched.best


def test_searching_again_does_no_trial_and_returns_the_same(searched, make_job, postgres):
    before = len(runs("searched"))
    assert search(make_job("searched"), postgres) == searched
    assert len(runs("searched")) == before


def test_other_params_start_new_studies_and_keep_the_old(make_job, postgres):
    few = {"families": {"logistic": 2}}
    first = search(make_job("other", **few), postgres)
    second = search(make_job("other", seed=5, **few), postgres)
    assert second.run_id != first.run_id
    assert search(make_job("other", **few), postgres) == first


def test_workers_share_a_search(make_job, postgres):
    job = make_job("workers", families={"lightgbm": 6}, workers=2)
    check_complete(job, postgres, search(job, postgres))


def test_runs_that_were_deleted_are_made_again(make_job, postgres):
    job = make_job("deleted", families={"logistic": 2})
    first = search(job, postgres)
    MlflowClient().delete_run(first.families["logistic"].run_id)
    second = search(job, postgres)
    assert second.run_id != first.run_id
    assert scores(second) == scores(first)
    check_complete(job, postgres, second, parents=2)


GONE = {
    "a file of a trial": lambda result: f"{result.families['logistic'].run_id}/artifacts/trial",
    "what was found": lambda result: f"{result.run_id}/artifacts/search.json",
    "the models": lambda _: "models",
}


@pytest.mark.parametrize("gone", GONE)
def test_a_search_whose_artifacts_are_gone_is_done_again(make_job, postgres, gone):
    job = make_job(f"gone {gone}", families={"logistic": 2})
    first = search(job, postgres)
    experiment = MlflowClient().get_run(first.run_id).info.experiment_id
    path = Path("mlruns", experiment, GONE[gone](first))
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    second = search(job, postgres)
    assert scores(second) == scores(first)
    assert mlflow.pyfunc.load_model(second.candidate.model_uri).metadata.run_id
    assert search(job, postgres) == second


def fail(*_, **__):
    raise FloatingPointError("no number")


@pytest.fixture(scope="module")
def failing(make_job, postgres):
    """A search whose first LightGBM trial has failed."""
    job = make_job("failing")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FAMILIES["lightgbm"], "fit", fail)
        with pytest.raises(FloatingPointError, match="no number"):
            search(job, postgres)
    return job, {run.info.run_name: run.info.status for run in runs("failing")}


def test_a_trial_that_fails_ends_its_run_and_the_searchs(failing):
    assert failing[1] == {
        "lightgbm-000": "FAILED",
        "search": "KILLED",
        "logistic-000": "FINISHED",
        "logistic-001": "FINISHED",
    }


def test_a_trial_that_failed_is_done_again(failing, searched, postgres):
    result = search(failing[0], postgres)
    check_complete(failing[0], postgres, result)
    assert scores(result) == scores(searched)


@pytest.fixture(scope="module")
def pruned(make_job, postgres):
    """A search of two LightGBM trials: the library's defaults, and one that was pruned."""
    original = FAMILIES["lightgbm"].fit

    def fit(params, data, *, on_round, **others):
        if params["num_leaves"] == 31:
            return original(params, data, on_round=on_round, **others)
        on_round(1.0, 0.7)
        raise optuna.TrialPruned

    job = make_job("pruned", families={"lightgbm": 2})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FAMILIES["lightgbm"], "fit", fit)
        result = search(job, postgres)
    return job, result, {run.info.run_name: run for run in runs("pruned")}


def test_a_search_with_a_pruned_trial_is_complete(pruned, postgres):
    check_complete(pruned[0], postgres, pruned[1])


def test_a_pruned_trial_is_logged_with_its_curve(pruned):
    run = pruned[2]["lightgbm-001"]
    assert (run.data.tags["state"], run.data.metrics["round_log_loss"]) == ("pruned", 0.7)


def test_a_pruned_trial_is_not_chosen(pruned):
    assert pruned[1].families["lightgbm"].run_id == pruned[2]["lightgbm-000"].info.run_id


def test_a_narrowed_range_is_searched(make_job, postgres):
    space = {"lightgbm": {"num_leaves": (3, 5)}}
    search(make_job("narrow", families={"lightgbm": 2}, space=space), postgres)
    leaves = [run.data.params["num_leaves"] for run in trials("narrow")]
    assert len(leaves) == 2
    assert set(leaves) <= {"3", "4", "5"}


def test_refuses_sessions_that_cannot_be_split(make_job, feature_files, postgres, tmp_path):
    features = Parts.read(feature_files[0], made_by="features").whole()
    one = features[features["session_id"] == features["session_id"].iloc[0]]
    write_parts(tmp_path / "one", [one], made_by="features")
    match = r"sessions must have skipped plays and others .* fetch.rows"
    with pytest.raises(SkipcastError, match=match):
        search(replace(make_job("small"), features=tmp_path / "one"), postgres)


def test_a_deleted_experiment_is_told_with_its_remedy(make_job, postgres):
    client = MlflowClient()
    client.delete_experiment(client.create_experiment("gone"))
    with pytest.raises(SkipcastError, match="mlflow experiments restore"):
        search(make_job("gone"), postgres)
