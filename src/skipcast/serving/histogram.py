"""Histograms of feature values: of the plays that a model was trained on, and of others.

Those of training are kept by position, as many features grow or settle with it: whoever scores only
the last play of each session has other positions, and must not take that for other listeners.
"""

from typing import Any

import numpy as np

from skipcast.arrays import Counts, Floats, Indices, Matrix
from skipcast.models.family import Dataset

BINS = 10
SAMPLE = 200_000  # plays that decide where a bin ends, at most: to a thousandth of all
PLACES = 20  # positions told apart, as long as the dataset's sessions; later ones count as the last


def reference(train: Dataset, probability: Floats) -> dict[str, Any]:
    """Return the histograms of the plays that a model was trained on.

    Args:
        train: the plays; their features are read one part at a time, twice.
        probability: what the model answers for them.

    Returns:
        `edges`, by feature, at most `BINS` - 1 ascending edges between bins of about equally many
        plays, by `SAMPLE` of them; and for each of `PLACES` positions `plays`, their number,
        `counts`, as `count` returns them, and `probability`, the sum.

    >>> values, places = np.array([[1], [2]], np.float32), np.array([1, 2])
    >>> train = Dataset.of(values, np.array([True, False]), places, places)
    >>> made = reference(train, np.array([0.2, 0.4]))
    >>> made["edges"], made["plays"][:3], made["probability"][:3]
    ([[1.0]], [1, 1, 0], [0.2, 0.4, 0.0])
    """
    edges = [_edges(column) for column in _sample(train).T]
    place = _place(train.positions)
    counts = np.zeros((PLACES, len(edges), BINS + 1), np.int64)
    first = 0
    for features, _ in train.parts():
        at = place[first : first + len(features)]
        for number in range(PLACES):
            counts[number] += count(features[at == number], edges)
        first += len(features)
    return {
        "edges": edges,
        "plays": np.bincount(place, minlength=PLACES).tolist(),
        "counts": counts.tolist(),
        "probability": [float(probability[place == number].sum()) for number in range(PLACES)],
    }


def _sample(train: Dataset) -> Matrix:
    """Return every so many-th play, the same ones however the plays are cut into parts."""
    step = -(-sum(train.rows) // SAMPLE)
    chosen, first = [], 0
    for features, _ in train.parts():
        chosen.append(features[-first % step :: step])
        first += len(features)
    return np.concatenate(chosen)


def expected(trained: dict[str, Any], positions: Indices) -> dict[str, Any]:
    """Return what plays at `positions` give if they are like those that a model was trained on.

    A position without any training play is taken for the nearest that has some.

    Args:
        trained: what `reference` returned.
        positions: place of each play in its session: 1, 2, ...

    Returns:
        `counts`, features x bins, as `count` returns them, but not whole; `probability`, the sum.

    >>> values, places = np.array([[1], [2]], np.float32), np.array([1, 2])
    >>> train = Dataset.of(values, np.array([True, False]), places, places)
    >>> made = reference(train, np.array([0.2, 0.4]))
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
