"""What models are measured against: two rules, a table, and the source article's recipe.

The article predicts a skip from the outcome of the play before, the features of its track and of
this one, and the position; with LightGBM's defaults, 100 rounds.
"""

import numpy as np
import pandas as pd

from skipcast.arrays import Bools, Floats, Labels
from skipcast.features.build import build_features, predicted
from skipcast.models.lightgbm import fixed_params
from skipcast.schema import TARGET, THRESHOLD, TRACK_INPUTS, Group, HorizonName

BASELINES = {
    "majority": "majority",
    "repeat_last": "same as the last play",
    "last_outcome": "rate by the last outcome",
    "recipe": "the article's recipe",
}
RULES = ("majority", "repeat_last")  # they answer yes or no, without a probability

RECIPE_GROUPS: tuple[Group, ...] = ("track", "context", "outcomes", "previous_track")
RECIPE = ("previous_skipped", *TRACK_INPUTS, *(f"previous_{x}" for x in TRACK_INPUTS), "position")
ROUNDS = 100


def baselines(plays: pd.DataFrame, parts: Labels, horizon: HorizonName) -> dict[str, Floats]:
    """Learn each of `BASELINES` on the training plays; answer the test plays.

    Args:
        plays: raw plays with their track features, in order of session and position.
        parts: of each, `train`, `validation` or `test`.
        horizon: what is known when the prediction is made; plays it does not predict are left out.
    """
    counts = predicted(plays, horizon)
    features = build_features(plays, horizon, RECIPE_GROUPS)[counts]
    train, test = (parts[counts] == part for part in ("train", "test"))
    skipped = plays.loc[counts, TARGET].to_numpy(dtype=bool)
    previous = features["previous_skipped"].to_numpy(np.float64)
    return {
        "majority": majority(skipped[train], int(test.sum())),
        "repeat_last": repeat_last(skipped[train], previous[test]),
        "last_outcome": last_outcome(skipped[train], previous[train], previous[test]),
        "recipe": recipe(features[train], skipped[train], features[test]),
    }


def majority(train: Bools, plays: int) -> Floats:
    """Answer for each of `plays` what most plays of `train` were: 0 or 1.

    >>> majority(np.array([True, True, False]), 2)
    array([1., 1.])
    """
    return np.full(plays, float(train.mean() >= THRESHOLD))


def repeat_last(train: Bools, previous: Floats) -> Floats:
    """Answer "same as the last play", 0 or 1; first plays get the majority of `train`.

    Args:
        train: outcomes of the training plays.
        previous: outcomes of the plays before those to predict, 0 or 1; NaN where there is none.

    >>> repeat_last(np.array([True]), np.array([np.nan, 0]))
    array([1., 0.])
    """
    return np.where(np.isnan(previous), float(train.mean() >= THRESHOLD), previous)


def last_outcome(train: Bools, train_previous: Floats, previous: Floats) -> Floats:
    """Answer how often plays of `train` with the same last outcome were skipped, 0..1.

    Args:
        train: outcomes of the training plays.
        train_previous: outcomes of the plays before those, 0 or 1; NaN where there is none, which
            counts as an outcome of its own.
        previous: the same of the plays to predict.

    >>> last_outcome(np.array([True, False]), np.array([1.0, 1.0]), np.array([1.0, 0.0]))
    array([0.5, 0.5])
    """
    answer = np.full(len(previous), train.mean())
    for value in (0.0, 1.0, np.nan):
        alike = np.isnan(train_previous) if np.isnan(value) else train_previous == value
        if alike.any():
            rows = np.isnan(previous) if np.isnan(value) else previous == value
            answer[rows] = train[alike].mean()
    return answer


def recipe(train: pd.DataFrame, skipped: Bools, test: pd.DataFrame) -> Floats:
    """Fit the article's recipe on plays; return its probabilities of others.

    Args:
        train: a row per play; at least the columns `RECIPE`.
        skipped: whether each of them was skipped.
        test: the plays to predict, the same columns.
    """
    import lightgbm

    columns = list(RECIPE)
    given = lightgbm.Dataset(train[columns].to_numpy(np.float32), skipped)
    params = fixed_params(threads=1)  # the registered models answer meanwhile on the other core
    booster = lightgbm.train(params, given, ROUNDS)
    return np.asarray(booster.predict(test[columns].to_numpy(np.float32)), np.float64)
