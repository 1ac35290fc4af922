"""The scores of the Sequential Skip Prediction Challenge."""

import numpy as np

from skipcast.arrays import Bools, Floats, Indices


def challenge_scores(right: Bools, sessions: Indices) -> tuple[Floats, Floats]:
    """Return what the Sequential Skip Prediction Challenge scores in each session.

    Args:
        right: whether each prediction of a session's second half is right, in order of position.
        sessions: a number for each play: 0, 1, 2, ... in one run of plays each.

    Returns:
        Of each session the average accuracy, the mean over i of (accuracy of the first i
        predictions) where the i-th is right, else 0; and whether the first prediction is right,
        1 or 0. Their means over sessions are the challenge's MAA and FPA.

    >>> challenge_scores(np.array([False, True, True, True, True]), np.zeros(5, int))[0].round(3)
    array([0.543])
    """
    starts = np.flatnonzero(np.diff(sessions, prepend=-1))
    plays = np.diff(starts, append=len(right))
    first = np.repeat(starts, plays)
    total = np.cumsum(right)
    right_so_far: Indices = total - (total - right)[first]
    so_far = np.arange(len(right)) - first + 1
    credit = np.where(right, right_so_far / so_far, 0.0)
    return np.add.reduceat(credit, starts) / plays, right[starts].astype(np.float64)
