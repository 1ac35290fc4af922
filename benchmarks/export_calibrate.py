"""Fit the constants of the synthetic exports to the published statistics.

Usage: `python benchmarks/export_calibrate.py HABITS.json [--steps N] [--quick]`. A step takes about
15 seconds; ten are enough. The file is first a copy of `src/skipcast/twin/export_habits.json` and
then has the fitted constants. It compares no speed, so there are no rounds.

Each step makes exports of four seeds, measures them, and moves each constant against the mean miss
of the statistic that it moves most, in log-odds. What is not fitted was chosen by hand, so that
models learn as much from the exports as from real histories (`benchmarks/export.py`): the standard
deviations of sessions, moods, phases, tracks and artists.

Prints the statistics that are off after the last step.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from arguments import make_parser

from skipcast.twin.export import write_exports
from skipcast.twin.export_check import read_exports
from skipcast.twin.export_statistics import Measures, measure, published

SEEDS, LISTENERS, PLAYS, QUICK_PLAYS = range(4), 18, 300_000, 30_000
STARTS = ("trackdone", "fwdbtn", "clickrow", "backbtn", "appload", "playbtn")
LIKE_APPLOAD = ("remote", "unknown", "trackerror")  # starts of which nothing is published
EARLY = {1: "2", 2: "3", 4: "5", 5: "10"}  # index of a constant, and the position that it moves


def mean_measures(habits: dict[str, Any], plays: int) -> Measures:
    """Make exports by `habits` for all seeds; return the means of their statistics."""
    found = []
    for seed in SEEDS:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder, "all")
            write_exports(out, listeners=LISTENERS, plays=plays, seed=seed, habits=habits)
            found.append(measure(*read_exports(out)))
    return {name: float(np.mean([one[name] for one in found])) for name in found[0]}


def step(habits: dict[str, Any], measures: Measures) -> None:
    """Move the constants in place against what is measured with them."""
    known = {name: value for name, (value, _) in published().items()}

    def miss(name: str) -> float:
        odds = [np.log(x / (1 - x)) for x in (known[name], measures[name])]
        return float(np.nan_to_num(odds[0] - odds[1]))

    def contrast(label: str) -> float:
        return miss(f"{label} given last skipped") - miss(f"{label} given last not")

    for start in STARTS:
        habits["start_effect"][start] += 0.8 * miss(f"brief of start {start}")
        habits["late_start"][start] += 0.8 * miss(f"any of start {start}")
    for name in ("start_effect", "late_start"):
        habits[name] |= dict.fromkeys(LIKE_APPLOAD, habits[name]["appload"])
    for i, pace in ((0, 0.4), (1, 0.3)):
        habits["depth_effect"][i] += pace * contrast("brief")
        habits["late_depth"][i] += 0.5 * contrast("any")
    first = {label: miss(f"{label} at position 1") for label in ("brief", "any")}
    habits["depth_effect"][3] += 0.5 * first["brief"]
    habits["late_depth"][3] += 0.5 * (first["any"] - first["brief"])
    for i, position in EARLY.items():
        brief, either = (miss(f"{label} at position {position}") for label in ("brief", "any"))
        habits["early_effect"][i] += 0.4 * brief
        habits["late_early"][i] += 0.5 * (either - 0.6 * brief)
    for name in ("early_effect", "late_early"):
        habits[name][3] = habits[name][4]
    later = miss("brief at position 40") - miss("brief at position 5")
    habits["brief"]["long_effect"] += 0.4 * later
    for label, name in (("brief", "brief"), ("any", "late")):
        sd = f"{label} sd between listeners"
        habits[name]["listener_sd"] *= np.clip(known[sd] / measures[sd], 0.8, 1.25) ** 0.7


if __name__ == "__main__":
    parser = make_parser(__doc__)
    parser.add_argument("habits", type=Path)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--quick", action="store_true", help="one step with few plays")
    options = parser.parse_args()
    habits = json.loads(options.habits.read_text(encoding="utf-8"))
    plays, steps = (QUICK_PLAYS, 1) if options.quick else (PLAYS, options.steps)
    for _ in range(steps):
        step(habits, mean_measures(habits, plays))
    options.habits.write_text(json.dumps(habits, indent=1) + "\n", encoding="utf-8")
    measures = mean_measures(habits, plays)
    for name, (value, tolerance) in published().items():
        if abs(measures[name] - value) > tolerance:
            print(f"{name:50} published {value:9.4f}  measured {measures[name]:9.4f}")
