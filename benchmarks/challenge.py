"""What makes trees good at the challenge's own task, by its scores, on several twins.

Usage: `python benchmarks/challenge.py [--twins N] [--sessions N] [--quick]`. Five twins of 40,000
sessions take about half an hour on two idle cores, and 6 GB.

On each twin a LightGBM of fixed parameters learns the second halves of the training sessions and
predicts those of the test sessions, with more and more of what may be known, as one model or as one
for each place of the second half. The scores are the challenge's: mean average accuracy (MAA) and
first prediction accuracy (FPA). Differences come with 95 % intervals of a paired bootstrap over the
test sessions of all twins. It compares models, not speed, so there are no rounds.

Prints a table. With `--quick` it takes one twin of few sessions.
"""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from ablation import FIXED
from arguments import make_parser
from lightgbm import LGBMClassifier
from twin_inputs import make_twin

from skipcast.arrays import Bools, Floats, Indices
from skipcast.evaluation.baselines import RECIPE, RECIPE_GROUPS, fit_recipe, recipe
from skipcast.evaluation.bootstrap import paired_difference
from skipcast.evaluation.challenge import average_accuracy, first_accuracy
from skipcast.features.build import feature_set
from skipcast.features.dictionary import markdown_table
from skipcast.features.table import SKIPPED, feature_table
from skipcast.params import read_params
from skipcast.schema import AHEAD, THRESHOLD, TRACK_GROUPS, Group
from skipcast.sessions import hash_sessions
from skipcast.split import split_sessions

SESSIONS, TWINS, QUICK = 40_000, 5, 400
PLACES = 10  # of a second half, at most
PATTERN = tuple(f"depth_{plays}" for plays in range(1, 6))
FOLDS, PSEUDO_PLAYS = 5, 20.0
DEFAULT, LAST = "the groups of the other horizons", "last outcome for all"
EVERY: tuple[Group, ...] = (*TRACK_GROUPS, AHEAD)


def without(*groups: Group) -> tuple[Group, ...]:
    """Return all groups but some."""
    return tuple(group for group in EVERY if group not in groups)


class Twin:
    """The second halves of a twin: their features, and which of them train or test."""

    def __init__(self, plays: pd.DataFrame) -> None:
        table = feature_table(plays, "second_half", tuple(dict.fromkeys((*EVERY, *RECIPE_GROUPS))))
        parts = split_sessions(table, read_params().split)
        self.table = table
        self.skipped: Bools = table[SKIPPED].to_numpy(dtype=bool)
        self.train: Bools = parts == "train"
        self.test: Bools = parts == "test"
        self.sessions: Indices = pd.factorize(table["session_id"][self.test])[0].astype(np.intp)
        self.place: Indices = table["place_in_half"].to_numpy().astype(np.intp)

    def values(self, groups: tuple[Group, ...]) -> Floats:
        """Return the features of some groups: plays x features."""
        return self.table[list(feature_set("second_half", groups).names)].to_numpy(np.float64)

    def scores(self, probability: Floats) -> tuple[Floats, Floats]:
        """Return the average accuracy and the first accuracy of each test session."""
        right = (probability >= THRESHOLD) == self.skipped[self.test]
        return average_accuracy(right, self.sessions), first_accuracy(right, self.sessions)


def one_model(twin: Twin, values: Floats) -> Floats:
    """Fit one model on all places; return the probabilities of the test plays."""
    model = LGBMClassifier(**FIXED).fit(values[twin.train], twin.skipped[twin.train])
    return np.asarray(model.predict_proba(values[twin.test])[:, 1], np.float64)


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
    return np.column_stack([twin.values(EVERY), *products])


def pattern_rates(twin: Twin) -> Floats:
    """Return the features, and the skip rate of the last five outcomes at this place, out of fold.

    A training session knows the other folds, a test session all of them.
    """
    skipped = (twin.table[list(PATTERN)] <= 1).where(twin.table[list(PATTERN)].notna())
    keys = pd.factorize(
        pd.Series(skipped.fillna(2).to_numpy(int) @ 3 ** np.arange(5) + twin.place * 1000)
    )[0]
    folds = hash_sessions(twin.table["session_id"], purpose="pattern", seed=0) % np.uint64(FOLDS)
    fold = np.where(twin.train, folds, FOLDS)
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
    return np.column_stack([twin.values(EVERY), rate])


def last_outcome(twin: Twin) -> Floats:
    """Return the last outcome of the first half for each play."""
    return twin.table["previous_skipped"].to_numpy(np.float64)[twin.test]


def article(twin: Twin) -> Floats:
    """Return what the source article's recipe predicts."""
    train, test = (twin.table[rows] for rows in (twin.train, twin.test))
    booster = fit_recipe([(train[list(RECIPE)], twin.skipped[twin.train])])
    return recipe(booster, test[list(RECIPE)])


SIDES: Mapping[str, Callable[[Twin], Floats]] = {
    "all skipped": lambda twin: np.ones(int(twin.test.sum())),
    LAST: last_outcome,
    "the article's recipe": article,
    DEFAULT: lambda twin: one_model(twin, twin.values(TRACK_GROUPS)),
    "... without counts": lambda twin: one_model(
        twin, twin.values(without("track_history", AHEAD))
    ),
    "and ahead: one model": lambda twin: one_model(twin, twin.values(EVERY)),
    "... without counts, with ahead": lambda twin: one_model(
        twin, twin.values(without("track_history"))
    ),
    "... and the place's interactions": lambda twin: one_model(twin, interactions(twin)),
    "... and skip-pattern rates": lambda twin: one_model(twin, pattern_rates(twin)),
    "and ahead: a model per place": lambda twin: model_per_place(twin, twin.values(EVERY)),
}
AHEAD_SIDE = "and ahead: one model"


def measure(twins: int, sessions: int) -> dict[str, list[tuple[Floats, Floats]]]:
    """Return of each side and twin both scores of each test session."""
    found: dict[str, list[tuple[Floats, Floats]]] = {name: [] for name in SIDES}
    for seed in range(twins):
        with tempfile.TemporaryDirectory() as folder:
            plays = make_twin(Path(folder), sessions=sessions, rows=10**9, seed=seed)[0]
        twin = Twin(plays)
        for name, predict in SIDES.items():
            found[name].append(twin.scores(predict(twin)))
            maa, fpa = (score.mean() for score in found[name][-1])
            print(f"twin {seed}, {name}: MAA {maa:.4f}, FPA {fpa:.4f}", flush=True)
    return found


def rows(found: Mapping[str, list[tuple[Floats, Floats]]]) -> list[list[str]]:
    """Return a row of the table for each side."""
    pooled = {
        name: [np.concatenate(score) for score in zip(*scores, strict=True)]
        for name, scores in found.items()
    }
    return [
        [
            name,
            *(f"{score.mean():.4f}" for score in scores),
            *(_difference(scores[0], pooled[other][0]) for other in (LAST, DEFAULT, AHEAD_SIDE)),
            _difference(scores[1], pooled[DEFAULT][1]),
        ]
        for name, scores in pooled.items()
    ]


def _difference(one: Floats, other: Floats) -> str:
    value, low, high = paired_difference(one, other, np.arange(len(one)), seed=0)
    return f"{value:+.4f} ({low:+.4f} to {high:+.4f})"


HEADS = (
    "model",
    "MAA",
    "FPA",
    f"MAA, against {LAST}",
    f"MAA, against {DEFAULT}",
    "MAA, against one model with ahead",
    f"FPA, against {DEFAULT}",
)


def main() -> None:
    """Run all sides on all twins and print the table."""
    parser = make_parser(__doc__)
    parser.add_argument("--twins", type=int, default=TWINS)
    parser.add_argument("--sessions", type=int, default=SESSIONS, help="of each twin")
    parser.add_argument("--quick", action="store_true", help="one twin of few sessions")
    options = parser.parse_args()
    twins, sessions = (1, QUICK) if options.quick else (options.twins, options.sessions)
    found = measure(twins, sessions)
    tests = sum(len(maa) for maa, _ in found[LAST])
    print(f"\n{twins} twins of {sessions:,} sessions (synthetic), {tests:,} test sessions:\n")
    print(markdown_table(HEADS, rows(found)))


if __name__ == "__main__":
    main()
