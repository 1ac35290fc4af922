"""What models are measured against: rules, tables of rates, and the source article's recipe.

The article predicts a skip by LightGBM with its defaults and 100 rounds. Its features are the
outcome of the play before, the features of that track and of the present one, and the position.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from skipcast.arrays import Bools, Floats, Labels
from skipcast.features.build import build_features, targets
from skipcast.models.lightgbm import fixed_params
from skipcast.schema import (
    HORIZONS,
    REASON_START,
    TARGET,
    THRESHOLD,
    TRACK_INPUTS,
    Group,
    HorizonName,
)

TRACK_LAST = "listener_track_last_skipped"
RECIPE_GROUPS: tuple[Group, ...] = ("track", "context", "outcomes", "previous_track")
RECIPE = ("previous_skipped", *TRACK_INPUTS, *(f"previous_{x}" for x in TRACK_INPUTS), "position")
ROUNDS = 100


@dataclass(frozen=True)
class Part:
    """The plays of a part, training or test, as baselines see them.

    Attributes:
        plays: raw plays.
        features: of the recipe, a row for each play.
        skipped: whether each play was skipped.
        last: whether the last play of the session that has an outcome was skipped, 0 or 1; NaN
            where there is none.
    """

    plays: pd.DataFrame
    features: pd.DataFrame
    skipped: Bools
    last: Floats


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A row of the table: how a baseline predicts, and which data have it.

    Attributes:
        name: the key in files, in MLflow and in code.
        label: how tables and texts name it.
        kind: a rule answers 0 or 1, a rate looks a probability up, a model is learned.
        predict: `(train, test)` -> the probability of a skip of each test play, 0..1.
        reads: columns of the present play; data whose horizon does not know them, or that hold
            nothing in them, do not have the baseline.
    """

    name: str
    label: str
    kind: Literal["rule", "rate", "model"]
    predict: Callable[[Part, Part], Floats]
    reads: tuple[str, ...] = ()

    def is_of(self, plays: pd.DataFrame, horizon: HorizonName) -> bool:
        """Tell whether these plays have the baseline at this horizon."""
        known = HORIZONS[horizon].known
        return all(n in known and n in plays and plays[n].notna().any() for n in self.reads)


BASELINES: Mapping[str, Baseline] = {
    baseline.name: baseline
    for baseline in (
        Baseline(
            name="majority",
            label="majority",
            kind="rule",
            predict=lambda train, test: majority(train.skipped, len(test.skipped)),
        ),
        Baseline(
            name="repeat_last",
            label="same as the last play",
            kind="rule",
            predict=lambda train, test: repeat_last(train.skipped, test.last),
        ),
        Baseline(
            name="track_last",
            label="same outcome as this track's last time",
            kind="rule",
            predict=lambda train, test: track_last(
                test.plays[TRACK_LAST], repeat_last(train.skipped, test.last)
            ),
            reads=(TRACK_LAST,),
        ),
        Baseline(
            name="last_outcome",
            label="rate by the last outcome",
            kind="rate",
            predict=lambda train, test: last_outcome(train.skipped, train.last, test.last),
        ),
        Baseline(
            name="start_rate",
            label="rate by reason_start",
            kind="rate",
            predict=lambda train, test: rate_by(
                train.skipped, train.plays[REASON_START], test.plays[REASON_START]
            ),
            reads=(REASON_START,),
        ),
        Baseline(
            name="recipe",
            label="the article's recipe",
            kind="model",
            predict=lambda train, test: recipe(train.features, train.skipped, test.features),
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


def baselines(plays: pd.DataFrame, parts: Labels, horizon: HorizonName) -> dict[str, Floats]:
    """Fit the baselines that the data have on the training plays, and predict the test plays.

    Args:
        plays: raw plays with their track features, in order of session and position.
        parts: `train`, `validation` or `test` for each play.
        horizon: what is known when the prediction is made; plays that it does not predict or that
            have no outcome are left out.

    Returns:
        By baseline, the probability of a skip of each test play, 0..1; of a rule 0 or 1.
    """
    rows = targets(plays, horizon)
    features = build_features(plays, horizon, RECIPE_GROUPS)
    train, test = (
        Part(
            plays[own],
            features[own],
            plays.loc[own, TARGET].to_numpy(dtype=bool),
            features.loc[own, "previous_skipped"].to_numpy(np.float64),
        )
        for own in (rows & (parts == part) for part in ("train", "test"))
    )
    chosen = {n: b for n, b in BASELINES.items() if b.is_of(plays, horizon)}
    return {name: baseline.predict(train, test) for name, baseline in chosen.items()}


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
    keys = (pd.Series(outcomes).fillna(-1) for outcomes in (train_previous, previous))
    return rate_by(train, *keys)


def rate_by(train: Bools, train_keys: pd.Series, keys: pd.Series) -> Floats:
    """Predict the share skipped, 0..1, of the training plays with the same key.

    Args:
        train: whether each training play was skipped.
        train_keys: the key of each of them.
        keys: of the plays to predict; one that is missing or not in `train_keys` gets the share of
            all training plays.

    >>> rate_by(np.array([True, False]), pd.Series(["a", "b"]), pd.Series(["a", "c", None]))
    array([1. , 0.5, 0.5])
    """
    rates = pd.Series(train, dtype=np.float64).groupby(train_keys.to_numpy()).mean()
    return np.asarray(keys.map(rates).fillna(train.mean()), np.float64)


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
