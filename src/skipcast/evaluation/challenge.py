"""The scores of the Sequential Skip Prediction Challenge (Brost, Mehrotra, Jehan, 2019).

The challenge predicts the second half of each session. It scores sessions, not plays: both
functions return a number per session, and the challenge's score is their mean over sessions.
"""

import numpy as np

from skipcast.arrays import Bools, Floats, Indices


def average_accuracy(right: Bools, sessions: Indices) -> Floats:
    """Return the average accuracy of each session, 0..1; its mean is the challenge's MAA.

    The average accuracy of a session is the mean over i of the accuracy of its first i predictions,
    where a position i with a wrong prediction counts 0.

    Args:
        right: whether each prediction is right, in order of session and position.
        sessions: a number for each play: 0, 1, 2, ...; all plays of a session are neighbours.

    >>> average_accuracy(np.array([False, True, True, True, True]), np.zeros(5, int)).round(3)
    array([0.543])
    """
    starts, plays = _runs(sessions)
    first = np.repeat(starts, plays)  # the row where the session of each play starts
    total = np.cumsum(right)
    right_so_far: Indices = total - (total - right)[first]
    plays_so_far = np.arange(len(right)) - first + 1
    credit = np.where(right, right_so_far / plays_so_far, 0.0)
    result: Floats = np.add.reduceat(credit, starts) / plays
    return result


def first_accuracy(right: Bools, sessions: Indices) -> Floats:
    """Return 1 for each session whose first prediction is right, else 0; its mean is the FPA.

    Args:
        right: as in `average_accuracy`.
        sessions: as in `average_accuracy`.

    >>> first_accuracy(np.array([False, True, True]), np.array([0, 0, 1]))
    array([0., 1.])
    """
    starts, _ = _runs(sessions)
    return right[starts].astype(np.float64)


def _runs(sessions: Indices) -> tuple[Indices, Indices]:
    """Return the first row and the number of rows of each session."""
    starts = np.flatnonzero(np.diff(sessions, prepend=-1))
    return starts, np.diff(starts, append=len(sessions))
