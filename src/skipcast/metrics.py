"""How good predictions are."""

import numpy as np
import numpy.typing as npt
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score

from skipcast.schema import THRESHOLD

Floats = npt.NDArray[np.float64]


def evaluate(skipped: npt.NDArray[np.bool_], probability: Floats) -> dict[str, float]:
    """Return accuracy, log loss (nats) and AUC of `probability` of being skipped, 0..1.

    Raises:
        ValueError: the plays are all skipped or all not: AUC is not defined.

    >>> evaluate(np.array([True, False, False]), np.array([0.8, 0.4, 0.6]))["accuracy"]
    0.6666666666666666
    """
    return {
        "accuracy": float(accuracy_score(skipped, probability >= THRESHOLD)),
        "log_loss": float(log_loss(skipped, probability, labels=[False, True])),
        "auc": float(roc_auc_score(skipped, probability)),
    }


def majority(train: npt.NDArray[np.bool_], skipped: npt.NDArray[np.bool_]) -> dict[str, float]:
    """Return the accuracy of always answering what most plays of `train` were.

    >>> majority(np.array([True, True, False]), np.array([True, False]))
    {'accuracy': 0.5}
    """
    return {"accuracy": float(np.mean(skipped == (train.mean() >= THRESHOLD)))}


def repeat_last(
    train: npt.NDArray[np.bool_],
    skipped: npt.NDArray[np.bool_],
    previous: Floats,
) -> dict[str, float]:
    """Return the accuracy of "same as the last play"; first plays get the majority of `train`.

    Args:
        train: outcomes of the training plays.
        skipped: outcomes of the plays to predict.
        previous: outcomes of the plays before those, 0 or 1; NaN where there is none.

    >>> repeat_last(np.array([True]), np.array([False, False]), np.array([np.nan, 0]))
    {'accuracy': 0.5}
    """
    usual = float(train.mean() >= THRESHOLD)
    answer = np.where(np.isnan(previous), usual, previous)
    return {"accuracy": float(np.mean(skipped == (answer >= THRESHOLD)))}
