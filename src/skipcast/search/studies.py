"""Optuna's studies in Postgres: one per family, shared by processes and machines.

A search is the studies of one fingerprint. Who works on which trial is in `claims.py`.
"""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import optuna
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from skipcast.errors import SkipcastError
from skipcast.evaluation.metrics import METRICS
from skipcast.models.families import FAMILIES, Family
from skipcast.models.family import Params
from skipcast.params import Search
from skipcast.search.mlflow_runs import SEARCH

DONE = (TrialState.COMPLETE, TrialState.PRUNED)
SLOT, RUN = "slot", "run_id"  # attributes of a trial
STARTUP_TRIALS = 5  # drawn at random before the sampler learns from them
WARMUP = 6  # learned, rounds times learning rate, before pruning: shallow trees start slowly


def directions(objective: str) -> tuple[str, int]:
    """Return Optuna's direction for an objective, and the sign that turns a loss into its sense.

    >>> directions("accuracy")
    ('maximize', -1)
    """
    return ("maximize", -1) if METRICS[objective].greater_is_better else ("minimize", 1)


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
        self, storage: optuna.storages.BaseStorage, fingerprint: str, params: Search
    ) -> None:
        self.storage = storage
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

    @property
    def requested(self) -> str:
        """Return how many trials of each family params ask for, as JSON.

        It is no part of the fingerprint: who asks for more goes on with the same studies.
        """
        return json.dumps(self._params.families)

    def _open(self, family: Family) -> Study:
        direction, _ = directions(self._params.objective)
        study = optuna.create_study(
            storage=self.storage,
            study_name=f"{self._fingerprint[:16]} {family}",
            direction=direction,
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(STARTUP_TRIALS, WARMUP),
        )
        if SEARCH not in study.user_attrs:
            study.set_user_attr(SEARCH, uuid.uuid4().hex)
        return study

    def forget(self) -> None:
        """Delete the studies; the next use makes them anew."""
        for study in self.by_family.values():
            optuna.delete_study(study_name=study.study_name, storage=self.storage)
        del self.by_family

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """Return the trials of all families that are in one of `states`; without any, all."""
        return [
            trial
            for study in self.by_family.values()
            for trial in study.get_trials(deepcopy=False, states=states or None)
        ]

    def slots(self, family: Family) -> tuple[list[int], bool]:
        """Return the slots of a family without a trial, and whether any trial is running."""
        states = (*DONE, TrialState.RUNNING)
        begun = self.by_family[family].get_trials(deepcopy=False, states=states)
        occupied = {trial.user_attrs[SLOT] for trial in begun}
        free = [slot for slot in range(self._params.families[family]) if slot not in occupied]
        return free, any(trial.state is TrialState.RUNNING for trial in begun)

    def is_running(self, family: Family, trial: Trial) -> bool:
        """Tell whether nobody has ended a trial."""
        running = self.by_family[family].get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        return trial.number in [other.number for other in running]

    def ask(self, family: Family, slot: int) -> tuple[Trial, Params]:
        """Begin the trial of a slot; return it with its parameters."""
        study, methods = self.by_family[family], FAMILIES[family]
        bounds = self._params.space.get(family, {})
        # Seeded by trial, not by process: a search that was interrupted goes on as if it was not.
        (seed,) = np.random.SeedSequence([self._params.seed, slot]).generate_state(1)
        study.sampler = optuna.samplers.TPESampler(
            seed=int(seed), multivariate=True, n_startup_trials=STARTUP_TRIALS
        )
        if slot == 0 and not study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            study.enqueue_trial(methods.defaults(bounds))
        trial = study.ask()
        trial.set_user_attr(SLOT, slot)
        return trial, methods.suggest(trial, bounds)

    def complete(self, family: Family) -> list[FrozenTrial]:
        """Return the trials of a family that were neither pruned nor failed."""
        return [trial for trial in self._done(family) if trial.state is TrialState.COMPLETE]

    def _done(self, family: Family) -> list[FrozenTrial]:
        """Return the trials that have ended of those that params ask for.

        An earlier search may have done more: the same params find the same, whatever was before.
        """
        return [
            trial
            for trial in self.by_family[family].get_trials(states=DONE)
            if trial.user_attrs[SLOT] < self._params.families[family]
        ]

    def progress(self) -> Mapping[Family, Progress]:
        """Return how far each family is."""
        return {family: self._progress(family) for family in self._params.families}

    def _progress(self, family: Family) -> Progress:
        done, complete = self._done(family), self.complete(family)
        durations = [trial.duration.total_seconds() for trial in done if trial.duration]
        return Progress(
            complete=len(complete),
            pruned=len(done) - len(complete),
            total=self._params.families[family],
            accuracy=max((trial.user_attrs["accuracy"] for trial in complete), default=None),
            seconds=sum(durations) / len(durations) if durations else 0.0,
        )


def open_storage(connect: Any, schema: str) -> optuna.storages.RDBStorage:
    """Open Optuna's tables; make them if there are none.

    Args:
        connect: opens a connection to the database, where it finds or makes the tables.
        schema: of the tables, for the message.

    Raises:
        SkipcastError: the tables are those of another version of Optuna.
    """
    # A connection that was cut while a model was fitted is noticed, and opened again.
    engine = {"creator": connect, "pool_size": 1, "pool_pre_ping": True}
    try:
        return optuna.storages.RDBStorage("postgresql+psycopg2://", engine_kwargs=engine)
    except RuntimeError as error:
        maker = str(error).partition("set up by optuna ")[2].partition(")")[0]
        raise SkipcastError(
            f"The tables in the schema {schema} must be as Optuna {optuna.__version__} makes them "
            f"but got those of Optuna {maker or 'of another version'}. Give load.schema in "
            "params.yaml another name, then `dvc repro`: new studies begin there."
        ) from error
