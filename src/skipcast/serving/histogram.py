"""Histograms of feature values: of the plays that a model was trained on, and of others."""

from typing import Any

import numpy as np

from skipcast.arrays import Counts, Floats, Matrix

BINS = 10


def reference(features: Matrix, probability: Floats) -> dict[str, Any]:
    """Return the histograms of the plays that a model was trained on.

    Args:
        features: plays x features.
        probability: what the model answers for them.

    Returns:
        `edges`, by feature, at most `BINS` - 1 ascending edges between bins of about equally many
        plays; `counts`, as `count` returns them; `mean_probability`.

    >>> reference(np.array([[1], [2]], np.float32), np.array([0.2, 0.4]))["edges"]
    [[1.0]]
    """
    edges = [_edges(column) for column in features.T]
    return {
        "edges": edges,
        "counts": count(features, edges).tolist(),
        "mean_probability": float(probability.mean()),
    }


def _edges(values: Matrix) -> list[float]:
    present = values[~np.isnan(values)]
    if not present.size:
        return []
    inner = np.unique(np.quantile(present, np.arange(1, BINS) / BINS, method="lower"))
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
