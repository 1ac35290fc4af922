"""What carries a model's predictions: the contributions of its features to the log-odds."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skipcast.arrays import Floats, Matrix
from skipcast.models.families import FAMILIES, Family

EXPLAINED = 1000  # plays: trees take a second for as many, and means are stable


@dataclass(frozen=True)
class Explained:
    """What each feature adds to the log-odds of some plays."""

    family: Family
    names: tuple[str, ...]
    values: Matrix  # plays x features, NaN where missing
    contributions: Floats  # plays x features, log-odds

    @property
    def importance(self) -> Floats:
        """Mean absolute contribution of each feature, log-odds."""
        result: Floats = np.abs(self.contributions).mean(axis=0)
        return result

    def top(self, count: int) -> list[str]:
        """Return the names of the features that move predictions most."""
        return [self.names[i] for i in np.argsort(-self.importance, kind="stable")[:count]]


def explain(
    family: Family, model: Any, features: Matrix, names: tuple[str, ...], *, seed: int
) -> Explained:
    """Explain a model's predictions on at most `EXPLAINED` plays, drawn at random.

    Args:
        family: of the model.
        model: what the family's `load` returns.
        features: plays x features.
        names: of the features.
        seed: any whole number.
    """
    count = min(EXPLAINED, len(features))
    rows = np.random.default_rng(seed).choice(len(features), count, replace=False)
    values = features[np.sort(rows)]
    contributions = FAMILIES[family].contributions(model, values)[:, :-1]
    return Explained(family, names, values, contributions)
