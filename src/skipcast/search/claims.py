"""Who works on which trial: claims by processes and machines, safe to kill at any moment.

A process holds the Postgres lock of a trial's MLflow run as long as it works on the trial. Where
nobody holds it, the process is dead: the trial and the run are failed, and the next process that
asks does that trial again.

Why not Optuna's `heartbeat_interval` with `RetryFailedTrialCallback`, which serve the same end:
they notice a death only after a grace period, their retry is a new trial (another seed, and its
number counts on), and they know nothing of the MLflow run. A lock is gone at once with its process,
the trial is repeated with the same slot, seed and parameters, and its run is ended, too.
"""

import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

import optuna
from mlflow.entities import Run
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from skipcast.database.locks import Locks
from skipcast.models.families import Family
from skipcast.models.family import Params
from skipcast.search.mlflow_runs import PARENT, SEARCH, STATE, TRIALS, Runs
from skipcast.search.studies import DONE, RUN, Studies

Work = TypeVar("Work")  # a trial or a run

CLAIMS = "skipcast claims"  # the lock under which trials are given out and dead ones found
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Claim:
    """A trial that this process works on, its MLflow run, and its parameters."""

    family: Family
    trial: Trial
    run_id: str
    params: Params


class Claims:
    """What a process may claim of a search that it has joined."""

    def __init__(self, studies: Studies, locks: Locks, runs: Runs, parent: str) -> None:
        """Claim trials of `studies`, with runs that are children of the run `parent`."""
        self.parent = parent
        self._studies = studies
        self._locks = locks
        self._runs = runs

    def each(self, family: Family, *, wait: bool) -> Iterator[Claim]:
        """Yield one trial after another of those that nobody has done yet.

        Args:
            family: whose trials.
            wait: for the trials of other processes, to do those again whose process dies.
        """
        while True:
            with self._locks.exclusive(CLAIMS):
                _fail_dead_trials(self._studies.by_family[family], self._locks, self._runs)
                free, running = self._studies.slots(family)
                claim = self._claim(family, free[0]) if free else None
            if claim:
                yield claim
            elif running and wait:
                time.sleep(POLL_SECONDS)
            else:
                return

    def _claim(self, family: Family, slot: int) -> Claim:
        trial, params = self._studies.ask(family, slot)
        tags = {PARENT: self.parent, SEARCH: self._studies.search_id, "family": family}
        tags |= {"trial": str(slot), "worker": f"{platform.node()} {os.getpid()}", STATE: "running"}
        run_id = self._runs.start(f"{family}-{slot:03d}", tags)
        self._locks.hold(run_id)
        trial.set_user_attr(RUN, run_id)
        return Claim(family, trial, run_id, params)

    def end(self, claim: Claim, state: TrialState, value: float | None = None) -> None:
        """End a trial and then its run, which is marked before: no run that has ended opens again.

        Whoever finds the run of a dead process marked, but its trial running, does the trial again;
        where the trial was done, the run only has to end.

        Where the connection was cut, another process may have taken this one for dead, failed its
        trial and begun it again. Then only that one counts.
        """
        status = "FAILED" if state is TrialState.FAIL else "FINISHED"
        tag = "failed" if status == "FAILED" else state.name.lower()
        with self._locks.exclusive(CLAIMS):
            if self._studies.is_running(claim.family, claim.trial):
                self._runs.mark(claim.run_id, tag)
                self._studies.by_family[claim.family].tell(claim.trial, value, state)
                self._runs.terminate(claim.run_id, status)
            self._locks.release(claim.run_id)

    def finishing(self) -> AbstractContextManager[None]:
        """Let one process after another finish the search."""
        return self._locks.exclusive(f"skipcast finish {self._studies.search_id}")


@contextmanager
def join(studies: Studies, locks: Locks, runs: Runs) -> Iterator[Claims]:
    """Take part in a search, whose parent run is made or opened again if need be.

    Meanwhile nobody else will take the search for dead. If this process fails and no other is
    left, the parent run ends as killed; the next that joins opens it again.
    """
    with locks.exclusive(CLAIMS):
        parent = _parent(studies, runs)
        locks.hold(parent)
        _fail_dead(studies, locks, runs)
    try:
        yield Claims(studies, locks, runs, parent)
    except BaseException:
        with suppress(Exception):  # the servers may be what failed
            _leave(parent, studies, locks, runs)
        raise
    _leave(parent, studies, locks, runs)


def _leave(parent: str, studies: Studies, locks: Locks, runs: Runs) -> None:
    locks.release(parent)
    with locks.exclusive(CLAIMS):
        _fail_dead(studies, locks, runs)


def _parent(studies: Studies, runs: Runs) -> str:
    """Return the id of the search's run, running unless all trials that are requested are done.

    Where it, the run of a trial or its files are gone (another tracking server, or somebody deleted
    them), the studies are deleted, too, and the search starts over.
    """
    logged = {
        str(run.info.run_id): run for run in runs.find(f"tags.{SEARCH} = '{studies.search_id}'")
    }
    needed = {trial.user_attrs[RUN] for trial in studies.trials(*DONE)}
    parents = [run_id for run_id, run in logged.items() if PARENT not in run.data.tags]
    complete = [trial.user_attrs[RUN] for trial in studies.trials(TrialState.COMPLETE)]
    if parents and needed <= logged.keys() and all(map(runs.is_whole, complete)):
        if logged[parents[0]].data.tags.get(TRIALS) != studies.requested:
            runs.reopen(parents[0])
        return parents[0]
    if studies.trials():
        studies.forget()
    return runs.start(SEARCH, {SEARCH: studies.search_id})


def _fail_dead(studies: Studies, locks: Locks, runs: Runs) -> None:
    """Fail the trials and runs of all searches in this database whose process is dead."""
    searches = set()
    for summary in optuna.get_all_study_summaries(studies.storage, include_best_trial=False):
        searches.add(summary.user_attrs.get(SEARCH))
        study = optuna.load_study(study_name=summary.study_name, storage=studies.storage)
        _fail_dead_trials(study, locks, runs)

    def running() -> dict[str, Run]:
        listed = runs.find("attributes.status = 'RUNNING'")
        return {str(r.info.run_id): r for r in listed if r.data.tags.get(SEARCH) in searches}

    for run in _dead(running, locks).values():
        runs.end_left(run)


def _fail_dead_trials(study: Study, locks: Locks, runs: Runs) -> None:
    """Fail the running trials of a study, and their runs, whose lock nobody holds."""

    def running() -> dict[str, FrozenTrial]:
        trials = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return {trial.user_attrs.get(RUN, f"no run, {trial.number}"): trial for trial in trials}

    for run_id, trial in _dead(running, locks).items():
        if RUN in trial.user_attrs:
            runs.end(run_id, "failed", "KILLED")
        study.tell(trial.number, state=TrialState.FAIL)


def _dead(running: Callable[[], dict[str, Work]], locks: Locks) -> dict[str, Work]:
    """Return what is running, by the name of its lock, although no process holds the lock.

    A process ends its work before it releases the lock. So what was listed before the locks were
    read, was not held then, and is still listed afterwards has no living process.
    """
    names = running().keys()
    dead = names - locks.held(names)
    return {name: work for name, work in running().items() if name in dead}
