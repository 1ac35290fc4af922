"""The scores of the Sequential Skip Prediction Challenge (Brost, Mehrotra, Jehan, 2019).

The challenge predicts the second half of each session. It scores sessions, not plays: both scores
are a number per session, and the challenge's score is their mean over sessions.

A right answer counts for more among right ones, and the outcomes of a session go together. So the
answers of a session are decided together: `decide` turns probabilities into answers.
"""

import numpy as np

from skipcast.arrays import Array, Bools, Floats, Indices
from skipcast.schema import THRESHOLD

# Correlation of the outcomes of two plays given their probabilities, times how many places they are
# apart. On the twin .42, .26, .19, .16 and .13 at one to five places. From .2 to .5 the average
# accuracy is the same (docs/challenge.md); less of it costs less accuracy of the first answers.
GO_TOGETHER = 0.3
TOGETHER = 20  # places that are decided together: twice as many as the challenge's sessions have
SWEEPS = 10  # over the places, at most: two or three are enough for nearly all sessions


def decide(probability: Floats, sessions: Indices) -> Bools:
    """Return whether to answer "skipped" for each play, where the challenge scores the answers.

    The answers of a session are those of the highest expected average accuracy that are found by
    changing one at a time, from two starts: each play by its own probability, and all alike. From
    the place `TOGETHER` on, each play is answered by its own.

    Args:
        probability: of a skip, in order of session and position, 0..1.
        sessions: as in `average_accuracy`.

    A first play that is a little less likely than not to be skipped, before two that probably are:

    >>> decide(np.array([0.48, 0.8, 0.9]), np.zeros(3, int))
    array([ True,  True,  True])
    """
    starts, plays = _runs(sessions)
    place = np.arange(len(sessions)) - np.repeat(starts, plays)
    known = place < TOGETHER
    at = place[known], np.repeat(np.arange(len(plays)), plays)[known]
    each = np.full((min(plays.max(initial=0), TOGETHER), len(plays)), np.nan)
    each[at] = probability[known]
    answers: Bools = probability >= THRESHOLD
    answers[known] = (_Together(each).best() > 0)[at]
    return answers


class _Together:
    """The answers of many sessions: 1 for skipped, -1 for not.

    Two answers are both right with the product of their probabilities to be right, and more or less
    by how their outcomes go together.

    Args:
        probability: places x sessions, NaN behind a session's end.
    """

    def __init__(self, probability: Floats) -> None:
        place = np.arange(1, len(probability) + 1)
        between = np.abs(place[:, None] - place)
        self.own = 1 / place
        self.pair = np.where(between > 0, 1 / np.maximum(place[:, None], place), 0.0)
        self.common = self.pair * GO_TOGETHER / np.maximum(between, 1)
        self.exists = ~np.isnan(probability)
        skip = np.where(self.exists, probability, THRESHOLD)
        self.edge = 2 * skip - 1
        self.spread = np.where(self.exists, np.sqrt(skip * (1 - skip)), 0.0)

    def best(self) -> Floats:
        """Return the best answers found: places x sessions."""
        own = np.where(self.edge >= 0, 1.0, -1.0)
        alike = np.where(_weighted(self.own, self.edge) >= 0, 1.0, -1.0) * np.ones_like(own)
        first, second = self._improved(own), self._improved(alike)
        return np.where(self._value(second) > self._value(first), second, first)

    def _improved(self, answers: Floats) -> Floats:
        for _ in range(SWEEPS):
            before = answers.copy()
            right, common = self._right(answers), answers * self.spread
            for place in range(len(answers)):
                gain = self.edge[place] * (self.own[place] + _weighted(self.pair[place], right))
                gain += 2 * self.spread[place] * _weighted(self.common[place], common)
                answers[place] = np.where(gain >= 0, 1, -1)
                right[place] = np.where(
                    self.exists[place], (1 + answers[place] * self.edge[place]) / 2, 0.0
                )
                common[place] = answers[place] * self.spread[place]
            if (answers == before).all():
                break
        return answers

    def _right(self, answers: Floats) -> Floats:
        """Return the probability that each answer is right."""
        return np.where(self.exists, (1 + answers * self.edge) / 2, 0.0)

    def _value(self, answers: Floats) -> Floats:
        """Return the expected sum of credits of each session."""
        right, common = self._right(answers), answers * self.spread
        value = _weighted(self.own, right)
        for place in range(len(answers)):
            value += right[place] * _weighted(self.pair[place], right) / 2
            value += common[place] * _weighted(self.common[place], common) / 2
        return value


def _weighted(weights: Floats, values: Array) -> Floats:
    """Return weighted sums over places; the bits of a session do not depend on the others."""
    result: Floats = (weights[:, None] * values).sum(axis=0)
    return result


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
