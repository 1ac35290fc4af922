"""One Optuna study per family; one MLflow parent run, and a child run for each trial."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import numpy.typing as npt
import optuna
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException
from mlflow.utils.git_utils import get_git_commit
from mlflow.utils.validation import MAX_METRICS_PER_BATCH

from skipcast.errors import SkipcastError
from skipcast.family import Part
from skipcast.features import KEY_COLUMNS
from skipcast.metrics import evaluate
from skipcast.models import FAMILIES, Family
from skipcast.params import Params as AllParams
from skipcast.params import Search as SearchParams
from skipcast.serving import log_model
from skipcast.split import split_sessions


@dataclass(frozen=True)
class Trial:
    """A fitted model, its MLflow run and its scores on the validation sessions."""

    run_id: str
    params: dict[str, Any]
    scores: dict[str, float]
    losses: list[float]  # validation log loss of each boosting round
    model: Any

    @property
    def rank(self) -> tuple[float, float]:
        """Higher is better: accuracy, then, where it cannot tell two apart, log loss."""
        return self.scores["accuracy"], -self.scores["log_loss"]


@dataclass(frozen=True)
class Runs:
    """Where runs are logged, and the tags that each of them carries."""

    client: MlflowClient
    experiment_id: str
    tags: dict[str, str]

    @contextmanager
    def run(self, name: str, tags: dict[str, str]) -> Iterator[str]:
        """Yield the id of a new run; it ends as finished, or as failed on any error."""
        run = self.client.create_run(self.experiment_id, run_name=name, tags=self.tags | tags)
        run_id = str(run.info.run_id)
        try:
            yield run_id
        except BaseException:
            self.client.set_terminated(run_id, "FAILED")
            raise
        self.client.set_terminated(run_id, "FINISHED")


def open_runs(experiment: str, tags: dict[str, str]) -> Runs:
    """Find or make the experiment; its runs will carry `tags` and the git commit.

    Raises:
        SkipcastError: the tracking server does not answer, or the experiment was deleted.
    """
    try:
        experiment_id = mlflow.set_experiment(experiment).experiment_id
    except MlflowException as error:
        raise SkipcastError(
            f"The MLflow tracking server must give experiment {experiment} but did not: {error}. "
            "Correct MLFLOW_TRACKING_URI, or restore the experiment if it was deleted."
        ) from error
    commit = {"mlflow.source.git.commit": str(get_git_commit(str(Path.cwd())))}
    return Runs(MlflowClient(), experiment_id, tags | commit)


def search(
    features: pd.DataFrame,
    tracks: pd.DataFrame,
    params: AllParams,
    *,
    origin: dict[str, str],
    on_trial: Callable[[Family, Trial], None] = lambda family, trial: None,
) -> dict[str, Any]:
    """Run a study per family; log every trial, and the best model of each family, to MLflow.

    Args:
        features: a row per play: session_id, session_position, skipped, then the features.
        tracks: columns `schema.TRACK`; the models will know these by id.
        params: sections features, split and search.
        origin: tags for every run that say what the data are.
        on_trial: called after each trial.

    Returns:
        The parent's `run_id`, the family `best` on the validation sessions and, by family, the best
        trial's `run_id`, `model_uri`, `accuracy` and `log_loss` on them.

    Raises:
        SkipcastError: a part has no session, or the tracking server does not answer.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    columns = [str(name) for name in features if name not in (*KEY_COLUMNS, "skipped")]
    parts = split_sessions(features["session_id"], params.split)
    train, validation = (_part(features, parts == p, columns, p) for p in ("train", "validation"))
    runs = open_runs(params.search.experiment, origin | {"horizon": params.features.horizon})
    found: dict[str, dict[str, Any]] = {}
    with runs.run("search", {"params": params.model_dump_json(by_alias=True)}) as parent:
        for family in params.search.families:
            best = _study(family, train, validation, params.search, runs, parent, on_trial)
            with mlflow.start_run(run_id=best.run_id):
                logged = log_model(
                    best.model,
                    tracks,
                    family=family,
                    features=params.features,
                )
            scores = {name: best.scores[name] for name in ("accuracy", "log_loss")}
            found[family] = {"run_id": best.run_id, "model_uri": logged.model_uri, **scores}
    ranked = sorted(found, key=lambda f: (-found[f]["accuracy"], found[f]["log_loss"]))
    return {"run_id": parent, "best": ranked[0], "families": found}


def _part(
    features: pd.DataFrame, rows: npt.NDArray[np.bool_], columns: list[str], name: str
) -> Part:
    chosen = features[rows]
    if chosen["skipped"].nunique() < 2:
        raise SkipcastError(
            f"The {name} sessions must have skipped plays and others but {len(chosen)} plays have "
            "not both. Raise fetch.rows, or change the shares in split."
        )
    return Part(chosen[columns].to_numpy(np.float32), chosen["skipped"].to_numpy(dtype=bool))


def _study(
    family: Family,
    train: Part,
    validation: Part,
    params: SearchParams,
    runs: Runs,
    parent: str,
    on_trial: Callable[[Family, Trial], None],
) -> Trial:
    study = optuna.create_study(
        direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=params.seed, multivariate=True),
    )
    study.enqueue_trial(FAMILIES[family].defaults({}))
    data = FAMILIES[family].prepare(train, validation)
    best: Trial | None = None
    for i in range(params.families[family]):
        asked = study.ask()
        drawn = FAMILIES[family].suggest(asked, {})
        tags = {"mlflow.parentRunId": parent, "family": family, "trial": str(i)}
        with runs.run(f"{family}-{i:03d}", tags) as run_id:
            trial = _fit(family, drawn, data, validation, seed=params.seed, run_id=run_id)
            _log(runs.client, trial)
        study.tell(asked, trial.scores["accuracy"])
        on_trial(family, trial)
        best = trial if best is None or trial.rank > best.rank else best
    assert best is not None  # params have at least one trial
    return best


def _fit(
    family: Family, params: dict[str, Any], data: Any, validation: Part, *, seed: int, run_id: str
) -> Trial:
    losses: list[float] = []

    def on_round(_: int, loss: float) -> None:
        losses.append(loss)

    started = time.perf_counter()
    threads = os.cpu_count() or 1
    model = FAMILIES[family].fit(params, data, seed, threads, on_round)
    seconds = time.perf_counter() - started
    probability = FAMILIES[family].predict(model, validation.features)
    scores = evaluate(validation.skipped, probability) | {"fit_seconds": seconds}
    return Trial(run_id, params, scores, losses, model)


def _log(client: MlflowClient, trial: Trial) -> None:
    """Log a trial in one batch, with the loss of each round as a curve."""
    now = int(time.time() * 1000)
    metrics = [Metric(name, value, now, 0) for name, value in trial.scores.items()]
    metrics += [Metric("round_log_loss", loss, now, i) for i, loss in enumerate(trial.losses)]
    params = [Param(name, str(value)) for name, value in trial.params.items()]
    for first in range(0, len(metrics), MAX_METRICS_PER_BATCH):
        batch = metrics[first : first + MAX_METRICS_PER_BATCH]
        client.log_batch(trial.run_id, metrics=batch, params=params if first == 0 else [])
