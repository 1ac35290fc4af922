"""What `challenge.py` compares: the second halves of a twin, and ways to predict them."""

import numpy as np
import optuna
import pandas as pd
from ablation import FIXED
from lightgbm import LGBMClassifier

from skipcast.arrays import Bools, Floats, Indices
from skipcast.evaluation.baselines import RECIPE, RECIPE_GROUPS, fit_recipe, recipe
from skipcast.evaluation.challenge import average_accuracy, decide, first_accuracy
from skipcast.evaluation.metrics import log_losses
from skipcast.features.build import feature_set
from skipcast.features.feature import FeatureBlock
from skipcast.features.table import SKIPPED, feature_table
from skipcast.models.families import FAMILIES
from skipcast.models.family import Dataset
from skipcast.params import read_params
from skipcast.schema import AHEAD, THRESHOLD, TRACK_GROUPS, Group
from skipcast.sessions import hash_sessions
from skipcast.split import split_sessions

PLACES = 10  # of a second half, at most
PATTERN = tuple(f"depth_{plays}" for plays in range(1, 6))
FOLDS, PSEUDO_PLAYS = 5, 20.0
RIGHT = 0.75  # share of right answers that the weights of places assume
EVERY: tuple[Group, ...] = (*TRACK_GROUPS, AHEAD)
Scores = tuple[Floats, Floats, Floats]
"""MAA, FPA and log loss, a value per session."""


def columns(*groups: Group, ahead: bool = True) -> list[str]:
    """Return the columns of groups, or those of them that need nothing of plays to come."""
    blocks = feature_set("second_half", groups).blocks
    return [f.name for block in blocks if ahead or not block.ahead for f in block.features]


def without(*left_out: FeatureBlock) -> list[str]:
    """Return the columns of all groups but those of some blocks."""
    names = {feature.name for block in left_out for feature in block.features}
    return [name for name in columns(*EVERY) if name not in names]


class Twin:
    """The second halves of a twin: their features, and which of them train or test."""

    def __init__(self, plays: pd.DataFrame) -> None:
        table = feature_table(plays, "second_half", tuple(dict.fromkeys((*EVERY, *RECIPE_GROUPS))))
        parts = split_sessions(table, read_params().split)
        self.table = table
        self.skipped: Bools = table[SKIPPED].to_numpy(dtype=bool)
        self.train: Bools = parts == "train"
        self.validation: Bools = parts == "validation"
        self.test: Bools = parts == "test"
        self.sessions: Indices = pd.factorize(table["session_id"][self.test])[0].astype(np.intp)
        self.place: Indices = table["place_in_half"].to_numpy().astype(np.intp)

    def values(self, names: list[str]) -> Floats:
        """Return some columns: plays x features."""
        return self.table[names].to_numpy(np.float64)

    def dataset(self, values: Floats, rows: Bools) -> Dataset:
        """Return some plays as a search takes them."""
        table = self.table[rows]
        sessions = pd.factorize(table["session_id"])[0]
        positions = table["session_position"].to_numpy().astype(np.intp)
        return Dataset.of(values[rows].astype(np.float32), self.skipped[rows], sessions, positions)

    def folds(self) -> Indices:
        """Return a fold of each session, 0..FOLDS - 1."""
        hashes = hash_sessions(self.table["session_id"], purpose="pattern", seed=0)
        return (hashes % np.uint64(FOLDS)).astype(np.intp)

    def scores(self, probability: Floats, *, together: bool = True) -> Scores:
        """Score the test sessions, whose answers are decided together or each alone."""
        alone = probability >= THRESHOLD
        answers = decide(probability, self.sessions) if together else alone
        skipped = self.skipped[self.test]
        right = answers == skipped
        loss = np.bincount(self.sessions, log_losses(skipped, probability))
        return (
            average_accuracy(right, self.sessions),
            first_accuracy(right, self.sessions),
            loss / np.bincount(self.sessions),
        )


def one_model(twin: Twin, values: Floats, weights: Floats | None = None) -> Floats:
    """Fit one model on all places; return the probabilities of the test plays."""
    weights = None if weights is None else weights[twin.train]
    model = LGBMClassifier(**FIXED).fit(values[twin.train], twin.skipped[twin.train], weights)
    return np.asarray(model.predict_proba(values[twin.test])[:, 1], np.float64)


def searched(twin: Twin, values: Floats, trials: int) -> Floats:
    """Have LightGBM searched as the stage does; return the best one's probabilities.

    The first trial takes the library's own parameters. The validation sessions end each fit early,
    and the log loss on them chooses among the trials.
    """
    family = FAMILIES["lightgbm"]
    parts = [twin.dataset(values, rows) for rows in (twin.train, twin.validation)]
    data = family.prepare(train=parts[0], validation=parts[1])
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0, multivariate=True))
    study.enqueue_trial(family.defaults({}))
    models = []
    for _ in range(trials):
        trial = study.ask()
        params = family.suggest(trial, {})
        models.append(family.fit(params, data, seed=0, threads=1, on_round=lambda *_: None))
        probability = family.predict_parts(models[-1], parts[1])
        study.tell(trial, log_losses(parts[1].skipped, probability).mean())
    return family.predict(models[study.best_trial.number], values[twin.test].astype(np.float32))


def model_per_place(twin: Twin, values: Floats) -> Floats:
    """Fit a model on each place of the second half."""
    result = np.full(int(twin.test.sum()), np.nan)
    for place in range(1, PLACES + 1):
        here = twin.place == place
        rows = twin.train & here
        model = LGBMClassifier(**FIXED).fit(values[rows], twin.skipped[rows])
        own = here[twin.test]
        result[own] = model.predict_proba(values[twin.test & here])[:, 1]
    return result


def interactions(twin: Twin) -> Floats:
    """Return the features, and products of the place with the history's outcomes."""
    history = ("previous_skipped", "skip_rate", "skip_rate_half_life_2", "streak")
    products = [twin.table[name].to_numpy() / twin.place for name in history]
    return np.column_stack([twin.values(columns(*EVERY)), *products])


def pattern_rates(twin: Twin) -> Floats:
    """Return the features, and the skip rate of the last five outcomes at this place, out of fold.

    A training session knows the other folds, a test session all of them.
    """
    skipped = (twin.table[list(PATTERN)] <= 1).where(twin.table[list(PATTERN)].notna())
    keys = pd.factorize(
        pd.Series(skipped.fillna(2).to_numpy(int) @ 3 ** np.arange(5) + twin.place * 1000)
    )[0]
    fold = np.where(twin.train, twin.folds(), FOLDS)
    rate = np.empty(len(keys))
    for own in range(FOLDS + 1):
        others = twin.train & (fold != own)
        plays, skips = (
            np.bincount(keys[others], weights, keys.max() + 1)
            for weights in (None, twin.skipped[others])
        )
        usual = twin.skipped[others].mean()
        shrunk = (skips + PSEUDO_PLAYS * usual) / (plays + PSEUDO_PLAYS)
        rate[fold == own] = shrunk[keys[fold == own]]
    return np.column_stack([twin.values(columns(*EVERY)), rate])


def self_fed(twin: Twin) -> Floats:
    """Return the features, and what a first model expects of all plays of the second half.

    For a training session that model learned from the other folds, for a test session from all.
    """
    values = twin.values(columns(*EVERY))
    expected = np.full(len(values), np.nan)
    folds = np.where(twin.train, twin.folds(), FOLDS)
    for own in range(FOLDS + 1):
        others, rows = twin.train & (folds != own), folds == own
        first = LGBMClassifier(**FIXED).fit(values[others], twin.skipped[others])
        expected[rows] = first.predict_proba(values[rows])[:, 1]
    of_session = pd.Series(expected).groupby(twin.table["session_id"].to_numpy())
    so_far = (of_session.cumsum() - expected) / np.maximum(of_session.cumcount(), 1)
    near = [of_session.shift(plays) for plays in (-2, -1, 1, 2)]
    return np.column_stack([values, expected, so_far, of_session.transform("mean"), *near])


def place_weights(twin: Twin) -> Floats:
    """Return what a right answer of each play adds to its session's average accuracy.

    The other answers count as right with the share that trees reach.
    """
    places = np.arange(1, PLACES + 1)
    length = (twin.place + twin.table["plays_left"].to_numpy()).astype(int)
    later = np.append(0.0, np.cumsum(RIGHT / places))
    own = (1 + RIGHT * (twin.place - 1)) / twin.place
    return np.asarray((own + later[length] - later[twin.place]) / length)


def last_outcome(twin: Twin) -> Floats:
    """Return the last outcome of the first half for each play."""
    return twin.table["previous_skipped"].to_numpy(np.float64)[twin.test]


def article(twin: Twin) -> Floats:
    """Return what the source article's recipe predicts."""
    train, test = (twin.table[rows] for rows in (twin.train, twin.test))
    booster = fit_recipe([(train[list(RECIPE)], twin.skipped[twin.train])])
    return recipe(booster, test[list(RECIPE)])
