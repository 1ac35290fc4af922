"""The baselines learn from the training plays, part by part, and predict."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from skipcast.arrays import Bools, Floats
from skipcast.evaluation.baselines import (
    BASELINES,
    LAST,
    RECIPE,
    RECIPE_GROUPS,
    Asked,
    Learned,
    fit_recipe,
)
from skipcast.features.build import build_features
from skipcast.schema import TARGET, HorizonName


class Training:
    """The training plays as baselines sum them up, part by part."""

    def __init__(self, horizon: HorizonName) -> None:
        """Begin without plays; `horizon` is what is known when the prediction is made."""
        self._horizon = horizon
        self._names: set[str] = set()
        self._counts: dict[str, pd.DataFrame] = {}
        self._recipe: list[tuple[pd.DataFrame, Bools]] = []

    def see(self, plays: pd.DataFrame) -> None:
        """Find out which baselines some plays have, be they for training or not."""
        self._names |= {name for name, b in BASELINES.items() if b.is_of(plays, self._horizon)}

    def count(self, plays: pd.DataFrame, rows: Bools) -> None:
        """Add training plays to the rates.

        Args:
            plays: raw plays of whole sessions, in order.
            rows: those to learn from.
        """
        features = build_features(plays, self._horizon, ("outcomes",))
        last = features.loc[rows, LAST].to_numpy(np.float64)
        own = plays[rows]
        skipped = own[TARGET].to_numpy(np.float64)
        keys = {n: b.key(own, last) for n, b in BASELINES.items() if b.key and n in self._names}
        for name, key in {**keys, "": pd.Series("", index=own.index)}.items():
            counts = pd.Series(skipped).groupby(key.to_numpy()).agg(["size", "sum"])
            before = self._counts.get(name)
            self._counts[name] = counts if before is None else before.add(counts, fill_value=0)

    def add_recipe(self, plays: pd.DataFrame, rows: Bools) -> None:
        """Add plays for the recipe to learn from: arguments as `count`, with track features."""
        asked = ask_recipe(plays, rows, self._horizon)
        self._recipe.append((asked, plays.loc[rows, TARGET].to_numpy(bool)))

    def learned(self) -> Learned:
        """Return what there is to learn from all plays; called once, as the recipe's are let go."""
        rates = {name: n["sum"] / n["size"] for name, n in self._counts.items()}
        usual = float(rates.pop("").iloc[0])
        return Learned(usual, rates, fit_recipe(self._recipe))

    @property
    def names(self) -> list[str]:
        """The baselines that the plays have."""
        return [name for name in BASELINES if name in self._names]


def ask_recipe(plays: pd.DataFrame, rows: Bools, horizon: HorizonName) -> pd.DataFrame:
    """Return the recipe's features of some rows of raw plays of whole sessions."""
    features = build_features(plays, horizon, RECIPE_GROUPS)
    return features.loc[rows, list(RECIPE)]


def predict(
    learned: Learned,
    plays: pd.DataFrame,
    rows: Bools,
    *,
    names: Sequence[str],
    horizon: HorizonName,
) -> dict[str, Floats]:
    """Have baselines predict.

    Args:
        learned: from training plays.
        plays: raw plays of whole sessions with their track features, in order.
        rows: those to predict.
        names: of the baselines.
        horizon: what is known when the prediction is made.

    Returns:
        By baseline, the probability of a skip of each play, 0..1; of a rule 0 or 1.
    """
    features = ask_recipe(plays, rows, horizon)
    asked = Asked(plays[rows], features, features[LAST].to_numpy(np.float64))
    return {name: BASELINES[name].predict(learned, asked) for name in names}
