"""Which objective the boosters' search should optimise, accuracy or log loss, by the chosen models.

Usage: `python benchmarks/objectives.py [--seeds N] [--quick]`. A seed takes about 3 minutes on two
idle cores.

For each seed it makes a twin of the default size, searches it once per objective as `skipcast
search` does with the boosters' default trials, and scores the chosen model on the test sessions.

Prints a Markdown table: for each seed and objective the accuracy and the log loss, and how much
those of the objective log loss exceed those of the objective accuracy, with the 95 % interval of a
paired bootstrap over the test sessions; then the means over the seeds. It compares models, not
speed, so there are no rounds.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from arguments import make_parser
from twin_inputs import QUICK_SESSIONS, ask_test_plays, make_job, searchable_twins

from skipcast.arrays import Floats, Indices
from skipcast.evaluation.bootstrap import paired_difference
from skipcast.evaluation.metrics import is_right, log_losses
from skipcast.params import USUAL_ROWS, Params, read_params
from skipcast.search.trials import search

OBJECTIVES = ("accuracy", "log_loss")
HEADS = ("seed", "objective", "test accuracy", "change", "test log loss", "change")


@dataclass(frozen=True)
class Scores:
    """What a chosen model reaches on each test play."""

    right: Floats  # 1 where the prediction is right, else 0
    loss: Floats  # log loss
    sessions: Indices  # the number of the play's session


def chosen_scores(url: str, seed: int, objective: str, params: Params) -> Scores:
    """Search the features in the working directory; score the chosen model on the test plays."""
    changes = {"objective": objective, "seed": seed}
    params = params.model_copy(update={"search": params.search.model_copy(update=changes)})
    result = search(make_job(Path.cwd(), params, f"{seed:04d}{objective}"), url)
    skipped, sessions, probability = ask_test_plays(Path("features"), result, params)
    best = probability[result.best]
    return Scores(is_right(skipped, best), log_losses(skipped, best), sessions)


def rows_of(seed: int, scores: dict[str, Scores]) -> list[list[str]]:
    """Return the rows of a seed; the second has the differences and their intervals."""
    rows = []
    for objective in OBJECTIVES:
        cells = [str(seed), objective]
        for name in ("right", "loss"):
            one, other = (getattr(scores[o], name) for o in (objective, OBJECTIVES[0]))
            change, low, high = paired_difference(one, other, scores[objective].sessions, seed=0)
            text = f"{change:+.4f} ({low:+.4f} to {high:+.4f})"
            cells += [f"{one.mean():.4f}", "" if objective == OBJECTIVES[0] else text]
        rows.append(cells)
    return rows


def mean_rows(scores: list[dict[str, Scores]]) -> list[list[str]]:
    """Return the means over the seeds."""
    rows = []
    for objective in OBJECTIVES:
        accuracy = np.mean([of_seed[objective].right.mean() for of_seed in scores])
        loss = np.mean([of_seed[objective].loss.mean() for of_seed in scores])
        rows.append(["mean", objective, f"{accuracy:.4f}", "", f"{loss:.4f}", ""])
    return rows


def read_changed_params(quick: bool) -> Params:
    """Return the params of the project, with the boosters only; with `quick` of a small search."""
    params = read_params()
    boosters = {f: n for f, n in params.search.families.items() if f != "logistic"}
    families = {"lightgbm": 1} if quick else boosters
    changes = {"search": params.search.model_copy(update={"families": families})}
    return params.model_copy(update=changes)


def parse_arguments() -> argparse.Namespace:
    """Return the arguments."""
    parser = make_parser(__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="how many, from 0 on")
    parser.add_argument("--quick", action="store_true", help="one seed, few plays, one trial")
    return parser.parse_args()


def main() -> None:
    """Print the table."""
    options = parse_arguments()
    params = read_changed_params(options.quick)
    sessions = QUICK_SESSIONS if options.quick else params.fetch.twin_sessions
    scores: list[dict[str, Scores]] = []
    seeds = range(1 if options.quick else options.seeds)
    for seed, url in searchable_twins(seeds, sessions=sessions, rows=USUAL_ROWS):
        scores.append({o: chosen_scores(url, seed, o, params) for o in OBJECTIVES})
    rows = [row for seed, of_seed in enumerate(scores) for row in rows_of(seed, of_seed)]
    table = pd.DataFrame([*rows, *mean_rows(scores)], columns=list(HEADS))
    print(table.to_markdown(index=False, disable_numparse=True))


if __name__ == "__main__":
    main()
