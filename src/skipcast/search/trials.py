"""The search: every process does trials; the first to see all done chooses and logs the best.

Processes share the studies (`studies.py`) and the runs (`mlflow_runs.py`) and nothing else, whether
they are those of `search.workers`, `skipcast search` on a second machine, or one after a kill.
"""

import logging
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import Trial, TrialState

from skipcast.artifacts import SearchResult
from skipcast.database.server import open_in_schema
from skipcast.errors import SkipcastError
from skipcast.models.families import FAMILIES, Family
from skipcast.models.family import OnRound
from skipcast.processes import cpu_count, killed
from skipcast.search.claims import Claim, Claims, join
from skipcast.search.fits import Fitted, log_fitted
from skipcast.search.mlflow_runs import Runs
from skipcast.search.plays import Plays, read_sample
from skipcast.search.servers import opened
from skipcast.search.spec import Job
from skipcast.search.studies import Progress, Studies, directions, open_storage
from skipcast.search.winners import SCORES, finish
from skipcast.workers import end_with_parent, own_code_first

Watch = Callable[[Callable[[], Mapping[Family, Progress]]], AbstractContextManager[object]]
TABLES = "skipcast optuna tables"  # the lock under which they are made

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Joined:
    """A search that this process takes part in."""

    studies: Studies
    runs: Runs
    claims: Claims


def search(job: Job, url: str, watch: Watch = lambda _: nullcontext()) -> SearchResult:
    """Run a study per family; log every trial, and the best model of each family, to MLflow.

    Args:
        job: what to search, on what.
        url: of the database that holds the studies.
        watch: gets a function that returns how far the search is; entered while it runs.

    Returns:
        The best of each family on the validation sessions, and the best family.

    Raises:
        SkipcastError: a part has no session, or database or tracking server fail; what is
            finished is kept.
    """
    plays = read_sample(job, job.params.search.plays)
    with _joined(job, url) as joined:
        with watch(joined.studies.progress), _workers(job, url):
            _work(joined, job, plays)
        with joined.claims.finishing():
            return finish(joined.studies, joined.runs, joined.claims.parent, job, plays)


def assist(job: Job, url: str) -> None:
    """Take part in a search that another process of this machine leads, and end with it."""
    end_with_parent()
    try:
        plays = read_sample(job, job.params.search.plays)
        with _joined(job, url) as joined:
            _work(joined, job, plays)
    except SkipcastError as error:
        sys.exit(f"Error: {error}")


@contextmanager
def _workers(job: Job, url: str) -> Iterator[None]:
    """Have `search.workers` processes in all; should one fail, the others do its trials."""
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=assist, args=(job, url), daemon=True)
        for _ in range(job.params.search.workers - 1)
    ]
    with own_code_first():
        for process in processes:
            process.start()
    try:
        yield
        for process in processes:
            process.join()
            if reason := killed(process.exitcode or 0):
                _logger.warning(
                    "The others did the trials of a process that %s. If it happens again, lower "
                    "search.workers or search.plays.",
                    reason,
                )
    finally:
        for process in processes:
            process.kill()


@contextmanager
def _joined(job: Job, url: str) -> Iterator[_Joined]:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    schema = f"{job.params.load.schema_}_optuna"
    with opened(job, url, "search") as (runs, locks):
        with locks.exclusive(TABLES):
            storage = open_storage(partial(open_in_schema, url, schema), schema)
        studies = Studies(storage, job.fingerprint, job.params.search)
        with join(studies, locks, runs) as claims:
            yield _Joined(studies, runs, claims)


def _work(joined: _Joined, job: Job, plays: Plays) -> None:
    """Do trials until there is none left, here or with anybody else."""
    for wait in (False, True):
        for family in job.params.search.families:
            _work_on(joined, family, job, plays, wait=wait)


def _work_on(joined: _Joined, family: Family, job: Job, plays: Plays, *, wait: bool) -> None:
    """Do trials of a family; what they share is in memory no longer than that."""
    prepared = None
    for claim in joined.claims.each(family, wait=wait):
        try:
            if prepared is None:
                prepared = FAMILIES[family].prepare(train=plays.train, validation=plays.validation)
            _run(joined, claim, prepared, plays, job)
        except UpdateFinishedTrialError:  # our locks were lost, and another does it
            joined.claims.end(claim, TrialState.FAIL)
        except BaseException:
            with suppress(Exception):  # the servers may be what failed
                joined.claims.end(claim, TrialState.FAIL)
            raise


def _run(joined: _Joined, claim: Claim, prepared: Any, plays: Plays, job: Job) -> None:
    """Fit, score and log a trial."""
    params, family = job.params.search, FAMILIES[claim.family]
    losses: list[float] = []
    report = reporter(claim.trial, losses, params.objective)
    threads = max(1, cpu_count() // params.workers)  # of the cores that are allowed
    started = time.perf_counter()
    try:
        model = family.fit(
            claim.params, prepared, seed=params.seed, threads=threads, on_round=report
        )
    except optuna.TrialPruned:
        model = None
    seconds = time.perf_counter() - started
    if model is None:
        joined.runs.log(claim.run_id, {"fit_seconds": seconds}, losses, claim.params)
        joined.claims.end(claim, TrialState.PRUNED)
        return
    fitted = Fitted(claim.params, model, seconds, losses)
    scores = log_fitted(joined.runs, claim.run_id, claim.family, fitted, plays)
    for score in SCORES:
        claim.trial.set_user_attr(score, scores[score])
    joined.claims.end(claim, TrialState.COMPLETE, scores[params.objective])


def reporter(trial: Trial, losses: list[float], objective: str) -> OnRound:
    """Return what tells a trial its losses and ends it when it is not among the better half.

    Trials are compared where they have learned as much, rounds times learning rate: at equal rounds
    a slow learner, often the better one in the end, would look worst.
    """
    _, sign = directions(objective)
    reported = 0

    def report(learned: float, loss: float) -> None:
        nonlocal reported
        losses.append(loss)
        if int(learned) > reported:
            reported = int(learned)
            trial.report(sign * loss, reported)
            if trial.should_prune():
                raise optuna.TrialPruned

    return report
