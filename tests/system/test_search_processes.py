"""Processes that share a search, and that are killed in the middle of one."""

import multiprocessing
from threading import Thread
from typing import NamedTuple

import mlflow
import pytest
from harness.searches import (
    KILLED,
    check_complete,
    check_exit,
    moment,
    params_of,
    runs,
    scores,
    start,
    trial_states,
    trials,
)
from harness.waiting import wait_until

from skipcast.artifacts import SearchResult
from skipcast.files import PACKAGE
from skipcast.search import trials as trials_module
from skipcast.search import winners
from skipcast.search.mlflow_runs import Runs
from skipcast.search.spec import Job
from skipcast.search.trials import search

AFTER_A_FIT = moment("before", Runs, "log", 2)
MOMENTS = {
    "a trial does not know its run yet": moment("after", Runs, "start", 3),
    "after a fit": AFTER_A_FIT,
    "a run is marked, its trial has not ended": moment("after", Runs, "mark", 3),
    "a trial has ended, its run has not": moment("before", Runs, "terminate", 3),
    "all trials are done": moment("before", winners, "log_model", 1),
    "one model is logged, the other not": moment("before", winners, "log_model", 2),
    "all is logged, the search has not ended": moment("before", Runs, "end", 1),
}


class Resumed(NamedTuple):
    """A search that was killed, and its result when another process went on with it."""

    job: Job
    result: SearchResult


@pytest.fixture(scope="module", params=MOMENTS)
def resumed(request, make_job, postgres):
    job = make_job(f"killed when {request.param}")
    check_exit(start(postgres, job, MOMENTS[request.param]), KILLED)
    return Resumed(job, search(job, postgres))


def test_a_search_that_was_killed_is_completed(resumed, postgres):
    check_complete(resumed.job, postgres, resumed.result)


def test_a_search_that_was_killed_finds_the_same(resumed, searched):
    assert scores(resumed.result) == scores(searched)
    assert params_of(resumed.result) == params_of(searched)


def test_a_search_that_was_killed_logs_models_that_can_be_loaded(resumed):
    for best in resumed.result.families.values():
        assert mlflow.pyfunc.load_model(best.model_uri).metadata.run_id == best.run_id


def test_another_search_ends_what_a_killed_one_left(make_job, postgres):
    few = {"families": {"lightgbm": 2}}
    check_exit(start(postgres, make_job("left", **few), AFTER_A_FIT), KILLED)
    assert "RUNNING" in [run.info.status for run in runs("left")]
    other = make_job("left", seed=3, **few)
    check_complete(other, postgres, search(other, postgres))


def test_two_processes_share_a_search(make_job, postgres):
    job = make_job("shared", families={"logistic": 4, "lightgbm": 8})
    for process in [start(postgres, job) for _ in range(2)]:
        check_exit(process)
    check_complete(job, postgres, search(job, postgres))
    assert len({run.data.tags["worker"] for run in trials("shared")}) == 2


def kill_a_child():
    wait_until(multiprocessing.active_children)
    multiprocessing.active_children()[0].kill()


def test_a_worker_that_was_killed_is_called_killed(make_job, postgres, caplog):
    job = make_job("worker killed", families={"lightgbm": 2}, workers=2)
    Thread(target=kill_a_child).start()
    check_complete(job, postgres, search(job, postgres))
    assert (
        "The others did the trials of a process that was killed by SIGKILL: most often, memory ran "
        "out. If it happens again, lower search.workers or search.plays."
    ) in caplog.text


def test_a_worker_that_cannot_work_says_so_in_one_line(make_job, postgres, capfd, monkeypatch):
    # A model that was loaded here has put its own package, which is smaller, before this one.
    monkeypatch.syspath_prepend(PACKAGE.parent)
    job = make_job("worker fails", families={"logistic": 2}, workers=2)
    context = multiprocessing.get_context("spawn")
    worker = context.Process(target=trials_module.assist, args=(job, "postgresql://127.0.0.1:1/"))
    worker.start()
    worker.join()
    assert worker.exitcode == 1
    printed = capfd.readouterr().err
    assert "Error: DATABASE_URL must name a server that answers" in printed
    assert "Traceback" not in printed


def has_trials(experiment):
    return bool(mlflow.get_experiment_by_name(experiment) and trials(experiment))


def test_what_a_killed_process_had_begun_is_done_by_the_other(make_job, postgres):
    job = make_job("bereaved", families={"lightgbm": 6})
    victim = start(postgres, job, moment("before", Runs, "log", 1))
    wait_until(lambda: victim.poll() is not None or has_trials("bereaved"))
    other = start(postgres, job)
    check_exit(victim, KILLED)
    check_exit(other)
    check_complete(job, postgres, search(job, postgres))
    assert "FAIL" in trial_states(postgres, job)
