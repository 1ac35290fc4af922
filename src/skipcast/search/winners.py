"""The end of a search: the best trial of each family becomes a model, with pictures of it all."""

import tempfile
import warnings
from pathlib import Path
from typing import Any

import joblib
import mlflow
import numpy as np
import optuna
import pandas as pd
import yaml
from matplotlib import pyplot
from matplotlib.figure import Figure
from optuna.trial import FrozenTrial

from skipcast.arrays import Floats
from skipcast.evaluation import plots
from skipcast.evaluation.ranking import Scored, best
from skipcast.models.families import FAMILIES, Family
from skipcast.schema import THRESHOLD
from skipcast.search.spec import Job, Plays
from skipcast.search.studies import RUN, Studies
from skipcast.serving.packaging import log_model

TRIAL_FOLDER, MODEL_FILE, PROBABILITY_FILE = "trial", "classifier", "validation.npy"
SCORES = ("accuracy", "log_loss")
RESULT = "search.json"


def finish(studies: Studies, parent: str, job: Job, plays: Plays) -> dict[str, Any]:
    """Choose and log the best of each family, once, whichever process of the search comes first.

    Returns:
        As `search.search` does.
    """
    client = studies.runs.client
    with studies.locks.exclusive(f"skipcast finish {studies.search_id}"):
        if client.get_run(parent).info.status == "FINISHED":
            result: dict[str, Any] = mlflow.artifacts.load_dict(f"runs:/{parent}/{RESULT}")
            return result
        found = _choose(studies, job, plays)
        for family, chosen in found["families"].items():
            _log_best(studies, family, chosen, job, plays)
        found = {"run_id": parent, **found}
        client.log_dict(parent, found, RESULT)
        winner = found["families"][found["best"]]
        studies.runs.log(parent, {f"best_{score}": winner[score] for score in SCORES}, [], {})
        params = job.params.model_dump(mode="json", by_alias=True)
        client.log_text(parent, yaml.safe_dump(params, sort_keys=False), "params.yaml")
        for name, figure in _study_figures(studies).items():
            client.log_figure(parent, figure, f"figures/{name}.png")
            pyplot.close(figure)
        studies.runs.end(parent, "complete")
    return found


def _choose(studies: Studies, job: Job, plays: Plays) -> dict[str, Any]:
    """Return the best trial of each family and the best family, by the same rule."""
    seed = job.params.search.seed
    bests: dict[Family, Scored] = {}
    for family in job.params.search.families:
        scored = [_scored(trial, plays) for trial in studies.complete(family)]
        bests[family] = best(scored, plays.sessions, seed=seed)
    winner = best(list(bests.values()), plays.sessions, seed=seed)
    return {
        "families": {
            family: {"run_id": s.name, "accuracy": s.accuracy, "log_loss": s.log_loss}
            for family, s in bests.items()
        },
        "best": next(family for family, scored in bests.items() if scored is winner),
    }


def _scored(trial: FrozenTrial, plays: Plays) -> Scored:
    run_id = trial.user_attrs[RUN]
    right = (_probability(run_id) >= THRESHOLD) == plays.validation.skipped
    scores = {score: trial.user_attrs[score] for score in SCORES}
    return Scored(run_id, right=right.astype(np.float64), **scores)


def _probability(run_id: str) -> Floats:
    """Return what a trial predicted for the validation plays."""
    with tempfile.TemporaryDirectory() as folder:
        found: Floats = np.load(_download(run_id, PROBABILITY_FILE, folder))
        return found


def _download(run_id: str, name: str, folder: str) -> Path:
    path = mlflow.artifacts.download_artifacts(
        run_id=run_id, artifact_path=f"{TRIAL_FOLDER}/{name}", dst_path=folder
    )
    return Path(path)


def _log_best(
    studies: Studies, family: Family, chosen: dict[str, Any], job: Job, plays: Plays
) -> None:
    """Log the model and the figures of a family's best trial to its run."""
    client, run_id = studies.runs.client, chosen["run_id"]
    with tempfile.TemporaryDirectory() as folder:
        model = FAMILIES[family].load(_download(run_id, MODEL_FILE, folder), joblib.cpu_count())
    for logged in client.search_logged_models(
        [studies.runs.experiment_id], f"source_run_id = '{run_id}'"
    ):
        client.delete_logged_model(logged.model_id)  # of a process that was killed here
    ended = client.get_run(run_id).info.end_time
    with mlflow.start_run(run_id=run_id):
        info = log_model(
            model,
            pd.read_parquet(job.tracks),
            family=family,
            horizon=job.params.features.horizon,
            groups=job.params.features.groups,
            train=plays.train,
        )
    client.set_terminated(run_id, end_time=ended)  # the trial took no longer for being the best
    chosen["model_uri"] = info.model_uri
    curves: plots.Curves = {family: (plays.validation.skipped, _probability(run_id))}
    contributions = FAMILIES[family].contributions(model, plays.validation.features)
    weights = np.abs(contributions[:, :-1]).mean(axis=0)
    synthetic = job.tags["data.synthetic"] == "True"
    figures = {
        "roc": plots.roc(curves, synthetic=synthetic),
        "precision_recall": plots.precision_recall(curves, synthetic=synthetic),
        "calibration": plots.reliability(curves, synthetic=synthetic),
        "importance": plots.importance(plays.columns, weights, synthetic=synthetic),
    }
    for name, figure in figures.items():
        client.log_figure(run_id, figure, f"figures/{name}.png")


def _study_figures(studies: Studies) -> dict[str, Figure]:
    """Draw how each study went, with Optuna's own figures."""
    drawn = optuna.visualization.matplotlib
    axes = {}
    with warnings.catch_warnings():  # that these functions may change; their version is pinned
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        for family, study in studies.by_family.items():
            axes[f"history_{family}"] = drawn.plot_optimization_history(study)
            if len(studies.complete(family)) > 1 and len(study.best_trial.params) > 1:
                axes[f"parallel_coordinate_{family}"] = drawn.plot_parallel_coordinate(study)
                axes[f"importance_{family}"] = drawn.plot_param_importances(study)
    return {name: ax.figure for name, ax in axes.items()}
