"""Calibration: whether plays of a predicted probability are skipped as often as that.

`grid.py` counts the plays and the skips that both functions here are about.
"""

from collections.abc import Callable

import numpy as np

from skipcast.arrays import Floats, Indices

BINS = 10
TAIL = 0.025  # of the samples that may lie beyond either end of a 95 % interval
FAR = 10.0  # standard errors: no gap is plausibly so much wider than it was measured
FINEST = 1e-9  # standard error of a gap at least, a share of plays
HALVINGS = 60  # of what is searched: from 1 / FINEST down to a millionth


def calibration_bins(plays: Floats) -> Indices:
    """Put cells of probability into `BINS` bins of about equally many plays: 0, 1, 2, ...

    A bin begins at the cell of a quantile. Where many plays have one probability, some bins are
    empty.

    Args:
        plays: the number of plays in each cell, in order of probability; one play or more in all.

    >>> calibration_bins(np.array([50, 0, 25, 25]))
    array([4, 4, 7, 9])
    """
    last = plays.sum() - 1
    quantiles = np.ceil(np.linspace(0, last, BINS + 1)[1:-1])  # numbers of plays, from 0
    edges = np.searchsorted(plays.cumsum(), quantiles, side="right")
    return np.searchsorted(edges, np.arange(len(plays)), side="right")


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
