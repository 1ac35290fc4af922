"""Plays and skips by cells of predicted probability: what curves and areas are made of.

Counts add up over parts of the plays, as single probabilities, which would have to be sorted, do
not. Plays of one cell count as equally probable. The cells are evenly spaced by the arcsine of the
root of the probability: fine near 0 and 1, where rare outcomes are. One begins at 0.5.
"""

from dataclasses import dataclass

import numpy as np

from skipcast.arrays import Bools, Counts, Floats, Indices
from skipcast.evaluation.bootstrap import Interval, Resamples
from skipcast.evaluation.calibration import calibration_bins, error_ends
from skipcast.schema import THRESHOLD

CELLS = 1024
EDGES = np.sin(np.pi / 2 * np.arange(1, CELLS) / CELLS) ** 2
EDGES[CELLS // 2 - 1] = THRESHOLD  # without the rounding: these plays are called skipped


def cells(probability: Floats) -> Indices:
    """Return the number of the cell of each probability: 0 .. `CELLS` - 1.

    >>> cells(np.array([0.0, 0.5, 1.0]))
    array([   0,  512, 1023])
    """
    return np.searchsorted(EDGES, probability, side="right")


@dataclass(frozen=True)
class Grid:
    """The plays of some sessions, and of bootstrap samples of them; grids add up.

    Attributes:
        counts: 2 x `CELLS` x (1 + samples), how many plays were not skipped, and were.
        probability: the sum of the predicted probabilities in each cell.
    """

    counts: Floats
    probability: Floats

    @classmethod
    def of(cls, skipped: Bools, probability: Floats, resamples: Resamples | None = None) -> "Grid":
        """Count plays.

        Args:
            skipped: whether each play was skipped.
            probability: the predicted probability of that, 0..1.
            resamples: of the plays; without them, there are no samples.

        >>> Grid.of(np.array([True, False]), np.array([0.8, 0.4])).auc.value
        1.0
        """
        at = cells(probability)
        code = at + CELLS * skipped
        if resamples is None:
            counts = np.bincount(code, minlength=2 * CELLS).astype(np.float64)
        else:
            counts = resamples.counts(code, 2 * CELLS)
        return cls(
            counts.reshape(2, CELLS, -1), np.bincount(at, probability, CELLS).astype(np.float64)
        )

    def __add__(self, other: "Grid") -> "Grid":
        """Return the grid of the plays of both."""
        return Grid(self.counts + other.counts, self.probability + other.probability)

    @property
    def auc(self) -> Interval:
        """The area under the ROC curve, 0..1; plays of one cell count half."""
        others, skips = self.counts
        below = others.cumsum(axis=0) - others / 2
        with np.errstate(invalid="ignore"):  # a sample may lack one outcome
            areas = (skips * below).sum(axis=0) / (skips.sum(axis=0) * others.sum(axis=0))
        return Interval.of(areas)

    @property
    def roc(self) -> tuple[Floats, Floats]:
        """The shares of other plays and of skips, 0..1, that are called skipped; both ascend."""
        others, skips = (
            np.append(0, counts[::-1].cumsum() / counts.sum()) for counts in self.counts[..., 0]
        )
        return others, skips

    @property
    def precision_recall(self) -> tuple[Floats, Floats]:
        """By cell that has plays, from the highest: share of right calls, share of skips found."""
        plays, skips = (n[::-1].cumsum() for n in (self.plays, self.counts[1, :, 0]))
        rows = self.plays[::-1] > 0
        return skips[rows] / plays[rows], skips[rows] / skips[-1]

    @property
    def plays(self) -> Floats:
        """The number of plays in each cell."""
        result: Floats = self.counts[..., 0].sum(axis=0)
        return result

    @property
    def skip_rate(self) -> float:
        """The share of plays that were skipped, 0..1."""
        return float(self.counts[1, :, 0].sum() / self.plays.sum())

    @property
    def mean_probability(self) -> Floats:
        """The mean of the predicted probabilities in each cell, 0..1; 0 where there is no play."""
        result: Floats = self.probability / np.maximum(self.plays, 1)
        return result

    @property
    def confusion(self) -> Counts:
        """The number of plays by what they were, not skipped or skipped, and were called."""
        halves = self.counts[..., 0].reshape(2, 2, -1).sum(axis=2)
        result: Counts = halves.astype(np.int64)
        return result

    @property
    def calibration(self) -> tuple[Floats, Floats, Floats]:
        """Of each of `calibration_bins` that is not empty, in order of probability.

        The mean predicted probability, the share of skipped plays, and the number of plays.

        >>> Grid.of(np.array([True, False]), np.array([0.75, 0.25])).calibration[1]
        array([0., 1.])
        """
        bins = calibration_bins(self.plays)
        sums = (self.probability, self.counts[1, :, 0], self.plays)
        probability, skips, plays = (np.bincount(bins, each).astype(np.float64) for each in sums)
        filled = plays > 0
        return (
            probability[filled] / plays[filled],
            skips[filled] / plays[filled],
            plays[filled],
        )

    @property
    def calibration_error(self) -> Interval:
        """The expected calibration error over `calibration_bins`, 0..1.

        It is the mean over the bins, weighted by their plays, of how far the mean probability of a
        bin is from its share of skipped plays. No bias is subtracted: chance alone makes it greater
        than 0. The interval is that of `error_ends`, for the error that endless plays would show;
        it reaches to the estimate where it would end below.

        >>> Grid.of(np.array([True, False]), np.array([0.75, 0.25])).calibration_error.value
        0.25
        """
        counts = self.counts[..., self.counts.any(axis=(0, 1))]  # a sample may be empty
        plays = counts.sum(axis=0)
        # In a sample, too, the plays of a cell count with the cell's mean: within a cell, what
        # differs is a thousandth of what outcomes differ by.
        excess = self.mean_probability[:, None] * plays - counts[1]
        bins = calibration_bins(self.plays)
        starts = np.flatnonzero(np.diff(bins, prepend=-1))
        gaps = np.add.reduceat(excess, starts) / plays.sum(axis=0)
        value = float(np.abs(gaps[:, 0]).sum())
        if gaps.shape[1] == 1:
            return Interval(value, np.nan, np.nan)
        low, high = error_ends(gaps[:, 0], (gaps[:, 1:] - gaps[:, :1]).T)
        return Interval(value, min(low, value), max(high, value))
