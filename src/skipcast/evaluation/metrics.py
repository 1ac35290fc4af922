"""The table of metrics, and what the metrics are made of.

`METRICS` lists every score that the project logs, writes, shows or judges by. To add one, add a row
here and its test in `tests/evaluation/test_metrics.py`: all lists of scores come from this table.
A score is a mean over plays, a mean over sessions, or made of a grid of probabilities: of sums that
add up over parts of the plays (`held_out.py`), and so are the intervals (`bootstrap.py`).

In all functions, `skipped` says whether each play was skipped, and `probability` is the predicted
probability of that, 0..1 and never NaN. A play counts as predicted to be skipped from 0.5 on.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import roc_auc_score

from skipcast.arrays import Bools, Floats, Indices
from skipcast.evaluation.bootstrap import Interval
from skipcast.evaluation.challenge import average_accuracy, first_accuracy
from skipcast.evaluation.grid import Grid
from skipcast.schema import THRESHOLD

TINY = float(np.finfo(np.float64).eps)  # as scikit-learn: a sure and wrong answer costs 36 nats

PerPlay = Callable[[Bools, Floats], Floats]
Value = Callable[[Bools, Floats], float]
PerSession = Callable[[Bools, Indices], Floats]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A row of the table: how probabilities are scored, and where the score is used.

    One of `per_play`, `per_session` and `of_grid` makes it.

    Attributes:
        name: the key of the score in files, in MLflow and in code.
        label: how tables and texts name it.
        unit: of the score; empty where it is a share or an index.
        greater_is_better: the sense in which models are compared.
        per_play: `(skipped, probability)` -> a number for each play whose mean is the score.
        per_session: whether each prediction is right, and the number of its session -> a number for
            each session whose mean is the score.
        of_grid: plays by cells of probability -> the score with its 95 % interval.
        value: `(skipped, probability)` -> the score alone, for each trial of a search; None where
            trials are not scored by it.
        ranks: whether it is one of the two that rank models (`ranking.py`), which are also shown in
            slices. These have `per_play`.
        for_rules: whether it also scores answers that are 0 or 1 and not probabilities.
        challenge: whether only the horizon of the challenge has it.
    """

    name: str
    label: str
    unit: str = ""
    greater_is_better: bool
    per_play: PerPlay | None = None
    per_session: PerSession | None = None
    of_grid: Callable[[Grid], Interval] | None = None
    value: Value | None = None
    ranks: bool = False
    for_rules: bool = False
    challenge: bool = False

    @property
    def heading(self) -> str:
        """The label with the unit, as the heading of a column.

        >>> METRICS["log_loss"].heading, METRICS["auc"].heading
        ('log loss, nats', 'AUC')
        """
        return f"{self.label}, {self.unit}" if self.unit else self.label


def is_right(skipped: Bools, probability: Floats) -> Floats:
    """Return 1 for each play that is predicted right, else 0.

    >>> is_right(np.array([True, False]), np.array([0.5, 0.5]))
    array([1., 0.])
    """
    result: Floats = (skipped == (probability >= THRESHOLD)).astype(np.float64)
    return result


def log_losses(skipped: Bools, probability: Floats) -> Floats:
    """Return the log loss of each play, 0..36 nats.

    >>> log_losses(np.array([True, False]), np.array([1.0, 0.5])).round(3) + 0.0
    array([0.   , 0.693])
    """
    of_outcome = np.where(skipped, probability, 1 - probability)
    result: Floats = -np.log(np.clip(of_outcome, TINY, 1))
    return result


def squared_errors(skipped: Bools, probability: Floats) -> Floats:
    """Return the squared error of each play, 0..1.

    >>> squared_errors(np.array([True]), np.array([0.5]))
    array([0.25])
    """
    result: Floats = (probability - skipped) ** 2
    return result


def accuracy(skipped: Bools, probability: Floats) -> float:
    """Return the share of plays that are predicted right, 0..1.

    >>> accuracy(np.array([True, False, False]), np.array([0.8, 0.4, 0.6]))
    0.6666666666666666
    """
    return float(is_right(skipped, probability).mean())


def log_loss(skipped: Bools, probability: Floats) -> float:
    """Return the mean log loss, 0..36 nats.

    >>> round(log_loss(np.array([True, False]), np.array([0.8, 0.4])), 3)
    0.367
    """
    return float(log_losses(skipped, probability).mean())


def auc(skipped: Bools, probability: Floats) -> float:
    """Return the area under the ROC curve, 0..1; NaN where all plays have one outcome.

    It differs from `Grid.auc`, which takes plays of one cell for equally probable, by about 1e-6.

    >>> auc(np.array([True, False]), np.array([0.8, 0.4]))
    1.0
    """
    return float(roc_auc_score(skipped, probability))


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            name="accuracy",
            label="accuracy",
            greater_is_better=True,
            per_play=is_right,
            value=accuracy,
            ranks=True,
            for_rules=True,
        ),
        Metric(
            name="log_loss",
            label="log loss",
            unit="nats",
            greater_is_better=False,
            per_play=log_losses,
            value=log_loss,
            ranks=True,
        ),
        Metric(
            name="brier",
            label="Brier score",
            greater_is_better=False,
            per_play=squared_errors,
        ),
        Metric(
            name="auc",
            label="AUC",
            greater_is_better=True,
            of_grid=lambda grid: grid.auc,
            value=auc,
        ),
        Metric(
            name="calibration_error",
            label="expected calibration error",
            greater_is_better=False,
            of_grid=lambda grid: grid.calibration_error,
        ),
        Metric(
            name="maa",
            label="mean average accuracy (MAA)",
            greater_is_better=True,
            per_session=average_accuracy,
            for_rules=True,
            challenge=True,
        ),
        Metric(
            name="fpa",
            label="first prediction accuracy (FPA)",
            greater_is_better=True,
            per_session=first_accuracy,
            for_rules=True,
            challenge=True,
        ),
    )
}
"""By name, in the order of files and tables."""

RANKING = tuple(name for name, metric in METRICS.items() if metric.ranks)
"""The metrics that rank and compare models, in the order in which they decide."""


def evaluate(skipped: Bools, probability: Floats) -> dict[str, float]:
    """Return the scores of a trial by name: accuracy, log loss (nats) and AUC, no intervals.

    >>> evaluate(np.array([True, False, False]), np.array([0.8, 0.4, 0.6]))["accuracy"]
    0.6666666666666666
    """
    return {
        name: metric.value(skipped, probability) for name, metric in METRICS.items() if metric.value
    }
