"""The end of a search: the best trial of each family becomes a model with its figures."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import yaml
from matplotlib.figure import Figure

from skipcast.arrays import Floats
from skipcast.artifacts import BestOfFamily, SearchResult
from skipcast.evaluation import plots
from skipcast.evaluation.grid import Grid
from skipcast.evaluation.metrics import METRICS, RANKING
from skipcast.evaluation.ranking import Scored, best
from skipcast.mlflow_store.files import (
    missing_of_logged_model,
    missing_of_model,
    missing_of_run,
)
from skipcast.models.families import FAMILIES, Family
from skipcast.processes import cpu_count
from skipcast.schema import RankBy
from skipcast.search.figures import About, study_figures
from skipcast.search.mlflow_runs import (
    MODEL_FILE,
    PROBABILITY_FILE,
    TRIAL_FOLDER,
    TRIALS,
    Runs,
)
from skipcast.search.plays import Plays
from skipcast.search.spec import Job
from skipcast.search.studies import RUN, Studies
from skipcast.serving.packaging import log_model

SCORES = RANKING
RESULT = "search.json"
WHOLE = "skipcast.whole"  # the tag of a model that is there with its figures


def finish(studies: Studies, runs: Runs, parent: str, job: Job, plays: Plays) -> SearchResult:
    """Choose and log the best of each family; called by one process of the search after another.

    Which trials were requested when it was done is a tag of the parent run: who requests the same
    gets what was chosen then, who requests others chooses again.
    """
    run = runs.client.get_run(parent)
    found = _found(runs, parent) if run.data.tags.get(TRIALS) == studies.requested else None
    if found is not None:
        if run.info.status != "FINISHED":  # opened again when another was about to end it
            runs.end(parent, "complete")
        return found
    bests, winner = _choose(studies, job, plays)
    result = SearchResult(
        run_id=parent,
        families={family: log_best(runs, family, s, job, plays) for family, s in bests.items()},
        best=winner,
        ranked_by=job.params.rank_by,
    )
    _log_search(studies, runs, job, result)
    runs.client.set_tag(parent, TRIALS, studies.requested)
    runs.end(parent, "complete")
    return result


def _found(runs: Runs, parent: str) -> SearchResult | None:
    """Return what a search has found; None where somebody deleted that or a model of it."""
    if missing_of_run(runs.client, parent, [RESULT]) is not None:
        return None
    content = mlflow.artifacts.load_dict(f"runs:/{parent}/{RESULT}")
    result = SearchResult.model_validate(content)
    models = (best.model_uri for best in result.families.values())
    gone = any(missing_of_logged_model(runs.client, uri) is not None for uri in models)
    return None if gone else result


def _log_search(studies: Studies, runs: Runs, job: Job, result: SearchResult) -> None:
    """Log the result, the params and the figures of the studies to the parent run."""
    client, parent = runs.client, result.run_id
    client.log_dict(parent, result.model_dump(), RESULT)
    scores = {f"best_{score}": getattr(result.candidate, score) for score in SCORES}
    if result.candidate.maa is not None:
        scores["best_maa"] = result.candidate.maa
    runs.log(parent, scores, [], {})
    params = job.params.model_dump(mode="json", by_alias=True)
    client.log_text(parent, yaml.safe_dump(params, sort_keys=False), "params.yaml")
    for family, study in studies.by_family.items():
        objective = METRICS[job.params.search.objective].heading
        about = About(FAMILIES[family].label, objective, _is_synthetic(job))
        for name, figure in study_figures(study, studies.complete(family), about).items():
            client.log_figure(parent, figure, f"figures/{name}_{family}.png")


def _choose(studies: Studies, job: Job, plays: Plays) -> tuple[dict[Family, Scored], Family]:
    """Return the best trial of each family and the best family, by the same rule."""
    seed = job.params.search.seed
    bests: dict[Family, Scored] = {}
    for family in job.params.search.families:
        models = [
            scored(trial.user_attrs[RUN], trial.user_attrs, plays, job.params.rank_by)
            for trial in studies.complete(family)
        ]
        bests[family] = best(models, plays.validation.sessions, seed=seed)
    return bests, best_family(bests, plays, seed=seed)


def best_family(bests: Mapping[Family, Scored], plays: Plays, *, seed: int) -> Family:
    """Return the family with the best model, by the rule that chooses within a family, too."""
    winner = best(list(bests.values()), plays.validation.sessions, seed=seed)
    return next(family for family, model in bests.items() if model is winner)


def scored(run_id: str, scores: Mapping[str, Any], plays: Plays, rank_by: RankBy) -> Scored:
    """Return the scores of the model that a run has fitted.

    Args:
        run_id: of the run, whose files are there.
        scores: by name, among others.
        plays: those that validated it.
        rank_by: what models are ranked by.
    """
    data, ranking = plays.validation, {score: scores[score] for score in SCORES}
    probability = _probability(run_id)
    return Scored.of(run_id, data.skipped, probability, data.sessions, rank_by=rank_by, **ranking)


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


def log_best(
    runs: Runs, family: Family, best: Scored, job: Job, plays: Plays, *, sample: Plays | None = None
) -> BestOfFamily:
    """Log the model and the figures of a family's best to its run, unless they are there.

    Args:
        runs: of the search.
        family: of the model.
        best: its scores, named by its run.
        job: of the search.
        plays: those that trained and validated it.
        sample: those in memory, from which the model keeps histograms, and whose features are
            explained; None takes `plays`.
    """
    model_uri = _whole_model(runs, best.name)
    if model_uri is None:
        model_uri = _log_model(runs, family, best.name, job, plays, sample or plays)
    return BestOfFamily(
        run_id=best.name,
        accuracy=best.accuracy,
        log_loss=best.log_loss,
        maa=best.maa,
        fpa=best.fpa,
        model_uri=model_uri,
    )


def _whole_model(runs: Runs, run_id: str) -> str | None:
    """Return the URI of the model that a run has logged; delete one that is not whole.

    A whole model is kept, as the registry may have it already: the best of 15 trials is often the
    best of 30, too.
    """
    uri = None
    for model in runs.client.search_logged_models(
        [runs.experiment_id], f"source_run_id = '{run_id}'"
    ):
        if WHOLE in model.tags and missing_of_model(str(model.artifact_location)) is None:
            uri = str(model.model_uri)
        else:
            runs.client.delete_logged_model(model.model_id)
    return uri


def _log_model(
    runs: Runs, family: Family, run_id: str, job: Job, plays: Plays, sample: Plays
) -> str:
    client = runs.client
    with tempfile.TemporaryDirectory() as folder:
        file = _download(run_id, MODEL_FILE, folder)
        model = FAMILIES[family].load(file, threads=cpu_count())
    ended = client.get_run(run_id).info.end_time
    with mlflow.start_run(run_id=run_id):
        info = log_model(
            model,
            pd.read_parquet(job.tracks),
            family=family,
            horizon=job.params.features.horizon,
            skip=job.params.features.skip,
            groups=job.groups,
            listeners=pd.read_parquet(job.listeners),
            train=sample.train,
        )
    client.set_terminated(run_id, end_time=ended)  # the trial took no longer for being the best
    synthetic = _is_synthetic(job)
    answers = Grid.of(plays.validation.skipped, _probability(run_id))
    figures = _model_figures(model, family, answers, sample, synthetic=synthetic)
    for name, figure in figures.items():
        client.log_figure(run_id, figure, f"figures/{name}.png")
    client.set_logged_model_tags(str(info.model_id), {WHOLE: "true"})
    return str(info.model_uri)


def _model_figures(
    model: Any, family: Family, answers: Grid, sample: Plays, *, synthetic: bool
) -> dict[str, Figure]:
    label = FAMILIES[family].label
    curves: plots.Curves = {label: answers}
    features = np.concatenate(sample.validation.features)
    contributions = FAMILIES[family].contributions(model, features)
    weights = np.abs(contributions[:, :-1]).mean(axis=0)
    return {
        "roc": plots.roc(curves, synthetic=synthetic),
        "precision_recall": plots.precision_recall(curves, synthetic=synthetic),
        "calibration": plots.reliability(curves, synthetic=synthetic),
        "importance": plots.importance(sample.columns, weights, family=label, synthetic=synthetic),
    }


def _is_synthetic(job: Job) -> bool:
    return job.tags["data.synthetic"] == "True"
