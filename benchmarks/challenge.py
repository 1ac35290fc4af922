"""What makes trees good at the challenge's own task, by its scores, on several twins.

Usage: `python benchmarks/challenge.py [--twins N] [--sessions N] [--trials N] [--quick]`. On one
core, five twins of 40,000 sessions take a quarter of an hour, and 6 GB; so do they with
`--trials 3`.

On each twin a LightGBM of fixed parameters learns the second halves of the training sessions and
predicts those of the test sessions, with more or fewer columns, or otherwise learned. With
`--trials`, a search of so many trials takes the place of the fixed parameters, for the columns that
other horizons have, too, and for all. The scores are the challenge's: mean average accuracy (MAA)
and first prediction accuracy (FPA). The log loss tells more models apart; of a rule that answers 0
or 1 it means nothing. Differences come with 95 % intervals of a paired bootstrap over the test
sessions of all twins. It compares models, not speed, so there are no rounds.

Prints a table. With `--quick` it takes one twin of few sessions.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import optuna
from arguments import make_parser
from challenge_sides import (
    EVERY,
    Scores,
    Twin,
    article,
    columns,
    interactions,
    last_outcome,
    model_per_place,
    one_model,
    pattern_rates,
    place_weights,
    searched,
    self_fed,
    without,
)
from twin_inputs import make_twin

from skipcast.arrays import Floats
from skipcast.evaluation.bootstrap import paired_difference
from skipcast.features.dictionary import markdown_table
from skipcast.features.groups.ahead import AHEAD as AHEAD_BLOCKS
from skipcast.features.groups.context import AT_HALF
from skipcast.features.groups.track_history import RATES_NEAR, TRACK_HISTORY
from skipcast.schema import TRACK_GROUPS

SESSIONS, TWINS, QUICK = 40_000, 5, 400
LAST, DEFAULT, FULL = "last outcome for all", "what other horizons have, too", "all columns"
ALONE = "; each play answered alone"

Sides = Mapping[str, Callable[[Twin], Floats]]


def fixed(names: list[str]) -> Callable[[Twin], Floats]:
    """Return the side of one model on some columns."""
    return lambda twin: one_model(twin, twin.values(names))


SIDES: Sides = {
    "all skipped": lambda twin: np.ones(int(twin.test.sum())),
    LAST: last_outcome,
    "the article's recipe": article,
    DEFAULT: fixed(columns(*TRACK_GROUPS, ahead=False)),
    FULL: fixed(columns(*EVERY)),
    "... without counts": fixed(without(*TRACK_HISTORY)),
    "... without counts of other plays' tracks": fixed(without(RATES_NEAR)),
    "... without the context of the first half": fixed(without(AT_HALF)),
    "... without either": fixed(without(RATES_NEAR, AT_HALF)),
    "... without the group ahead": fixed(without(*AHEAD_BLOCKS)),
    "... with the place's interactions": lambda twin: one_model(twin, interactions(twin)),
    "... with skip-pattern rates": lambda twin: one_model(twin, pattern_rates(twin)),
    "... fed with what a first model expects": lambda twin: one_model(twin, self_fed(twin)),
    "... weighed as MAA weighs places": lambda twin: one_model(
        twin, twin.values(columns(*EVERY)), place_weights(twin)
    ),
    "... a model per place": lambda twin: model_per_place(twin, twin.values(columns(*EVERY))),
}


def searched_sides(trials: int) -> Sides:
    """Return the sides that a search of so many trials makes."""

    def side(names: list[str]) -> Callable[[Twin], Floats]:
        return lambda twin: searched(twin, twin.values(names), trials)

    return {
        LAST: last_outcome,
        DEFAULT: side(columns(*TRACK_GROUPS, ahead=False)),
        FULL: side(columns(*EVERY)),
    }


def measure(seed: int, sessions: int, sides: Sides) -> dict[str, Scores]:
    """Make a twin; return the scores of each side."""
    with tempfile.TemporaryDirectory() as folder:
        plays = make_twin(Path(folder), sessions=sessions, rows=10**9, seed=seed)[0]
    twin = Twin(plays)
    found: dict[str, Scores] = {}
    for name, predict in sides.items():
        probability = predict(twin)
        found[name] = twin.scores(probability)
        if name in (DEFAULT, FULL):
            found[name + ALONE] = twin.scores(probability, together=False)
        maa, fpa, loss = (score.mean() for score in found[name])
        print(f"twin {seed}, {name}: MAA {maa:.4f}, FPA {fpa:.4f}, log loss {loss:.4f}", flush=True)
    return found


def rows(twins: Sequence[Mapping[str, Scores]]) -> list[list[str]]:
    """Return a row of the table for each side."""
    pooled = {
        name: [np.concatenate(score) for score in zip(*(twin[name] for twin in twins), strict=True)]
        for name in twins[0]
    }
    return [
        [
            name,
            *(f"{score.mean():.4f}" for score in scores[:2]),
            *(_difference(scores[0], pooled[other][0]) for other in REFERENCES),
            _difference(scores[1], pooled[DEFAULT + ALONE][1]),
            _difference(scores[2], pooled[FULL][2]),
        ]
        for name, scores in pooled.items()
    ]


def _difference(one: Floats, other: Floats) -> str:
    value, low, high = paired_difference(one, other, np.arange(len(one)), seed=0)
    return f"{value:+.4f} ({low:+.4f} to {high:+.4f})"


REFERENCES = (LAST, DEFAULT + ALONE, DEFAULT, FULL)
HEADS = (
    "model",
    "MAA",
    "FPA",
    *(f"MAA, against {other}" for other in REFERENCES),
    f"FPA, against {DEFAULT + ALONE}",
    f"log loss, mean of sessions, against {FULL}",
)


def main() -> None:
    """Run all sides on all twins and print the table."""
    parser = make_parser(__doc__)
    parser.add_argument("--twins", type=int, default=TWINS)
    parser.add_argument("--sessions", type=int, default=SESSIONS, help="of each twin")
    parser.add_argument("--trials", type=int, help="of a search; none: the ablation")
    parser.add_argument("--quick", action="store_true", help="one twin of few sessions")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    twins, sessions = (1, QUICK) if options.quick else (options.twins, options.sessions)
    sides = searched_sides(options.trials) if options.trials else SIDES
    found = [measure(seed, sessions, sides) for seed in range(twins)]
    tests = sum(len(twin[LAST][0]) for twin in found)
    print(f"\n{twins} twins of {sessions:,} sessions (synthetic), {tests:,} test sessions:\n")
    print(markdown_table(HEADS, rows(found)))


if __name__ == "__main__":
    main()
