"""Histograms of feature values: of the plays that a model was trained on, and of others.

Those of training are kept by position, as many features grow or settle with it: whoever scores only
the last play of each session has other positions, and must not take that for other listeners.
"""

from typing import Any

import numpy as np

from skipcast.arrays import Counts, Floats, Indices, Matrix

BINS = 10
PLACES = 20  # positions told apart, as long as the dataset's sessions; later ones count as the last


def reference(features: Matrix, probability: Floats, positions: Indices) -> dict[str, Any]:
    """Return the histograms of the plays that a model was trained on.

    Args:
        features: plays x features.
        probability: what the model answers for them.
        positions: place of each play in its session: 1, 2, ...

    Returns:
        `edges`, by feature, at most `BINS` - 1 ascending edges between bins of about equally many
        plays; and for each of `PLACES` positions `plays`, their number, `counts`, as `count`
        returns them, and `probability`, the sum.

    >>> made = reference(np.array([[1], [2]], np.float32), np.array([0.2, 0.4]), np.array([1, 2]))
    >>> made["edges"], made["plays"][:3], made["probability"][:3]
    ([[1.0]], [1, 1, 0], [0.2, 0.4, 0.0])
    """
    edges = [_edges(column) for column in features.T]
    rows_at = [_place(positions) == place for place in range(PLACES)]
    return {
        "edges": edges,
        "plays": [int(rows.sum()) for rows in rows_at],
        "counts": [count(features[rows], edges).tolist() for rows in rows_at],
        "probability": [float(probability[rows].sum()) for rows in rows_at],
    }


def expected(trained: dict[str, Any], positions: Indices) -> dict[str, Any]:
    """Return what plays at `positions` give if they are like those that a model was trained on.

    A position without any training play is taken for the nearest that has some.

    Args:
        trained: what `reference` returned.
        positions: place of each play in its session: 1, 2, ...

    Returns:
        `counts`, features x bins, as `count` returns them, but not whole; `probability`, the sum.

    >>> made = reference(np.array([[1], [2]], np.float32), np.array([0.2, 0.4]), np.array([1, 2]))
    >>> expected(made, np.array([2, 2, 3]))["probability"]
    1.2
    """
    plays = np.array(trained["plays"])
    present = np.flatnonzero(plays)
    nearest = present[np.abs(present - _place(positions)[:, None]).argmin(axis=1)]
    weights = np.bincount(nearest, minlength=PLACES) / np.maximum(plays, 1)
    return {
        "counts": np.tensordot(weights, np.array(trained["counts"]), axes=1).tolist(),
        "probability": round(float(weights @ trained["probability"]), 12),
    }


def _place(positions: Indices) -> Indices:
    """Number positions from 0; from the last of `PLACES` on, they are one."""
    return np.minimum(positions, PLACES) - 1


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
