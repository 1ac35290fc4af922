"""Calibration: whether plays of a predicted probability are skipped as often as that.

In all functions, `skipped` says whether each play was skipped, and `probability` is the predicted
probability of that, 0..1 and never NaN.
"""

from collections.abc import Callable

import numpy as np

from skipcast.arrays import Bools, Floats, Indices

BINS = 10
TAIL = 0.025  # of the samples that may lie beyond either end of a 95 % interval
FAR = 10.0  # standard errors: no gap is plausibly so much wider than it was measured
FINEST = 1e-9  # standard error of a gap at least, a share of plays
HALVINGS = 60  # of what is searched: from 1 / FINEST down to a millionth


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


def error_ends(gaps: Floats, noise: Floats) -> tuple[float, float]:
    """Return the ends of the 95 % interval of the expected calibration error, the sum of |gaps|.

    Chance moves the sum of absolute values up only: it is above 0 for a calibrated model, too, and
    in bootstrap samples, which add chance to chance, above the estimate. The middle of the samples
    is therefore no interval. This one is a test turned round (Carpenter 1999, "Test inversion
    bootstrap confidence intervals"): it holds those true errors under which an estimate like this
    is no surprise, neither among the highest nor among the lowest 2.5 %. The true gaps that are
    tried are the measured ones, each drawn towards 0, or away from it, by equally many standard
    errors (soft thresholding), as small gaps are mostly chance. 0 is in the interval where the
    plays do not tell the model from a calibrated one; the estimate always is.

    Args:
        gaps: per bin, how far the predictions exceed the outcomes, as a share of all plays, -1..1.
        noise: samples x bins; by how much the gaps of each bootstrap sample differ from `gaps`.

    >>> noise = np.random.default_rng(0).normal(0, 0.01, (1000, 2))
    >>> [round(end, 2) for end in error_ends(np.array([0.25, -0.25]), noise)]
    [0.47, 0.53]
    >>> error_ends(np.array([0.01, -0.01]), noise)[0]
    0.0
    """
    error = float(np.abs(gaps).sum())
    scale = np.maximum(noise.std(axis=0), FINEST)
    calibrated = float((np.abs(gaps) / scale).max())  # drawn so far, all gaps are 0

    def true_gaps(drawn: float) -> Floats:
        result: Floats = np.sign(gaps) * np.maximum(np.abs(gaps) - drawn * scale, 0)
        return result

    def quantile(drawn: float, share: float) -> float:
        return float(np.quantile(np.abs(true_gaps(drawn) + noise).sum(axis=1), share))

    most = _last(lambda drawn: error <= quantile(drawn, 1 - TAIL), 0, calibrated)
    least = _last(lambda drawn: error >= quantile(drawn, TAIL), calibrated, -FAR)
    low, high = (float(np.abs(true_gaps(drawn)).sum()) for drawn in (most, least))
    return low, high


def _last(holds: Callable[[float], bool], start: float, stop: float) -> float:
    """Return the last number from `start` towards `stop` at which a condition still holds."""
    if holds(stop):
        return stop
    for _ in range(HALVINGS):
        middle = (start + stop) / 2
        start, stop = (middle, stop) if holds(middle) else (start, middle)
    return start
