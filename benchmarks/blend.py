"""Whether the mean of the families' best models predicts better than the best of them.

Usage: `python benchmarks/blend.py [--seeds N] [--quick]`. A seed takes about a minute on two idle
cores.

For each seed it makes a twin of the default size and searches it as `skipcast search` does, with
the default trials of all families. The blend is the mean log-odds of the best model of each family,
or of the two boosters' alone.

Prints a Markdown table: the accuracy and the log loss of the best model on the test sessions, and
how much those of each blend exceed them, with the 95 % interval of a paired bootstrap over the test
sessions. It compares models, not speed, so there are no rounds.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from arguments import make_parser
from scipy.special import expit, logit
from twin_inputs import QUICK_SESSIONS, ask_test_plays, make_job, searchable_twins

from skipcast.evaluation.bootstrap import paired_difference
from skipcast.evaluation.metrics import is_right, log_losses
from skipcast.models.families import FAMILIES, Family
from skipcast.params import USUAL_ROWS, Params, read_params
from skipcast.search.trials import search

BOOSTERS: tuple[Family, ...] = tuple(name for name, family in FAMILIES.items() if family.boosted)
BLENDS: dict[str, tuple[Family, ...]] = {"all families": tuple(FAMILIES), "boosters": BOOSTERS}
HEADS = ("seed", "best", "accuracy", "log loss", "blend", "accuracy change", "log loss change")


def rows_of(url: str, seed: int, params: Params) -> list[list[str]]:
    """Search the features in the working directory; return a row per blend."""
    changed = params.search.model_copy(update={"seed": seed})
    params = params.model_copy(update={"search": changed})
    result = search(make_job(Path.cwd(), params, f"blend{seed:04d}"), url)
    skipped, sessions, answers = ask_test_plays(Path("features"), result, params)
    best = answers[result.best]
    scores = [score(skipped, best) for score in (is_right, log_losses)]
    rows = []
    for name, families in BLENDS.items():
        blend = expit(np.mean([logit(answers[family]) for family in families], axis=0))
        cells = [str(seed), result.best, *(f"{score.mean():.4f}" for score in scores), name]
        for score, of_best in zip((is_right, log_losses), scores, strict=True):
            change = paired_difference(score(skipped, blend), of_best, sessions, seed=0)
            cells.append("{:+.4f} ({:+.4f} to {:+.4f})".format(*change))
        rows.append(cells)
    return rows


def main() -> None:
    """Print the table."""
    parser = make_parser(__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="how many, from 0 on")
    parser.add_argument("--quick", action="store_true", help="one seed, few plays, one trial")
    options = parser.parse_args()
    params = read_params()
    sessions = params.fetch.twin_sessions
    if options.quick:
        few = params.search.model_copy(update={"families": dict.fromkeys(FAMILIES, 1)})
        params, sessions = params.model_copy(update={"search": few}), QUICK_SESSIONS
    seeds = range(1 if options.quick else options.seeds)
    rows = []
    for seed, url in searchable_twins(seeds, sessions=sessions, rows=USUAL_ROWS):
        rows += rows_of(url, seed, params)
    table = pd.DataFrame(rows, columns=list(HEADS))
    print(table.to_markdown(index=False, disable_numparse=True))


if __name__ == "__main__":
    main()
