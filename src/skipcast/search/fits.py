"""What is scored and logged of a fitted model, whether a trial has fitted it or a refit."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from skipcast.evaluation.metrics import accuracy, evaluate
from skipcast.files import write_array
from skipcast.models.families import FAMILIES, Family
from skipcast.models.family import Params
from skipcast.search.mlflow_runs import MODEL_FILE, PROBABILITY_FILE, TRIAL_FOLDER, Runs
from skipcast.search.plays import Plays


@dataclass(frozen=True)
class Fitted:
    """A fitted model, and how it was fitted."""

    params: Params
    model: Any
    seconds: float
    losses: list[float] = field(default_factory=list)  # of each boosting round, nats


def log_fitted(
    runs: Runs, run_id: str, family: Family, fitted: Fitted, plays: Plays
) -> dict[str, float]:
    """Score a model on the validation plays; log all that is known of it, and its own file.

    Returns:
        Its scores by name.
    """
    methods = FAMILIES[family]
    probability = methods.predict_parts(fitted.model, plays.validation)
    scores = {"fit_seconds": fitted.seconds}
    scores |= evaluate(plays.validation.skipped, probability)
    learned = methods.predict_parts(fitted.model, plays.train)
    scores["train_accuracy"] = accuracy(plays.train.skipped, learned)
    if fitted.losses:
        scores["rounds"] = float(np.argmin(fitted.losses) + 1)
    runs.log(run_id, scores, fitted.losses, fitted.params)
    with tempfile.TemporaryDirectory() as folder:
        methods.save(fitted.model, Path(folder, MODEL_FILE))
        write_array(Path(folder, PROBABILITY_FILE), probability)
        runs.log_folder(run_id, folder, TRIAL_FOLDER)
    return scores
