"""What models are measured against: rules, tables of rates, and the source article's recipe.

The article predicts a skip by LightGBM with its defaults and 100 rounds. Its features are the
outcome of the play before, the features of that track and of the present one, and the position.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from skipcast.arrays import Bools, Floats
from skipcast.models.lightgbm import fixed_params
from skipcast.schema import (
    HORIZONS,
    REASON_START,
    THRESHOLD,
    TRACK_INPUTS,
    Group,
    HorizonName,
)

TRACK_LAST = "listener_track_last_skipped"
LAST = "previous_skipped"
RECIPE_GROUPS: tuple[Group, ...] = ("track", "context", "outcomes", "previous_track")
RECIPE = (LAST, *TRACK_INPUTS, *(f"previous_{x}" for x in TRACK_INPUTS), "position")
RECIPE_PLAYS = 1_000_000  # that the recipe learns from at most; docs/promotion.md: more gain little
ROUNDS = 100


@dataclass(frozen=True)
class Learned:
    """What the baselines have learned from training plays.

    Attributes:
        usual: the share of all of them that was skipped, 0..1.
        rates: by baseline and key, the share that was skipped.
        recipe: the booster.
    """

    usual: float
    rates: Mapping[str, pd.Series]
    recipe: Any


@dataclass(frozen=True)
class Asked:
    """Plays to predict, in the same order.

    Attributes:
        plays: raw plays.
        recipe: plays x `RECIPE`.
        last: whether the last play of the session that has an outcome was skipped, 0 or 1; NaN
            where there is none.
    """

    plays: pd.DataFrame
    recipe: pd.DataFrame
    last: Floats


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A row of the table: how a baseline predicts, and which data have it.

    Attributes:
        name: the key in files, in MLflow and in code.
        label: how tables and texts name it.
        kind: a rule answers 0 or 1, a rate looks a probability up, a model is learned.
        predict: what was learned, and plays -> the probability of a skip of each, 0..1.
        key: raw plays, and their last outcomes as of `Asked` -> what a rate is looked up by.
        reads: columns of the present play; data whose horizon does not know them, or that hold
            nothing in them, do not have the baseline.
    """

    name: str
    label: str
    kind: Literal["rule", "rate", "model"]
    predict: Callable[[Learned, Asked], Floats]
    key: Callable[[pd.DataFrame, Floats], pd.Series] | None = None
    reads: tuple[str, ...] = ()

    def is_of(self, plays: pd.DataFrame, horizon: HorizonName) -> bool:
        """Tell whether these plays have the baseline at this horizon."""
        known = HORIZONS[horizon].known
        return all(n in known and n in plays and plays[n].notna().any() for n in self.reads)


def _reasons(plays: pd.DataFrame, _: Floats) -> pd.Series:
    return plays[REASON_START]


def _outcomes(_: pd.DataFrame, last: Floats) -> pd.Series:
    return pd.Series(last).fillna(-1)  # no outcome is an outcome of its own


BASELINES: Mapping[str, Baseline] = {
    baseline.name: baseline
    for baseline in (
        Baseline(
            name="majority",
            label="majority",
            kind="rule",
            predict=lambda learned, asked: majority(learned.usual, len(asked.last)),
        ),
        Baseline(
            name="repeat_last",
            label="same as the last play",
            kind="rule",
            predict=lambda learned, asked: repeat_last(learned.usual, asked.last),
        ),
        Baseline(
            name="track_last",
            label="same outcome as this track's last time",
            kind="rule",
            predict=lambda learned, asked: track_last(
                asked.plays[TRACK_LAST], repeat_last(learned.usual, asked.last)
            ),
            reads=(TRACK_LAST,),
        ),
        Baseline(
            name="last_outcome",
            label="rate by the last outcome",
            kind="rate",
            predict=lambda learned, asked: look_up(
                learned.rates["last_outcome"], _outcomes(asked.plays, asked.last), learned.usual
            ),
            key=_outcomes,
        ),
        Baseline(
            name="start_rate",
            label="rate by reason_start",
            kind="rate",
            predict=lambda learned, asked: look_up(
                learned.rates["start_rate"], asked.plays[REASON_START], learned.usual
            ),
            key=_reasons,
            reads=(REASON_START,),
        ),
        Baseline(
            name="recipe",
            label="the article's recipe",
            kind="model",
            predict=lambda learned, asked: recipe(learned.recipe, asked.recipe),
        ),
    )
}
"""By name, in the order of files and tables."""


def best_rule(accuracy: Mapping[str, float]) -> str:
    """Return the most accurate baseline that is not learned, the first among equals.

    Args:
        accuracy: by the name of the baseline, all that the data have; other names do not count.

    >>> best_rule({"candidate": 0.9, "recipe": 0.8, "repeat_last": 0.7, "majority": 0.6})
    'repeat_last'
    """
    simple = (n for n, b in BASELINES.items() if b.kind != "model" and n in accuracy)
    return max(simple, key=lambda name: accuracy[name])


def majority(usual: float, plays: int) -> Floats:
    """Predict for each play the outcome that most training plays have: 0 or 1.

    Args:
        usual: the share of training plays that was skipped, 0..1.
        plays: the number of plays to predict.

    >>> majority(0.6, 2)
    array([1., 1.])
    """
    return np.full(plays, float(usual >= THRESHOLD))


def repeat_last(usual: float, last: Floats) -> Floats:
    """Predict the outcome of the play before: 0 or 1. First plays get the majority's.

    Args:
        usual: the share of training plays that was skipped, 0..1.
        last: the outcome of the play before each play to predict, 0 or 1; NaN where there is none.

    >>> repeat_last(0.6, np.array([np.nan, 0]))
    array([1., 0.])
    """
    return np.where(np.isnan(last), majority(usual, len(last)), last)


def track_last(last_time: pd.Series, otherwise: Floats) -> Floats:
    """Predict the outcome of the listener's last play of the track, in an earlier session: 0 or 1.

    Args:
        last_time: that outcome of each play to predict; missing where it was never played.
        otherwise: the prediction there.

    >>> track_last(pd.Series([True, None]), np.array([0.0, 0.0]))
    array([1., 0.])
    """
    known = last_time.notna().to_numpy()
    result = otherwise.copy()
    result[known] = last_time[known].astype(np.float64)
    return result


def look_up(rates: pd.Series, keys: pd.Series, usual: float) -> Floats:
    """Predict the share skipped, 0..1, of the training plays with the same key.

    Args:
        rates: that share, by key.
        keys: of the plays to predict.
        usual: the share of all training plays, for a key that is missing or not in `rates`.

    >>> look_up(pd.Series({"a": 1.0}), pd.Series(["a", "c", None]), 0.5)
    array([1. , 0.5, 0.5])
    """
    return np.asarray(keys.map(rates).fillna(usual), np.float64)


def fit_recipe(parts: list[tuple[pd.DataFrame, Bools]]) -> Any:
    """Fit the article's recipe on training plays.

    Args:
        parts: of the plays, columns `RECIPE`, and whether each was skipped; emptied, so that no
            play is in memory twice.
    """
    import lightgbm

    skipped = np.concatenate([each for _, each in parts])
    matrix = np.empty((len(skipped), len(RECIPE)), np.float32)
    end = len(skipped)
    while parts:
        features, _ = parts.pop()
        matrix[end - len(features) : end] = features.to_numpy(np.float32)
        end -= len(features)
    params = fixed_params(threads=1)  # the registered models predict meanwhile on the other core
    return lightgbm.train(params, lightgbm.Dataset(matrix, skipped), ROUNDS)


def recipe(booster: Any, features: pd.DataFrame) -> Floats:
    """Return the recipe's probabilities of plays, columns `RECIPE`: 0..1."""
    return np.asarray(booster.predict(features.to_numpy(np.float32), num_threads=1), np.float64)
