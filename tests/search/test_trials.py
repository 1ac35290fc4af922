import shutil
import signal
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import optuna
import pandas as pd
import pytest
from mlflow import MlflowClient
from searching import (
    RECEIPT,
    TRIALS,
    check_complete,
    make_small_job,
    receipt_of,
    runs,
    small_params,
    start,
    trial_states,
)

from skipcast.artifacts import SearchResult
from skipcast.errors import SkipcastError
from skipcast.evaluation.split import split_sessions
from skipcast.files import write_parquet
from skipcast.models.families import FAMILIES
from skipcast.schema import TARGET
from skipcast.search.mlflow_runs import stage_hashes
from skipcast.search.spec import PACKAGE, Job, make_job
from skipcast.search.trials import _reporter, search


@pytest.fixture(scope="module")
def job(feature_files, tracking):
    """Return a function that makes a job by its name and its changes to the section `search`."""

    def make(name: str, **changes: object) -> Job:
        return make_small_job(name, feature_files, **changes)

    return make


@pytest.fixture(scope="module")
def found(job, postgres):
    return search(job("one"), postgres)


def scores(found: SearchResult) -> dict:
    """Return what a search found without ids, which differ each time."""
    return {family: (best.accuracy, best.log_loss) for family, best in found.families.items()}


def params_of(found: SearchResult) -> dict:
    client = MlflowClient()
    return {
        family: client.get_run(best.run_id).data.params for family, best in found.families.items()
    }


def stems(run_id: str, folder: str) -> set[str]:
    return {Path(file.path).stem for file in MlflowClient().list_artifacts(run_id, folder)}


def test_one_parent_and_a_child_per_trial(found, job, postgres):
    check_complete(job("one"), postgres, found)
    for run in runs("one"):
        assert run.info.status == "FINISHED"
        assert run.data.tags["data.hash"] == "7"
        assert run.data.tags["horizon"] == "started"
        assert "mlflow.source.git.commit" in run.data.tags
        (data,) = run.inputs.dataset_inputs
        assert data.dataset.digest == "7"
    children = [run for run in runs("one") if "mlflow.parentRunId" in run.data.tags]
    assert len(children) == sum(TRIALS.values())
    for run in children:
        expected = {"accuracy", "log_loss", "auc", "train_accuracy", "fit_seconds"}
        assert expected <= set(run.data.metrics)
        assert set(run.data.params) == set(FAMILIES[run.data.tags["family"]].space)
        assert run.data.tags["state"] == "complete"


def test_boosters_have_a_curve_and_end_at_its_lowest_point(found):
    client = MlflowClient()
    best = client.get_run(found.families["lightgbm"].run_id)
    curve = client.get_metric_history(best.info.run_id, "round_log_loss")
    losses = [metric.value for metric in sorted(curve, key=lambda metric: metric.step)]
    assert np.argmin(losses) + 1 == best.data.metrics["rounds"]
    assert min(losses) == pytest.approx(best.data.metrics["log_loss"], abs=1e-5)


def test_the_first_trial_is_the_library_defaults(found):
    first = {run.info.run_name: run.data.params for run in runs("one")}
    for family in TRIALS:
        defaults = FAMILIES[family].defaults({})
        assert first[f"{family}-000"] == {name: str(value) for name, value in defaults.items()}


def test_the_best_carry_model_signature_and_figures_and_the_parent_the_studies(found):
    client = MlflowClient()
    for best in found.families.values():
        model = mlflow.pyfunc.load_model(best.model_uri)
        assert model.metadata.signature is not None
        assert model.metadata.run_id == best.run_id
        assert model.metadata.load_input_example() is not None
        figures = {Path(file.path).stem for file in client.list_artifacts(best.run_id, "figures")}
        assert figures == {"roc", "precision_recall", "calibration", "importance"}
    of_parent = {Path(file.path).stem for file in client.list_artifacts(found.run_id, "figures")}
    assert of_parent == {
        "history_logistic",
        "history_lightgbm",
        "parallel_coordinate_lightgbm",
        "importance_lightgbm",
    }
    assert {"params.yaml", "search.json"} <= {
        file.path for file in client.list_artifacts(found.run_id)
    }


def test_scores_are_those_of_the_validation_sessions_alone(found, plays):
    rows = split_sessions(plays["session_id"], small_params("one").split) == "validation"
    for best in found.families.values():
        answer = mlflow.pyfunc.load_model(best.model_uri).predict(
            plays, params={"score_history": True}
        )
        right = (answer["skipped"].to_numpy() == plays[TARGET].to_numpy())[rows]
        assert np.mean(right) == pytest.approx(best.accuracy, abs=1e-3)


def test_the_same_seed_finds_the_same(found, job, postgres):
    again = search(job("again"), postgres)
    assert scores(again) == scores(found)
    assert params_of(again) == params_of(found)
    assert again.best == found.best


def test_searching_again_finds_all_done(found, job, postgres):
    before = len(runs("one"))
    assert search(job("one"), postgres) == found
    assert len(runs("one")) == before


def test_other_params_start_new_studies_and_keep_the_old(found, job, postgres):
    other = job("one", seed=5)
    assert search(other, postgres).run_id != found.run_id
    parents = [run for run in runs("one") if run.info.run_name == "search"]
    assert len(parents) == 2
    assert search(job("one"), postgres) == found


MOMENTS = [
    ("after search.mlflow_runs.Runs.start", 3),  # the trial does not know its run yet
    ("before search.mlflow_runs.Runs.log", 2),  # after a fit
    ("after search.mlflow_runs.Runs.end", 3),  # the run has ended, the trial has not
    ("after search.studies.Studies.end", 5),  # all trials are done
    ("before search.winners._log_best", 2),  # one model is logged, the other not
    ("after search.winners._study_figures", 1),
]


@pytest.mark.parametrize(("moment", "count"), MOMENTS)
def test_a_search_that_was_killed_goes_on_as_if_it_was_not(found, job, postgres, moment, count):
    killed = job(f"killed{MOMENTS.index((moment, count))}")
    process = start(postgres, killed, moment, count)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL, errors
    resumed = search(killed, postgres)
    check_complete(killed, postgres, resumed)
    assert scores(resumed) == scores(found)
    assert params_of(resumed) == params_of(found)
    for best in resumed.families.values():
        assert mlflow.pyfunc.load_model(best.model_uri).metadata.run_id == best.run_id


def test_another_search_ends_what_a_killed_one_left(job, postgres):
    process = start(postgres, job("left"), "before search.mlflow_runs.Runs.log", 2)
    process.communicate(timeout=120)
    assert "RUNNING" in [run.info.status for run in runs("left")]
    other = job("left", seed=3)
    check_complete(other, postgres, search(other, postgres))


def test_two_processes_share_a_search(found, job, postgres):
    shared = job("shared", families={"logistic": 4, "lightgbm": 8})
    processes = [start(postgres, shared) for _ in range(2)]
    for process in processes:
        _, errors = process.communicate(timeout=180)
        assert process.returncode == 0, errors
    result = search(shared, postgres)
    check_complete(shared, postgres, result)
    workers = {run.data.tags["worker"] for run in runs("shared") if "worker" in run.data.tags}
    assert len(workers) == 2


def test_what_a_killed_process_had_begun_is_done_by_the_other(job, postgres):
    shared = job("bereaved", families={"lightgbm": 6})
    victim = start(postgres, shared, "before search.mlflow_runs.Runs.log", 2)
    other = start(postgres, shared)
    _, errors = other.communicate(timeout=180)
    victim.communicate(timeout=180)
    assert victim.returncode == -signal.SIGKILL
    assert other.returncode == 0, errors
    check_complete(shared, postgres, search(shared, postgres))
    assert "FAIL" in trial_states(postgres, shared)


def test_workers_share_a_search(job, postgres):
    many = job("workers", families={"lightgbm": 6}, workers=2)
    check_complete(many, postgres, search(many, postgres))


def test_workers_do_not_make_another_search(job):
    assert job("a").fingerprint == job("a", workers=2).fingerprint
    assert job("a").fingerprint != job("a", objective="accuracy").fingerprint


def test_other_input_or_code_make_another_search(job, tmp_path, monkeypatch):
    mine = job("a")
    changed = pd.read_parquet(mine.features)
    changed.iloc[0, 3] += 1
    write_parquet(tmp_path / "features.parquet", changed)
    paths = (tmp_path / "features.parquet", mine.tracks)
    assert make_small_job("a", paths).fingerprint != mine.fingerprint
    package = shutil.copytree(PACKAGE, tmp_path / "package")
    monkeypatch.setattr("skipcast.search.spec.PACKAGE", package)
    assert job("a").fingerprint == mine.fingerprint
    (package / "models/boosting.py").write_text("PATIENCE = 10")
    assert job("a").fingerprint != mine.fingerprint


def test_runs_that_were_deleted_are_made_again(job, postgres):
    mine = job("deleted", families={"logistic": 2})
    first = search(mine, postgres)
    MlflowClient().delete_run(first.families["logistic"].run_id)
    second = search(mine, postgres)
    assert second.run_id != first.run_id
    assert scores(second) == scores(first)
    check_complete(mine, postgres, second, parents=2)


def test_a_trial_that_fails_ends_its_runs_and_is_done_again(found, job, postgres, monkeypatch):
    def fail(*_):
        raise FloatingPointError("no number")

    mine = job("failing")
    with monkeypatch.context() as patch:
        patch.setitem(FAMILIES, "lightgbm", replace(FAMILIES["lightgbm"], fit=fail))
        with pytest.raises(FloatingPointError, match="no number"):
            search(mine, postgres)
    states = {run.info.run_name: run.info.status for run in runs("failing")}
    assert states.pop("lightgbm-000") == "FAILED"
    assert states.pop("search") == "KILLED"
    assert set(states.values()) == {"FINISHED"}
    resumed = search(mine, postgres)
    check_complete(mine, postgres, resumed)
    assert scores(resumed) == scores(found)


@pytest.mark.parametrize("objective", ["accuracy", "log_loss"])
def test_a_trial_far_behind_the_others_is_pruned(objective):
    direction = "maximize" if objective == "accuracy" else "minimize"
    study = optuna.create_study(
        direction=direction, pruner=optuna.pruners.MedianPruner(n_startup_trials=3)
    )
    for level in (0.50, 0.51, 0.52):
        trial = study.ask()
        report = _reporter(trial, [], objective)
        for learned in (0.4, 1.2, 2.4):
            report(learned, level)
        study.tell(trial, 0.5)
    losses = []
    report = _reporter(study.ask(), losses, objective)
    report(0.9, 0.6)  # too little was learned to be compared
    with pytest.raises(optuna.TrialPruned):
        report(1.1, 0.6)
    assert losses == [0.6, 0.6]
    good = _reporter(study.ask(), [], objective)
    good(1.1, 0.49)


def test_a_pruned_trial_is_told_and_not_chosen(job, postgres, monkeypatch):
    def fit(params, data, seed, threads, on_round):
        if params["num_leaves"] != 31:
            on_round(1.0, 0.7)
            raise optuna.TrialPruned
        return FAMILIES["lightgbm"].fit(params, data, seed, threads, on_round)

    monkeypatch.setitem(FAMILIES, "lightgbm", replace(FAMILIES["lightgbm"], fit=_first_only(fit)))
    mine = job("pruned", families={"lightgbm": 2})
    found = search(mine, postgres)
    check_complete(mine, postgres, found)
    by_name = {run.info.run_name: run for run in runs("pruned")}
    assert by_name["lightgbm-001"].data.tags["state"] == "pruned"
    assert by_name["lightgbm-001"].data.metrics["round_log_loss"] == 0.7
    assert found.families["lightgbm"].run_id == by_name["lightgbm-000"].info.run_id


def _first_only(fit):
    original = FAMILIES["lightgbm"].fit

    def chosen(params, *rest):
        return original(params, *rest) if params["num_leaves"] == 31 else fit(params, *rest)

    return chosen


def test_a_narrowed_range_is_searched(job, postgres):
    mine = job("narrow", families={"lightgbm": 2}, space={"lightgbm": {"num_leaves": (3, 5)}})
    search(mine, postgres)
    leaves = [run.data.params["num_leaves"] for run in runs("narrow") if run.data.params]
    assert len(leaves) == 2
    assert set(leaves) <= {"3", "4", "5"}


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"hash": "0"}, "must be of the hash 0"),
        ({"tables": {}}, "must be of the tables"),
        ({"horizon": "queued"}, "must be of the horizon queued"),
    ],
)
def test_features_that_are_not_those_of_their_receipt(feature_files, change, match):
    params = small_params("receipt")
    receipt = receipt_of(params, feature_files[0]).model_copy(update=change)
    with pytest.raises(SkipcastError, match=match + r"[\s\S]*dvc repro --force features"):
        make_job(params, *feature_files, receipt=RECEIPT, features_receipt=receipt)


def test_refuses_sessions_that_cannot_be_split(job, feature_files, postgres, tmp_path):
    features = pd.read_parquet(feature_files[0])
    one = features[features["session_id"] == features["session_id"].iloc[0]]
    write_parquet(tmp_path / "one.parquet", one)
    with pytest.raises(
        SkipcastError, match=r"sessions must have skipped plays and others .* fetch.rows"
    ):
        search(replace(job("small"), features=tmp_path / "one.parquet"), postgres)


def test_a_deleted_experiment_is_told_with_its_remedy(job, postgres):
    client = MlflowClient()
    client.delete_experiment(client.create_experiment("gone"))
    with pytest.raises(SkipcastError, match="mlflow experiments restore"):
        search(job("gone"), postgres)


def test_stage_hashes_are_those_of_the_lock_file(tmp_path):
    lock = tmp_path / "dvc.lock"
    assert stage_hashes(lock) == {}
    lock.write_text("stages: {load: {cmd: x, outs: [{path: a.json, md5: '12'}]}}")
    assert stage_hashes(lock) == {"dvc.load": "a.json:12"}
