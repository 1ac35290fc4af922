"""Calibration: whether plays of a predicted probability are skipped as often as that.

In all functions, `skipped` says whether each play was skipped, and `probability` is the predicted
probability of that, 0..1 and never NaN.
"""

import numpy as np

from skipcast.arrays import Bools, Floats, Indices

BINS = 10


def calibration_bins(probability: Floats, bins: int = BINS) -> Indices:
    """Number each play by its probability: `bins` bins of about equally many plays, 0, 1, 2, ...

    Plays of the same probability are in the same bin, so some bins may be empty.

    >>> calibration_bins(np.array([0.1, 0.9, 0.2, 0.8]), bins=2)
    array([0, 1, 0, 1])
    """
    edges = np.quantile(probability, np.linspace(0, 1, bins + 1)[1:-1])
    return np.searchsorted(edges, probability, side="right")


def calibration(skipped: Bools, probability: Floats) -> tuple[Floats, Floats, Indices]:
    """Return the prediction and the outcome of each of `calibration_bins` that is not empty.

    Returns:
        The mean probability, the share of skipped plays and the number of plays of each bin, in
        order of probability.

    >>> calibration(np.array([True, False]), np.array([0.75, 0.25]))[1]
    array([0., 1.])
    """
    bins = calibration_bins(probability)
    plays = np.bincount(bins)
    filled = plays > 0
    probability_sums, skips = (np.bincount(bins, x)[filled] for x in (probability, skipped))
    plays = plays[filled]
    return probability_sums / plays, skips / plays, plays
