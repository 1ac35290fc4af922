"""How the feature values of a model's training plays are distributed, in bins."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from skipcast.arrays import Counts, Floats, Matrix

if TYPE_CHECKING:  # a server does not read params.yaml
    pass

BINS = 10


def reference(features: Matrix, probability: Floats) -> dict[str, Any]:
    """Describe what a model was trained on: `edges` between bins, `counts` in them, the mean.

    Bins hold about equally many plays; the last one is for missing values.

    Args:
        features: plays x features.
        probability: what the model answers for them.
    """
    edges = [_edges(column) for column in features.T]
    return {
        "edges": edges,
        "counts": count(features, edges).tolist(),
        "mean_probability": float(probability.mean()),
    }


def _edges(values: npt.NDArray[np.float32]) -> list[float]:
    given = values[~np.isnan(values)]
    if not given.size:
        return []
    inner = np.unique(np.quantile(given, np.arange(1, BINS) / BINS, method="lower"))
    edges: list[float] = inner.tolist()
    return edges


def count(features: Matrix, edges: list[list[float]]) -> Counts:
    """Count the values of each feature by bin: features x (`BINS` + 1), the last for missing ones.

    >>> count(np.array([[1], [3], [np.nan]], np.float32), [[2.0]])
    array([[1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1]])
    """
    counts = np.zeros((len(edges), BINS + 1), np.int64)
    for column, inner, row in zip(features.T, edges, counts, strict=True):
        bins = np.where(
            np.isnan(column), BINS, np.searchsorted(np.array(inner, np.float32), column)
        )
        row += np.bincount(bins, minlength=BINS + 1)
    return counts
