"""Which model is best.

The highest accuracy wins. Models whose accuracy does not differ significantly from the highest are
ranked by log loss.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from skipcast.arrays import Floats, Indices
from skipcast.evaluation.bootstrap import paired_difference


@dataclass(frozen=True)
class Scored:
    """A model's scores on the validation plays.

    Attributes:
        name: of the model.
        accuracy: 0..1.
        log_loss: nats.
        right: 1 for each play that the model predicts right, else 0.
    """

    name: str
    accuracy: float
    log_loss: float
    right: Floats


def best(models: Sequence[Scored], sessions: Indices, *, seed: int) -> Scored:
    """Return the model of lowest log loss among those that tie with the most accurate one.

    Two models tie if the 95 % interval of their difference in accuracy contains 0. The interval
    comes from a paired bootstrap over sessions.

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
    top = max(models, key=lambda model: model.accuracy)
    tied = [
        model
        for model in models
        if paired_difference(top.right, model.right, sessions, seed=seed)[1] <= 0
    ]
    return min(tied, key=lambda model: model.log_loss)
