"""Optuna's studies in Postgres: one per family, shared by processes and machines, safe to kill.

A search is the studies of one fingerprint. Each trial belongs to a process that holds the lock of
its MLflow run as long as it works on it. Where nobody holds it, the process is dead: the trial and
the run are failed and the next process that asks does that trial again.
"""

import os
import platform
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from skipcast.database.locks import Locks
from skipcast.evaluation.metrics import METRICS
from skipcast.models.families import FAMILIES, Family
from skipcast.models.family import Bounds, Params
from skipcast.params import Search
from skipcast.search.mlflow_runs import PARENT, SEARCH, STATE, Runs

DONE = (TrialState.COMPLETE, TrialState.PRUNED)
SLOT, RUN = "slot", "run_id"  # attributes of a trial
CLAIMS = "skipcast claims"  # the lock under which trials are given out and dead ones found
POLL_SECONDS = 0.5
STARTUP_TRIALS = 5  # drawn at random before the sampler learns from them
WARMUP = 6  # learned, rounds times learning rate, before pruning: shallow trees start slowly


def directions(objective: str) -> tuple[str, int]:
    """Return Optuna's direction for an objective, and the sign that turns a loss into its sense."""
    return ("maximize", -1) if METRICS[objective].greater_is_better else ("minimize", 1)


@dataclass(frozen=True)
class Claim:
    """A trial that this process has taken on, its MLflow run, and its parameters."""

    family: Family
    slot: int  # 0, 1, 2, ... within the family
    trial: Trial
    run_id: str
    params: Params


@dataclass(frozen=True)
class Progress:
    """How far a family is."""

    complete: int
    pruned: int
    total: int
    accuracy: float | None  # the best so far
    seconds: float  # that a trial took on average


class Studies:
    """The studies of one search."""

    def __init__(
        self,
        storage: optuna.storages.BaseStorage,
        locks: Locks,
        runs: Runs,
        fingerprint: str,
        params: Search,
    ) -> None:
        self.locks = locks
        self.runs = runs
        self._storage = storage
        self._fingerprint = fingerprint
        self._params = params

    @cached_property
    def by_family(self) -> dict[Family, Study]:
        """Return the study of each family."""
        return {family: self._open(family) for family in self._params.families}

    @property
    def search_id(self) -> str:
        """Return the id that the search's runs carry as their tag `search`."""
        first = next(iter(self.by_family.values()))
        return str(first.user_attrs[SEARCH])

    def _open(self, family: Family) -> Study:
        direction, _ = directions(self._params.objective)
        study = optuna.create_study(
            storage=self._storage,
            study_name=f"{self._fingerprint[:16]} {family}",
            direction=direction,
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(STARTUP_TRIALS, WARMUP),
        )
        if SEARCH not in study.user_attrs:
            study.set_user_attr(SEARCH, uuid.uuid4().hex)
        return study

    @contextmanager
    def joined(self) -> Iterator[str]:
        """Take part in the search; yield the id of its parent run, made if need be.

        Meanwhile nobody else will take the search for dead. If this process fails and no other is
        left, the run ends as killed; the next that joins opens it again.
        """
        with self.locks.exclusive(CLAIMS):
            parent = self._parent()
            if parent is None:
                self._forget()
                parent = self.runs.start(SEARCH, {SEARCH: self.search_id})
            self.locks.hold(parent)
            self._fail_dead()
        try:
            yield parent
        except BaseException:
            with suppress(Exception):  # the servers may be what failed
                self._leave(parent)
            raise
        self._leave(parent)

    def _leave(self, parent: str) -> None:
        self.locks.release(parent)
        with self.locks.exclusive(CLAIMS):
            self._fail_dead()

    def _parent(self) -> str | None:
        """Return the search's run if it is there with the runs of all trials that are done."""
        there = {
            str(run.info.run_id): run
            for run in self.runs.find(f"tags.{SEARCH} = '{self.search_id}'")
        }
        needed = {trial.user_attrs[RUN] for trial in self._trials(*DONE)}
        parents = [run_id for run_id, run in there.items() if PARENT not in run.data.tags]
        return parents[0] if parents and needed <= there.keys() else None

    def _forget(self) -> None:
        """Drop studies whose runs are gone: another tracking server, or somebody deleted them."""
        if self._trials():
            for study in self.by_family.values():
                optuna.delete_study(study_name=study.study_name, storage=self._storage)
            del self.by_family

    def _trials(self, *states: TrialState) -> list[FrozenTrial]:
        return [
            trial
            for study in self.by_family.values()
            for trial in study.get_trials(deepcopy=False, states=states or None)
        ]

    def _fail_dead(self) -> None:
        """Fail the trials and runs of all searches in this database whose process is dead."""
        searches = set()
        for summary in optuna.get_all_study_summaries(self._storage, include_best_trial=False):
            searches.add(summary.user_attrs.get(SEARCH))
            self._fail_dead_trials(
                optuna.load_study(study_name=summary.study_name, storage=self._storage)
            )
        running = {
            str(run.info.run_id)
            for run in self.runs.find("attributes.status = 'RUNNING'")
            if run.data.tags.get(SEARCH) in searches
        }
        for run_id in running - self.locks.held(running):
            self.runs.end(run_id, "failed", "KILLED")

    def _fail_dead_trials(self, study: Study) -> None:
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        held = self.locks.held(trial.user_attrs.get(RUN, "") for trial in running)
        for trial in running:
            run_id = trial.user_attrs.get(RUN)
            if run_id not in held:
                study.tell(trial.number, state=TrialState.FAIL)
                if run_id:
                    self.runs.end(run_id, "failed", "KILLED")

    def claims(self, family: Family, parent: str, bounds: Bounds, *, wait: bool) -> Iterator[Claim]:
        """Yield one trial after another of those that nobody has done yet.

        Args:
            family: whose trials.
            parent: the search's run.
            bounds: narrowed ranges of parameters.
            wait: for the trials of other processes, to do those anew whose process dies.
        """
        while True:
            with self.locks.exclusive(CLAIMS):
                free, running = self._free(family)
                claim = self._claim(family, free[0], parent, bounds) if free else None
            if claim:
                yield claim
            elif running and wait:
                time.sleep(POLL_SECONDS)
            else:
                return

    def _free(self, family: Family) -> tuple[list[int], bool]:
        """Return the slots that nobody has taken, and whether any is being worked on."""
        study = self.by_family[family]
        self._fail_dead_trials(study)
        states = (*DONE, TrialState.RUNNING)
        taken = study.get_trials(deepcopy=False, states=states)
        slots = {trial.user_attrs[SLOT] for trial in taken}
        free = [slot for slot in range(self._params.families[family]) if slot not in slots]
        return free, any(trial.state is TrialState.RUNNING for trial in taken)

    def _claim(self, family: Family, slot: int, parent: str, bounds: Bounds) -> Claim:
        study = self.by_family[family]
        # Seeded by trial, not by process: a search that was interrupted goes on as if it was not.
        (seed,) = np.random.SeedSequence([self._params.seed, slot]).generate_state(1)
        study.sampler = optuna.samplers.TPESampler(
            seed=int(seed), multivariate=True, n_startup_trials=STARTUP_TRIALS
        )
        if slot == 0 and not study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            study.enqueue_trial(FAMILIES[family].defaults(bounds))
        trial = study.ask()
        trial.set_user_attr(SLOT, slot)
        params = FAMILIES[family].suggest(trial, bounds)
        tags = {PARENT: parent, SEARCH: self.search_id, "family": family, "trial": str(slot)}
        tags |= {"worker": f"{platform.node()} {os.getpid()}", STATE: "running"}
        run_id = self.runs.start(f"{family}-{slot:03d}", tags)
        self.locks.hold(run_id)
        trial.set_user_attr(RUN, run_id)
        return Claim(family, slot, trial, run_id, params)

    def end(self, claim: Claim, state: TrialState, value: float | None = None) -> None:
        """End a trial, its run first: whoever finds only the run ended does the trial again."""
        status = "FAILED" if state is TrialState.FAIL else "FINISHED"
        self.runs.end(claim.run_id, "failed" if status == "FAILED" else state.name.lower(), status)
        self.by_family[claim.family].tell(claim.trial, value, state)
        self.locks.release(claim.run_id)

    def complete(self, family: Family) -> list[FrozenTrial]:
        """Return the trials of a family that were neither pruned nor failed."""
        trials: list[FrozenTrial] = self.by_family[family].get_trials(states=(TrialState.COMPLETE,))
        return trials

    def progress(self) -> Mapping[Family, Progress]:
        """Return how far each family is."""
        return {family: self._progress(family) for family in self._params.families}

    def _progress(self, family: Family) -> Progress:
        done = self.by_family[family].get_trials(deepcopy=False, states=DONE)
        complete = [trial for trial in done if trial.state is TrialState.COMPLETE]
        took = [trial.duration.total_seconds() for trial in done if trial.duration]
        return Progress(
            complete=len(complete),
            pruned=len(done) - len(complete),
            total=self._params.families[family],
            accuracy=max((trial.user_attrs["accuracy"] for trial in complete), default=None),
            seconds=sum(took) / len(took) if took else 0.0,
        )


def open_storage(connect: Any) -> optuna.storages.RDBStorage:
    """Open Optuna's tables through `connect`, a function that opens a database connection."""
    return optuna.storages.RDBStorage(
        "postgresql+psycopg2://", engine_kwargs={"creator": connect, "pool_size": 1}
    )
