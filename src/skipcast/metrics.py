"""How good predictions are."""

import numpy as np
import numpy.typing as npt
from sklearn.metrics import log_loss, roc_auc_score

from skipcast.schema import THRESHOLD

Floats = npt.NDArray[np.float64]


def accuracy(skipped: npt.NDArray[np.bool_], probability: Floats) -> float:
    """Return the share of plays that `probability` of being skipped, 0..1, calls rightly, 0..1.

    >>> accuracy(np.array([True, False, False]), np.array([0.8, 0.4, 0.6]))
    0.6666666666666666
    """
    return float(np.mean((probability >= THRESHOLD) == skipped))


def evaluate(skipped: npt.NDArray[np.bool_], probability: Floats) -> dict[str, float]:
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


def calibration_bins(probability: Floats, bins: int = 10) -> npt.NDArray[np.intp]:
    """Number each play by its probability: `bins` bins of about equally many plays, 0, 1, 2, ...

    Plays of the same probability are in the same bin, so some bins may be empty.

    >>> calibration_bins(np.array([0.1, 0.9, 0.2, 0.8]), bins=2)
    array([0, 1, 0, 1])
    """
    edges = np.quantile(probability, np.linspace(0, 1, bins + 1)[1:-1])
    return np.searchsorted(edges, probability, side="right")


def calibration(
    skipped: npt.NDArray[np.bool_], probability: Floats
) -> tuple[Floats, Floats, npt.NDArray[np.intp]]:
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


def calibration_error(skipped: npt.NDArray[np.bool_], probability: Floats) -> float:
    """Return the expected calibration error, 0..1.

    The mean distance, over the bins of `calibration` by their plays, between what was predicted and
    what happened.

    >>> calibration_error(np.array([True, False]), np.array([0.75, 0.25]))
    0.25
    """
    predicted, happened, plays = calibration(skipped, probability)
    return float(np.average(np.abs(predicted - happened), weights=plays))


def paired_difference(
    one: Floats, other: Floats, sessions: npt.NDArray[np.intp], *, seed: int, samples: int = 1000
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
    excess = np.bincount(sessions, one - other)
    plays = np.bincount(sessions)
    even = np.full(len(plays), 1 / len(plays))
    drawn = np.random.default_rng(seed).multinomial(len(plays), even, size=samples)
    differences = drawn @ excess / (drawn @ plays)
    low, high = np.quantile(differences, (0.025, 0.975))
    return float(excess.sum() / plays.sum()), float(low), float(high)
