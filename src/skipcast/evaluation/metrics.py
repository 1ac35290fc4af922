"""How good predictions are; `bootstrap.py` gives the intervals."""

import numpy as np
from sklearn.metrics import log_loss, roc_auc_score

from skipcast.arrays import Bools, Floats, Indices
from skipcast.evaluation.bootstrap import Resamples
from skipcast.schema import THRESHOLD


def accuracy(skipped: Bools, probability: Floats) -> float:
    """Return the share of plays that `probability` of being skipped, 0..1, calls rightly, 0..1.

    >>> accuracy(np.array([True, False, False]), np.array([0.8, 0.4, 0.6]))
    0.6666666666666666
    """
    return float(np.mean((probability >= THRESHOLD) == skipped))


def evaluate(skipped: Bools, probability: Floats) -> dict[str, float]:
    """Return accuracy, log loss (nats) and AUC of `probability` of being skipped, 0..1.

    Raises:
        ValueError: the plays are all skipped or all not: AUC is not defined.

    >>> evaluate(np.array([True, False, False]), np.array([0.8, 0.4, 0.6]))["accuracy"]
    0.6666666666666666
    """
    return {
        "accuracy": accuracy(skipped, probability),
        "log_loss": float(log_loss(skipped, probability, labels=[False, True])),
        "auc": float(roc_auc_score(skipped, probability)),
    }


def calibration_bins(probability: Floats, bins: int = 10) -> Indices:
    """Number each play by its probability: `bins` bins of about equally many plays, 0, 1, 2, ...

    Plays of the same probability are in the same bin, so some bins may be empty.

    >>> calibration_bins(np.array([0.1, 0.9, 0.2, 0.8]), bins=2)
    array([0, 1, 0, 1])
    """
    edges = np.quantile(probability, np.linspace(0, 1, bins + 1)[1:-1])
    return np.searchsorted(edges, probability, side="right")


def calibration(skipped: Bools, probability: Floats) -> tuple[Floats, Floats, Indices]:
    """Return of each of `calibration_bins` that is not empty what was predicted and what happened.

    Returns:
        The mean probability, the share skipped and the number of plays, in order of probability.

    >>> calibration(np.array([True, False]), np.array([0.75, 0.25]))[1]
    array([0., 1.])
    """
    bins = calibration_bins(probability)
    plays = np.bincount(bins)
    held = plays > 0
    predicted, happened = (np.bincount(bins, values)[held] for values in (probability, skipped))
    return predicted / plays[held], happened / plays[held], plays[held]


def calibration_error(skipped: Bools, probability: Floats) -> float:
    """Return the expected calibration error, 0..1.

    The mean distance, over the bins of `calibration` by their plays, between what was predicted and
    what happened.

    >>> calibration_error(np.array([True, False]), np.array([0.75, 0.25]))
    0.25
    """
    predicted, happened, plays = calibration(skipped, probability)
    return float(np.average(np.abs(predicted - happened), weights=plays))


def paired_difference(
    one: Floats, other: Floats, sessions: Indices, *, seed: int, samples: int = 1000
) -> tuple[float, float, float]:
    """Return how much the mean of `one` exceeds that of `other`, and its 95 % interval.

    A bootstrap over whole sessions, as plays of one session are alike; both are resampled together,
    as they are scores of the same plays.

    Args:
        one: a score of each play, such as 1 where a prediction is right.
        other: the same for another model.
        sessions: a number for each play, the same for all plays of a session: 0, 1, 2, ...
        seed: any whole number.
        samples: bootstrap samples.

    >>> paired_difference(np.ones(4), np.zeros(4), np.array([0, 0, 1, 1]), seed=0)
    (1.0, 1.0, 1.0)
    """
    excess = Resamples(sessions, seed=seed, samples=samples).mean(one - other)
    return excess.value, excess.low, excess.high
