"""The stage `refit`: fits the best trial of each family on all plays, where trials had a sample.

A refit is a run of MLflow beside the trials. It is safe to kill and to repeat: one that is done is
found again by its tag, one that a process has left half-done is failed, and made again.
"""

import os
import platform
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from skipcast.artifacts import SEARCH as RESULT
from skipcast.artifacts import BestOfFamily, Refit, SearchResult
from skipcast.database.locks import Locks
from skipcast.errors import SkipcastError, hide_credentials
from skipcast.evaluation.ranking import Scored
from skipcast.files import hash_json
from skipcast.mlflow_store.client import open_client, store_errors
from skipcast.mlflow_store.place import MAKE_AGAIN, VARIABLE
from skipcast.mlflow_store.screen import NOTE
from skipcast.models.families import FAMILIES, Family
from skipcast.models.family import OnRound, Params
from skipcast.processes import cpu_count
from skipcast.search.claims import CLAIMS
from skipcast.search.fits import Fitted, log_fitted
from skipcast.search.mlflow_runs import PARENT, SEARCH, STATE, Runs
from skipcast.search.plays import Plays, read_all, read_sample
from skipcast.search.servers import opened
from skipcast.search.spec import Job
from skipcast.search.winners import best_family, log_best, scored

REFIT = "refit"  # the tag of its runs: a fingerprint of all that decides what they find
DESCRIBED = 100_000  # plays that a model is described by, as the usual subset has
Watch = Callable[[Family], AbstractContextManager[object]]


@dataclass(frozen=True)
class Place:
    """Where models are fitted."""

    workers: int  # that share the plays of a model
    fit: Callable[[Family, Params, Plays, OnRound, int], Any]  # the last is the seed


def _fit_here(family: Family, params: Params, plays: Plays, on_round: OnRound, seed: int) -> Any:
    prepared = FAMILIES[family].prepare(train=plays.train, validation=plays.validation)
    return FAMILIES[family].fit(params, prepared, seed=seed, threads=cpu_count(), on_round=on_round)


HERE = Place(1, _fit_here)


def check_search(job: Job, result: SearchResult) -> Run:
    """Return the run of a search that was of this job.

    Raises:
        SkipcastError: the run is not in this store, or was of other features, params or code.
    """
    with store_errors("tell about the search"):
        run = _run_of_search(open_client(), result.run_id)
    if run.data.tags.get("fingerprint") != job.fingerprint:
        raise SkipcastError(
            f"{RESULT} must be of the search that the present features, params and code ask for "
            "but is of another one. `dvc repro --force search` makes it again; where values are "
            "given by --set, `skipcast run search refit` with the same values does."
        )
    return run


def _run_of_search(client: MlflowClient, run_id: str) -> Run:
    """Return a run that the result of a search names.

    Raises:
        SkipcastError: it is not in this store, or was deleted.
    """
    try:
        run = client.get_run(run_id)
        if run.info.lifecycle_stage == "active":
            return run
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
    raise SkipcastError(
        f"The run {run_id} of {RESULT} must be in the MLflow store "
        f"{hide_credentials(mlflow.get_tracking_uri())} but is not there. Correct {VARIABLE} if it "
        f"is in another store, or make it again: {MAKE_AGAIN}."
    )


@dataclass(frozen=True)
class _Refits:
    """What the refits of a search share."""

    job: Job
    search: Run
    runs: Runs
    locks: Locks
    plays: Plays  # all
    sample: Plays
    place: Place


def refit(
    job: Job,
    url: str,
    result: SearchResult,
    watch: Watch = lambda _: nullcontext(),
    *,
    place: Place = HERE,
) -> Refit:
    """Fit the best trial of each family again, on all plays; log them to MLflow.

    Args:
        job: what was searched, on what.
        url: of the database.
        result: what the search has found.
        watch: gets a family; entered while it is fitted.
        place: where it is fitted.

    Raises:
        SkipcastError: the search is gone, or was another one; all that train or validate were
            skipped or none; or a part of the features, the database, the tracking server or the
            disk fail. What is finished is kept.
    """
    search = check_search(job, result)
    with (
        opened(job, url, "refit") as (runs, locks),
        locks.exclusive(f"skipcast refit {result.run_id}"),
    ):
        _end_dead(runs, result.run_id)
        plays, sample = read_all(job), read_sample(job, DESCRIBED)
        refits = _Refits(job, search, runs, locks, plays, sample, place)
        models: dict[Family, Scored] = {}
        bests: dict[Family, BestOfFamily] = {}
        for family, best in result.families.items():
            with watch(family):
                models[family] = _refit(refits, family, best.run_id)
                bests[family] = log_best(runs, family, models[family], job, plays, sample=sample)
        seed = job.params.search.seed
        return Refit(
            run_id=result.run_id,
            families=bests,
            best=best_family(models, plays, seed=seed),
            ranked_by=result.ranked_by,
        )


def _end_dead(runs: Runs, parent: str) -> None:
    """End the refits that a process has left: whoever comes here is the only one at work."""
    for run in runs.find(f"attributes.status = 'RUNNING' and tags.`{PARENT}` = '{parent}'"):
        if REFIT in run.data.tags:
            runs.end_left(run)


def _refit(refits: _Refits, family: Family, trial_id: str) -> Scored:
    """Fit a trial again, unless that is done; return the scores of the model."""
    runs = refits.runs
    trial = _run_of_search(runs.client, trial_id)
    params = _params(family, trial.data.params)
    key = _fingerprint(refits, family, params)
    run_id = _found(runs, refits.search.info.run_id, key)
    if run_id is None:
        run_id = _start(refits, family, trial, key)
        try:
            log_fitted(runs, run_id, family, fit(refits, family, params), refits.plays)
            runs.end(run_id, "complete")
        except BaseException:
            with suppress(Exception):  # the servers may be what failed
                runs.end(run_id, "failed", "FAILED")
            raise
        refits.locks.release(run_id)
    scores = runs.client.get_run(run_id).data.metrics
    return scored(run_id, scores, refits.plays, refits.job.params.rank_by)


def _params(family: Family, logged: Mapping[str, str]) -> Params:
    """Return the parameters that a trial has logged as texts."""
    space = FAMILIES[family].space
    return {name: type(space[name].default)(logged[name]) for name in space}


def _fingerprint(refits: _Refits, family: Family, params: Params) -> str:
    workers = refits.place.workers
    about = [refits.job.fingerprint, family, params, *([workers] if workers > 1 else [])]
    return hash_json(about)


def _found(runs: Runs, parent: str, key: str) -> str | None:
    """Return the run of a refit that is done and whose files are there."""
    done = runs.find(
        f"tags.{REFIT} = '{key}' and tags.`{PARENT}` = '{parent}' and tags.{STATE} = 'complete'"
    )
    ids = (str(run.info.run_id) for run in done)
    return next((run_id for run_id in ids if runs.is_whole(run_id)), None)


def _start(refits: _Refits, family: Family, trial: Run, key: str) -> str:
    """Start a run, and let nobody take it for dead."""
    tags = {
        PARENT: refits.search.info.run_id,
        SEARCH: refits.search.data.tags[SEARCH],
        REFIT: key,
        "family": family,
        "trial": trial.data.tags["trial"],
        "worker": f"{platform.node()} {os.getpid()}",
        STATE: "running",
        NOTE: f"The parameters of {trial.info.run_name}, the best trial of its family, fitted on "
        f"all {len(refits.plays.train.skipped):,} plays that train. Trials had a sample of them. "
        "Promotion judges this model.",
    }
    with refits.locks.exclusive(CLAIMS):
        run_id = refits.runs.start(f"refit {family}", tags)
        refits.locks.hold(run_id)
    return run_id


def fit(refits: _Refits, family: Family, params: Params) -> Fitted:
    """Fit a model as its trial did, but on all plays; no other family's data are in memory."""
    losses: list[float] = []
    started = time.perf_counter()
    model = refits.place.fit(
        family,
        params,
        refits.plays,
        lambda _, loss: losses.append(loss),
        refits.job.params.search.seed,
    )
    return Fitted(params, model, time.perf_counter() - started, losses)
