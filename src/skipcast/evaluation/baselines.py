"""What models are measured against: two rules, a table of rates, and the source article's recipe.

The article predicts a skip by LightGBM with its defaults and 100 rounds. Its features are the
outcome of the play before, the features of that track and of the present one, and the position.
"""

import numpy as np
import pandas as pd

from skipcast.arrays import Bools, Floats, Labels
from skipcast.features.build import build_features, targets
from skipcast.models.lightgbm import fixed_params
from skipcast.schema import TARGET, THRESHOLD, TRACK_INPUTS, Group, HorizonName

BASELINES = {
    "majority": "majority",
    "repeat_last": "same as the last play",
    "last_outcome": "rate by the last outcome",
    "recipe": "the article's recipe",
}
RULES = ("majority", "repeat_last")  # the baselines that answer 0 or 1 and not a probability

RECIPE_GROUPS: tuple[Group, ...] = ("track", "context", "outcomes", "previous_track")
RECIPE = ("previous_skipped", *TRACK_INPUTS, *(f"previous_{x}" for x in TRACK_INPUTS), "position")
ROUNDS = 100


def baselines(plays: pd.DataFrame, parts: Labels, horizon: HorizonName) -> dict[str, Floats]:
    """Fit each of `BASELINES` on the training plays, and predict the test plays.

    Args:
        plays: raw plays with their track features, in order of session and position.
        parts: `train`, `validation` or `test` for each play.
        horizon: what is known when the prediction is made; plays that it does not predict or that
            have no outcome are left out.

    Returns:
        By baseline, the probability of a skip of each test play, 0..1; of `RULES` 0 or 1.
    """
    rows = targets(plays, horizon)
    features = build_features(plays, horizon, RECIPE_GROUPS)[rows]
    train, test = (parts[rows] == part for part in ("train", "test"))
    skipped = plays.loc[rows, TARGET].to_numpy(dtype=bool)
    previous = features["previous_skipped"].to_numpy(np.float64)
    return {
        "majority": majority(skipped[train], int(test.sum())),
        "repeat_last": repeat_last(skipped[train], previous[test]),
        "last_outcome": last_outcome(skipped[train], previous[train], previous[test]),
        "recipe": recipe(features[train], skipped[train], features[test]),
    }


def majority(train: Bools, plays: int) -> Floats:
    """Predict for each play the outcome that most training plays have: 0 or 1.

    Args:
        train: whether each training play was skipped.
        plays: the number of plays to predict.

    >>> majority(np.array([True, True, False]), 2)
    array([1., 1.])
    """
    return np.full(plays, float(train.mean() >= THRESHOLD))


def repeat_last(train: Bools, previous: Floats) -> Floats:
    """Predict the outcome of the play before: 0 or 1. First plays get the majority of `train`.

    Args:
        train: whether each training play was skipped.
        previous: the outcome of the play before each play to predict, 0 or 1; NaN where there is
            none.

    >>> repeat_last(np.array([True]), np.array([np.nan, 0]))
    array([1., 0.])
    """
    return np.where(np.isnan(previous), float(train.mean() >= THRESHOLD), previous)


def last_outcome(train: Bools, train_previous: Floats, previous: Floats) -> Floats:
    """Predict the share skipped, 0..1, of the training plays with the same last outcome.

    Args:
        train: whether each training play was skipped.
        train_previous: the outcome of the play before each of them, 0 or 1; NaN where there is
            none, which counts as an outcome of its own.
        previous: the same of the plays to predict.

    >>> last_outcome(np.array([True, False]), np.array([1.0, 1.0]), np.array([1.0, 0.0]))
    array([0.5, 0.5])
    """
    probability = np.full(len(previous), train.mean())
    for value in (0.0, 1.0, np.nan):
        train_rows, rows = (_equals(x, value) for x in (train_previous, previous))
        if train_rows.any():
            probability[rows] = train[train_rows].mean()
    return probability


def _equals(outcomes: Floats, value: float) -> Bools:
    """Return which outcomes are `value`, where NaN equals NaN."""
    return np.isnan(outcomes) if np.isnan(value) else outcomes == value


def recipe(train: pd.DataFrame, skipped: Bools, test: pd.DataFrame) -> Floats:
    """Fit the article's recipe on training plays; return its probabilities of the test plays, 0..1.

    Args:
        train: a row for each training play, with the columns `RECIPE` or more.
        skipped: whether each of them was skipped.
        test: a row for each play to predict, with the same columns.
    """
    import lightgbm

    columns = list(RECIPE)
    dataset = lightgbm.Dataset(train[columns].to_numpy(np.float32), skipped)
    params = fixed_params(threads=1)  # the registered models predict meanwhile on the other core
    booster = lightgbm.train(params, dataset, ROUNDS)
    return np.asarray(booster.predict(test[columns].to_numpy(np.float32)), np.float64)
