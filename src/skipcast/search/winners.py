"""The end of a search: the best trial of each family becomes a model, with pictures of it all."""

import tempfile
import warnings
from pathlib import Path

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
from skipcast.artifacts import BestOfFamily, SearchResult
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


def finish(studies: Studies, parent: str, job: Job, plays: Plays) -> SearchResult:
    """Choose and log the best of each family, once, whichever process of the search comes first."""
    client = studies.runs.client
    with studies.locks.exclusive(f"skipcast finish {studies.search_id}"):
        if client.get_run(parent).info.status == "FINISHED":
            return SearchResult.model_validate(
                mlflow.artifacts.load_dict(f"runs:/{parent}/{RESULT}")
            )
        bests, winner = _choose(studies, job, plays)
        result = SearchResult(
            run_id=parent,
            families={f: _log_best(studies, f, best, job, plays) for f, best in bests.items()},
            best=winner,
        )
        client.log_dict(parent, result.model_dump(), RESULT)
        scores = {f"best_{score}": getattr(result.candidate, score) for score in SCORES}
        studies.runs.log(parent, scores, [], {})
        params = job.params.model_dump(mode="json", by_alias=True)
        client.log_text(parent, yaml.safe_dump(params, sort_keys=False), "params.yaml")
        for name, figure in _study_figures(studies).items():
            client.log_figure(parent, figure, f"figures/{name}.png")
            pyplot.close(figure)
        studies.runs.end(parent, "complete")
    return result


def _choose(studies: Studies, job: Job, plays: Plays) -> tuple[dict[Family, Scored], Family]:
    """Return the best trial of each family and the best family, by the same rule."""
    seed = job.params.search.seed
    bests: dict[Family, Scored] = {}
    for family in job.params.search.families:
        scored = [_scored(trial, plays) for trial in studies.complete(family)]
        bests[family] = best(scored, plays.sessions, seed=seed)
    winner = best(list(bests.values()), plays.sessions, seed=seed)
    return bests, next(family for family, scored in bests.items() if scored is winner)


def _scored(trial: FrozenTrial, plays: Plays) -> Scored:
    run_id = trial.user_attrs[RUN]
    right = (_probability(run_id) >= THRESHOLD) == plays.validation.skipped
    scores = {score: trial.user_attrs[score] for score in SCORES}
    return Scored(run_id, right=right.astype(np.float64), **scores)


def _probability(run_id: str) -> Floats:
    """Return what a trial predicted for the validation plays."""
    with tempfile.TemporaryDirectory() as folder:
        probability: Floats = np.load(_download(run_id, PROBABILITY_FILE, folder))
        return probability


def _download(run_id: str, name: str, folder: str) -> Path:
    path = mlflow.artifacts.download_artifacts(
        run_id=run_id, artifact_path=f"{TRIAL_FOLDER}/{name}", dst_path=folder
    )
    return Path(path)


def _log_best(
    studies: Studies, family: Family, best: Scored, job: Job, plays: Plays
) -> BestOfFamily:
    """Log the model and the figures of a family's best trial to its run."""
    client, run_id = studies.runs.client, best.name
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
            features=job.params.features,
            train=plays.train,
        )
    client.set_terminated(run_id, end_time=ended)  # the trial took no longer for being the best
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
    return BestOfFamily(
        run_id=run_id,
        accuracy=best.accuracy,
        log_loss=best.log_loss,
        model_uri=info.model_uri,
    )


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
