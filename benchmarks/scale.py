"""Time and memory of each stage against the number of plays, under a limit that is enforced.

Usage: `python benchmarks/scale.py [PLAYS ...] [--gigabytes 6] [--trials N] [--set KEY=VALUE]
[--quick] [--write]`.
1M, 3M and 10M plays take about half an hour on two idle cores, with one trial of each family, and
less than 35 GB of disk.

Every size is a project of its own, from nothing to a promoted champion: a twin of so many plays,
Postgres, search, refit, promotion. Each stage is a process, and no process of it may have more
data in memory than the limit (RLIMIT_DATA, which children inherit): one that asks for more gets an
error, and the benchmark ends. The most that any process of a stage had (its resident set) is read
five times a second.

A line is fitted through seconds, and one through bytes on disk, of each stage. They say what 207
million and all 2.07 billion plays of the dataset would take on the same machine: that is computed,
not tried. `--write` puts the tables into docs/scale.md and draws the figure beside them.
"""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from against_plays import BEYOND, PLAYS_A_SESSION, figure, markdown, put
from arguments import make_parser
from commands import run_command, settings

ROOT = Path(__file__).parents[1]
SIZES, QUICK_SIZES = [1_000_000, 3_000_000, 10_000_000], [5_000, 10_000]
STAGES = ("fetch", "load", "features", "search", "refit", "promote")
OUTPUTS = {"fetch": "data/plays", "features": "data/features", "load": ".postgres"}
PAGE, FIGURE = ROOT / "docs/scale.md", ROOT / "docs/figures/scale.png"


@dataclass(frozen=True)
class Run:
    """What a stage took for so many plays."""

    plays: int
    stage: str
    seconds: float
    peak: float  # bytes, the most of any process
    disk: float  # bytes of what the stage wrote


def run_stage(folder: Path, stage: str, values: list[str], limit: float, plays: int) -> Run:
    """Run a stage of a project; leave if it fails."""
    seconds, peak = run_command("run", stage, *settings(values), folder=folder, limit=limit)
    output = folder / OUTPUTS.get(stage, "nothing")
    disk = sum(file.stat().st_size for file in output.rglob("*") if file.is_file())
    print(f"{plays:>12,} {stage:<9} {seconds:8.1f} s {peak / 1e9:6.2f} GB", flush=True)
    return Run(plays, stage, seconds, peak, disk)


def run_all(plays: int, limit: float, trials: int | None, values: list[str]) -> list[Run]:
    """Run all stages on so many plays of the twin, in a project of their own."""
    values = [
        *values,
        f"fetch.twin_sessions={int(plays / PLAYS_A_SESSION)}",
        "fetch.source=twin",
        "fetch.rows=all",
    ]
    if trials:
        values += [f"search.families.{f}={trials}" for f in ("logistic", "lightgbm", "xgboost")]
    folder = Path(tempfile.mkdtemp(prefix="scale."))  # it stays if a stage fails, to look at
    shutil.copy(ROOT / "params.yaml", folder)
    runs = [run_stage(folder, stage, values, limit, plays) for stage in STAGES]
    shutil.rmtree(folder)
    return runs


def measured_table(runs: list[Run]) -> str:
    """Return seconds and memory by stage and size, in Markdown."""
    rows = []
    for stage in (*STAGES, "all"):
        row = {"stage": stage}
        for plays in dict.fromkeys(run.plays for run in runs):
            own = [run for run in runs if run.plays == plays and stage in (run.stage, "all")]
            seconds, peak = sum(run.seconds for run in own), max(run.peak for run in own)
            time_ = f"{seconds / 60:,.1f} min" if stage == "all" else f"{seconds:,.0f} s"
            row[f"{plays / 1e6:g}M plays"] = f"{time_}, {peak / 1e9:.1f} GB"
        rows.append(row)
    return markdown(rows)


def computed_table(runs: list[Run]) -> str:
    """Return what the lines through the measured points give for more plays, in Markdown."""
    table = pd.DataFrame([vars(run) for run in runs])
    rows = []
    for stage in (stage for stage in STAGES if stage != "search"):  # its sample does not grow
        own = table[table["stage"] == stage]
        row = {"stage": stage}
        for what, scale, unit in (("seconds", 3600, "h"), ("disk", 1e9, "GB")):
            slope, start = np.polyfit(own["plays"], own[what], 1) if len(own) > 1 else (0, 0)
            if what == "seconds":
                row["per million plays"] = f"{slope * 1e6:.1f} s"
            for name, plays in BEYOND.items():
                amount = max(start + slope * plays, 0) / scale
                row[f"{name}: {unit}"] = f"{amount:,.1f}" if amount else ""
        rows.append(row)
    return markdown(rows)


def draw(runs: list[Run], limit: float) -> None:
    """Draw seconds and memory against plays."""
    title = "Time and memory by stage, synthetic plays, two cores"
    with figure(FIGURE, title, unit="minutes", letters=8) as (time_axes, memory_axes):
        for stage in STAGES:
            own = [run for run in runs if run.stage == stage]
            plays = [run.plays for run in own]
            time_axes.plot(plays, [run.seconds / 60 for run in own], "o-", label=stage)
            memory_axes.plot(plays, [run.peak / 1e9 for run in own], "o-", label=stage)
        memory_axes.axhline(limit / 1e9, color="0.5", linestyle="--", label="limit")


def main() -> None:
    """Print a line per stage and the tables; write them and the figure."""
    parser = make_parser(__doc__)
    parser.add_argument("plays", nargs="*", type=int, help="1M, 3M and 10M if left out")
    parser.add_argument("--gigabytes", type=float, default=6.0, help="that a process may have")
    parser.add_argument("--trials", type=int, help="of each family; else those of params.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="values")
    parser.add_argument("--quick", action="store_true", help="few plays, one trial")
    parser.add_argument("--write", action="store_true", help="write tables and figure into docs/")
    options = parser.parse_args()
    sizes = options.plays or (QUICK_SIZES if options.quick else SIZES)
    trials = 1 if options.quick else options.trials
    limit = options.gigabytes * 1e9
    runs = [run for plays in sizes for run in run_all(plays, limit, trials, options.values)]
    runs.sort(key=lambda run: run.plays)
    tables = f"{measured_table(runs)}\n{computed_table(runs)}"
    print(f"\n{tables}")
    if options.write:
        put(PAGE, "scale", tables)
        draw(runs, limit)


if __name__ == "__main__":
    main()
