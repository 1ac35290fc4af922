"""Random draws with nearly exact shares, so that small twins meet the statistics, too."""

import numpy as np

from skipcast.arrays import Counts, Floats

GOLDEN = 0.6180339887498949  # multiples of it, modulo 1, are a low-discrepancy sequence


def even(rng: np.random.Generator, n: int) -> Floats:
    """Draw n numbers in 0..1, one in each n-th of the interval, in random order.

    >>> sorted((even(np.random.default_rng(0), 4) * 4).astype(int).tolist())
    [0, 1, 2, 3]
    """
    return (rng.permutation(n) + rng.random(n)) / n


def even_in_groups(group: Counts, order: Floats, rng: np.random.Generator) -> Floats:
    """Draw a number in 0..1 per session, evenly within each group and along `order`.

    The numbers are a low-discrepancy sequence with a random start. Independent draws would let the
    rates of small groups stray further than their tolerance at 10,000 sessions: an hour of the
    night has 76.

    Args:
        group: (n,) the number of the group of each session.
        order: (n,) sessions of a group whose values are neighbours get numbers far from each other.
        rng: gives the start and nothing else.

    >>> group, order = np.array([1, 1, 0, 0]), np.array([0.1, 0.2, 0.3, 0.4])
    >>> np.diff(even_in_groups(group, order, np.random.default_rng(0))[[0, 1]] < 0.5).tolist()
    [True]
    """
    numbers = np.empty(len(group))
    places = np.arange(len(group)) * GOLDEN
    numbers[np.lexsort((order, group))] = (rng.random() + places) % 1
    return np.clip(numbers, 1e-9, 1 - 1e-9)


def pick(u: Floats, shares: Floats) -> Counts:
    """Turn numbers in 0..1 into indices 0..k-1 that occur with given shares.

    Args:
        u: (n,) numbers, evenly distributed in 0..1.
        shares: (k,) the same for all, or (n, k) for each; they sum to 1.

    >>> pick(np.array([0.1, 0.6]), np.array([0.5, 0.5])).tolist()
    [0, 1]
    """
    bounds = np.cumsum(shares, axis=-1)[..., :-1]
    if bounds.ndim == 1:
        return np.searchsorted(bounds, u, side="right")
    return np.asarray((u[:, None] >= bounds).sum(axis=1))
