"""Which model is best.

The highest accuracy wins. Models whose accuracy does not differ significantly from the highest are
ranked by log loss. Where models are scored as the challenge does, its mean average accuracy (MAA)
stands for accuracy, and its first prediction accuracy (FPA) for log loss.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skipcast.arrays import Bools, Floats, Indices
from skipcast.evaluation.bootstrap import excess
from skipcast.evaluation.challenge import average_accuracy, decide, first_accuracy
from skipcast.schema import THRESHOLD, RankBy


@dataclass(frozen=True)
class Scored:
    """A model's scores on the validation plays.

    Attributes:
        name: of the model.
        accuracy: 0..1.
        log_loss: nats.
        right: 1 for each play that the model predicts right, else 0.
        average_accuracy: of each session, 0..1, where models are ranked by MAA; else None.
        fpa: 0..1, as well.
    """

    name: str
    accuracy: float
    log_loss: float
    right: Floats
    average_accuracy: Floats | None = None
    fpa: float | None = None

    @property
    def maa(self) -> float | None:
        """The mean average accuracy, where models are ranked by it."""
        return None if self.average_accuracy is None else float(self.average_accuracy.mean())

    @classmethod
    def of(
        cls,
        name: str,
        skipped: Bools,
        probability: Floats,
        sessions: Indices,
        *,
        accuracy: float,
        log_loss: float,
        rank_by: RankBy,
    ) -> "Scored":
        """Score what a model predicts for plays, in order of session and position.

        Args:
            name: of the model.
            skipped: whether each play was skipped.
            probability: that it is, as predicted.
            sessions: a number for each play; all plays of a session are neighbours.
            accuracy: as known already.
            log_loss: as known already.
            rank_by: what models are ranked by.
        """
        right = skipped == (probability >= THRESHOLD)
        average = first = None
        if rank_by == "maa":
            answered = skipped == decide(probability, sessions)
            average = average_accuracy(answered, sessions)
            first = float(first_accuracy(answered, sessions).mean())
        return cls(name, accuracy, log_loss, right.astype(np.float64), average, first)


def best(models: Sequence[Scored], sessions: Indices, *, seed: int) -> Scored:
    """Return the model of lowest log loss among those that tie with the most accurate one.

    Two models tie if the 95 % interval of their difference in accuracy contains 0. The interval
    comes from a paired bootstrap over sessions. Models that are ranked by MAA: that of highest FPA
    among those that tie by MAA.

    Args:
        models: at least one, scored on the same plays.
        sessions: a number for each play, the same for all plays of a session: 0, 1, 2, ...
        seed: of the bootstrap.

    >>> import numpy as np
    >>> right = np.array([1.0, 1, 1, 0])
    >>> models = [Scored("a", 0.75, 0.6, right), Scored("b", 0.75, 0.5, right[::-1])]
    >>> best(models, np.array([0, 1, 2, 3]), seed=0).name
    'b'
    """
    if all(model.average_accuracy is not None for model in models):
        return _best_by_maa(models, seed=seed)
    top = max(models, key=lambda model: model.accuracy)
    rights = np.array([model.right for model in models])
    behind = excess(top.right, rights, sessions, seed=seed)
    tied = [model for model, by in zip(models, behind, strict=True) if by.low <= 0]
    return min(tied, key=lambda model: model.log_loss)


def _best_by_maa(models: Sequence[Scored], *, seed: int) -> Scored:
    values = [np.asarray(model.average_accuracy) for model in models]
    top = max(values, key=lambda value: value.mean())
    each = np.arange(len(top))
    behind = excess(top, np.array(values), each, seed=seed)
    tied = [model for model, by in zip(models, behind, strict=True) if by.low <= 0]
    return max(tied, key=lambda model: model.fpa or 0.0)
