"""What moves a model's predictions: the contributions of its features to the log-odds."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skipcast.arrays import Floats, Matrix
from skipcast.models.families import FAMILIES, Family

MOST_PLAYS = 1000  # trees take a second to explain as many, and the means are stable


@dataclass(frozen=True)
class Explained:
    """What each feature adds to the log-odds of a skip, for a sample of plays.

    Attributes:
        family: of the model.
        names: of the features.
        values: plays x features, NaN where a value is missing.
        contributions: plays x features, log-odds; above 0 where the feature makes a skip likelier.
    """

    family: Family
    names: tuple[str, ...]
    values: Matrix
    contributions: Floats

    @property
    def importance(self) -> Floats:
        """The mean absolute contribution of each feature, log-odds, 0 or more."""
        result: Floats = np.abs(self.contributions).mean(axis=0)
        return result

    def top(self, count: int) -> list[str]:
        """Return the names of the `count` features of highest importance, highest first."""
        return [self.names[i] for i in np.argsort(-self.importance, kind="stable")[:count]]


def explain(family: Family, model: Any, features: Matrix, names: tuple[str, ...]) -> Explained:
    """Compute the contributions of a model's features to a few plays.

    Args:
        family: of the model.
        model: what the family's `load` returns.
        features: plays x features, NaN where a value is missing; about `MOST_PLAYS`.
        names: of the features.
    """
    contributions = FAMILIES[family].contributions(model, features)[:, :-1]
    return Explained(family, names, features, contributions)
