"""The best of a search on a sample, fitted again on all plays of many parts."""

import shutil
import time
from collections import Counter
from pathlib import Path

import mlflow
import numpy as np
import pytest
from harness.searches import (
    KILLED,
    TRIALS,
    check_exit,
    make_small_job,
    moment,
    runs,
    scores,
    start,
)
from mlflow import MlflowClient

import skipcast
from skipcast.cli.refit import place_of
from skipcast.errors import SkipcastError
from skipcast.evaluation.metrics import evaluate
from skipcast.models.families import FAMILIES
from skipcast.params import Cluster
from skipcast.parts import Parts, cut, write_parts
from skipcast.schema import TARGET
from skipcast.search import refit as stage
from skipcast.search import winners
from skipcast.search.mlflow_runs import Runs
from skipcast.search.plays import read_sample
from skipcast.search.refit import refit
from skipcast.search.trials import search
from skipcast.split import split_sessions

PLAYS = 2500  # of 4,000 that train or validate
ALL = 10**9


@pytest.fixture(scope="module")
def files(feature_files, tmp_path_factory):
    """The features in ten parts."""
    table = Parts.read(feature_files[0], made_by="features").whole()
    folder = tmp_path_factory.mktemp("parts") / "features"
    write_parts(folder, cut(table, rows=500), made_by="features")
    return (folder, *feature_files[1:])


@pytest.fixture(scope="module")
def job(files, tracking):
    assert tracking
    return make_small_job("refit", files, plays=PLAYS)


@pytest.fixture(scope="module")
def found(job, postgres):
    """What a search on a sample has found."""
    return search(job, postgres)


@pytest.fixture(scope="module")
def parent(found):
    """The run of the search as it was before the refit."""
    return MlflowClient().get_run(found.run_id)


@pytest.fixture(scope="module")
def refitted(job, found, parent, postgres):
    assert parent
    return refit(job, postgres, found)


@pytest.fixture(params=TRIALS)
def family(request):
    return request.param


@pytest.fixture
def run(refitted, family):
    return MlflowClient().get_run(refitted.families[family].run_id)


@pytest.fixture
def trial(found, family):
    """The best trial of the family."""
    return MlflowClient().get_run(found.families[family].run_id)


def refits(experiment):
    """Return how many refits there are, by name and state."""
    logged = [run for run in runs(experiment) if "refit" in run.data.tags]
    return Counter((run.info.run_name, run.info.status) for run in logged)


def done(*families):
    return Counter((f"refit {family}", "FINISHED") for family in families)


def test_a_refit_is_a_run_of_its_own_beside_the_trials(run, family, found):
    tags = run.data.tags
    assert (run.info.run_name, run.info.status) == (f"refit {family}", "FINISHED")
    assert (tags["mlflow.parentRunId"], tags["family"]) == (found.run_id, family)
    assert (tags["state"], tags["mlflow.source.name"]) == ("complete", "skipcast refit")


def test_a_refit_carries_what_its_trial_carries(run, trial):
    own = {"mlflow.source.name", "mlflow.note.content", "refit"}
    assert set(run.data.tags) - own == set(trial.data.tags) - own
    assert run.data.tags["search"] == trial.data.tags["search"]
    assert run.data.tags["trial"] == trial.data.tags["trial"]
    assert set(run.data.metrics) == set(trial.data.metrics)
    assert len(run.inputs.dataset_inputs) == 2


def test_a_refit_has_the_parameters_of_the_best_trial(run, trial):
    assert run.data.params == trial.data.params


def test_a_refit_says_what_it_is(run, trial, raw_plays, job):
    count = int((split_sessions(raw_plays, job.params.split) == "train").sum())
    note = run.data.tags["mlflow.note.content"]
    assert f"parameters of {trial.info.run_name}, the best trial" in note
    assert f"fitted on all {count:,} plays that train" in note


def test_a_refit_is_the_fit_of_all_plays(run, family, trial, job):
    whole, methods = read_sample(job, ALL), FAMILIES[family]
    space = methods.space
    params = {name: type(space[name].default)(trial.data.params[name]) for name in space}
    data = methods.prepare(train=whole.train, validation=whole.validation)
    losses = []
    model = methods.fit(
        params, data, seed=0, threads=1, on_round=lambda _, loss: losses.append(loss)
    )
    expected = evaluate(
        whole.validation.skipped, methods.predict_parts(model, whole.validation)
    ) | ({"rounds": int(np.argmin(losses)) + 1} if losses else {})
    found = {name: run.data.metrics[name] for name in expected}
    assert found == pytest.approx(expected, abs=1e-5)


def test_a_refit_is_not_its_trial(run, trial):
    assert run.data.metrics["train_accuracy"] != trial.data.metrics["train_accuracy"]


def test_the_result_has_the_scores_of_the_runs(refitted, family, run):
    best = refitted.families[family]
    assert (best.accuracy, best.log_loss) == (
        run.data.metrics["accuracy"],
        run.data.metrics["log_loss"],
    )


def test_scores_are_those_of_all_validation_sessions(refitted, family, plays, raw_plays, job):
    rows = split_sessions(plays, job.params.split) == "validation"
    model = mlflow.pyfunc.load_model(refitted.families[family].model_uri)
    answer = model.predict(raw_plays, params={"score_history": True})
    right = (answer["skipped"].to_numpy() == plays[TARGET].to_numpy())[rows]
    assert np.mean(right) == pytest.approx(refitted.families[family].accuracy, abs=1e-3)


def test_a_refit_carries_model_and_figures(refitted, family, run):
    model = mlflow.pyfunc.load_model(refitted.families[family].model_uri)
    assert model.metadata.run_id == run.info.run_id
    figures = MlflowClient().list_artifacts(run.info.run_id, "figures")
    assert len(figures) == 4


def test_the_best_of_the_refits_is_chosen_by_the_rule_of_the_search(refitted):
    """Here no tie decides: the most accurate has the lowest log loss, too."""
    families = refitted.families
    assert refitted.best == min(families, key=lambda family: families[family].log_loss)
    assert refitted.best == max(families, key=lambda family: families[family].accuracy)


def test_the_run_of_the_search_stays_as_it_was(refitted, parent):
    assert refitted.run_id == parent.info.run_id
    now = MlflowClient().get_run(parent.info.run_id)
    assert now.data.to_dictionary() == parent.data.to_dictionary()
    assert (now.info.status, now.info.end_time) == ("FINISHED", parent.info.end_time)


def test_refitting_again_fits_nothing_and_returns_the_same(
    job, found, refitted, postgres, monkeypatch
):
    before = len(runs("refit"))
    monkeypatch.setattr(stage, "fit", None)
    assert refit(job, postgres, found) == refitted
    assert len(runs("refit")) == before


def test_searching_again_after_a_refit_finds_the_same(job, found, refitted, postgres):
    before = len(runs("refit"))
    assert refitted
    assert search(job, postgres) == found
    assert len(runs("refit")) == before


@pytest.fixture(scope="module")
def again(files, postgres):
    """A second search, which finds the same, and its job."""
    job = make_small_job("refit again", files, plays=PLAYS)
    return job, search(job, postgres)


@pytest.fixture
def fresh(again):
    """The second search without any refit."""
    for run in runs("refit again"):
        if "refit" in run.data.tags:
            MlflowClient().delete_run(run.info.run_id)
    return again


MOMENTS = {
    "nothing of it is logged": (
        moment("before", Runs, "log", 1),
        {("refit logistic", "KILLED"): 1},
    ),
    "it is complete but for its model": (moment("before", winners, "log_model", 1), {}),
    "one model is logged, the other not": (moment("before", winners, "log_model", 2), {}),
}


@pytest.mark.parametrize("when", MOMENTS)
def test_a_refit_that_was_killed_is_completed(fresh, refitted, postgres, when):
    killed_at, left = MOMENTS[when]
    job, found = fresh
    check_exit(start(postgres, job, killed_at, found), KILLED)
    assert "RUNNING" in {run.info.status for run in runs("refit again")}
    assert scores(refit(job, postgres, found)) == scores(refitted)
    assert refits("refit again") == done(*TRIALS) + Counter(left)


def test_a_search_leaves_a_refit_alone_that_another_process_makes(fresh, postgres, monkeypatch):
    job, found = fresh
    states = set()
    original = stage.fit

    def fit(*args):
        search(job, postgres)
        states.update(refits("refit again"))
        return original(*args)

    with monkeypatch.context() as patch:
        patch.setattr(stage, "fit", fit)
        refit(job, postgres, found)
    assert ("refit logistic", "RUNNING") in states
    assert not [status for _, status in states if status in ("FAILED", "KILLED")]


def test_a_search_ends_a_refit_that_a_dead_process_has_left(fresh, postgres):
    job, found = fresh
    check_exit(start(postgres, job, moment("before", Runs, "log", 1), found), KILLED)
    search(job, postgres)
    assert refits("refit again") == {("refit logistic", "KILLED"): 1}


def test_of_two_refits_the_second_waits_and_fits_nothing(fresh, postgres, refitted):
    job, found = fresh
    with start(postgres, job, None, found) as other:
        while not refits("refit again"):
            assert other.poll() is None
            time.sleep(0.05)
        assert scores(refit(job, postgres, found)) == scores(refitted)
        check_exit(other)
    assert refits("refit again") == done(*TRIALS)


def test_workers_of_a_cluster_fit_runs_of_their_own(job, found, refitted, postgres, monkeypatch):
    # Models that tests have loaded are on the path with the package that they carry.
    monkeypatch.syspath_prepend(Path(skipcast.__file__).parents[1])
    with place_of(Cluster(scheduler="local", workers=2)) as place:
        shared = refit(job, postgres, found, place=place)
    assert shared.families.keys() == refitted.families.keys()
    for family, best in shared.families.items():
        alone = refitted.families[family]
        assert best.run_id != alone.run_id
        near = 1e-9 if family == "logistic" else 0.05
        assert best.log_loss == pytest.approx(alone.log_loss, abs=near)
        assert mlflow.pyfunc.load_model(best.model_uri)


GONE = {
    "its own files": ("{run}/artifacts/trial", {"lightgbm": 2, "logistic": 1}),
    "its model": ("models", {"lightgbm": 1, "logistic": 1}),
}


@pytest.mark.parametrize("gone", GONE)
def test_a_refit_whose_artifacts_are_gone_is_made_again(fresh, postgres, gone):
    path, fits = GONE[gone]
    job, found = fresh
    first = refit(job, postgres, found)
    run = MlflowClient().get_run(first.families["lightgbm"].run_id)
    shutil.rmtree(Path("mlruns", run.info.experiment_id, path.format(run=run.info.run_id)))
    second = refit(job, postgres, found)
    assert scores(second) == scores(first)
    for best in second.families.values():
        assert mlflow.pyfunc.load_model(best.model_uri).metadata.run_id == best.run_id
    names = [name.removeprefix("refit ") for name, _ in refits("refit again").elements()]
    assert Counter(names) == fits
    assert refit(job, postgres, found) == second


def test_a_refit_that_fails_ends_its_run_and_is_made_again(fresh, postgres, monkeypatch):
    job, found = fresh
    original = stage.fit

    def fail(refits, family, params):
        if family == "lightgbm":
            raise FloatingPointError("no number")
        return original(refits, family, params)

    with monkeypatch.context() as patch:
        patch.setattr(stage, "fit", fail)
        with pytest.raises(FloatingPointError, match="no number"):
            refit(job, postgres, found)
    failed = Counter([("refit lightgbm", "FAILED")])
    assert refits("refit again") == done("logistic") + failed
    refit(job, postgres, found)
    assert refits("refit again") == done(*TRIALS) + failed


def test_the_search_of_another_sample_is_refused(files, found, postgres):
    other = make_small_job("refit", files, plays=PLAYS - 1)
    match = r"search\.json must be of the search .* another one\. `dvc repro --force search`"
    with pytest.raises(SkipcastError, match=match):
        refit(other, postgres, found)


def test_a_search_that_is_not_in_the_store_is_told(job, found, postgres):
    gone = found.model_copy(update={"run_id": "0" * 32})
    match = r"run 0{32} of data/search\.json must be in .* `dvc repro --force --downstream search`"
    with pytest.raises(SkipcastError, match=match):
        refit(job, postgres, gone)


def test_a_trial_that_is_not_in_the_store_is_told(fresh, postgres):
    job, found = fresh
    trial = found.families["lightgbm"].run_id
    MlflowClient().delete_run(trial)
    with pytest.raises(SkipcastError, match=rf"run {trial} of data/search\.json must be in"):
        refit(job, postgres, found)
    MlflowClient().restore_run(trial)
    assert set(refit(job, postgres, found).families) == set(TRIALS)


def test_where_models_are_ranked_by_maa_refits_are_too(files, postgres):
    job = make_small_job("refit maa", files, plays=PLAYS, rank_by="maa", families={"logistic": 1})
    found = search(job, postgres)
    result = refit(job, postgres, found)
    assert result.ranked_by == "maa"
    assert result.candidate.maa not in (None, found.candidate.maa)


def test_a_part_that_is_damaged_is_named(job, found, files, postgres, tmp_path):
    folder = shutil.copytree(files[0], tmp_path / "features")
    path = folder / "part-00007.parquet"
    path.write_bytes(path.read_bytes()[::-1])
    broken = make_small_job("refit", (folder, *files[1:]), plays=PLAYS)
    with pytest.raises(SkipcastError, match=r"part-00007.*`dvc repro --force features`"):
        refit(broken, postgres, found)
