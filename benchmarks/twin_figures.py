"""Draws the figures of docs/twin.md, published statistics beside those of a twin.

Usage: `python benchmarks/twin_figures.py FOLDER`, with the folder of a twin. It takes some seconds,
and measures nothing.
"""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from arguments import make_parser

from skipcast.archive.sample import read_subset
from skipcast.twin.statistics import LAGS, POSITIONS, RUNS, measure, published, read_targets

OUT = Path(__file__).parents[1] / "docs" / "figures"
REAL, TWIN = "#444444", "#d1495b"
STYLES: dict[str, dict[str, Any]] = {
    "published": {"color": REAL, "marker": "o", "ms": 6, "lw": 1.2, "mfc": "white"},
    "twin (synthetic)": {"color": TWIN, "marker": "x", "ms": 6, "lw": 0},
}
Both = dict[str, dict[str, float]]


def lines(axis: mpl.axes.Axes, both: Both, pattern: str, at: list[int], label: str = "") -> None:
    """Draw one statistic along `at`, published and twin, and name it beside its last point."""
    for source, values in both.items():
        axis.plot(at, [values[pattern.format(k)] for k in at], **STYLES[source])
    last = both["published"][pattern.format(at[-1])]
    axis.annotate(label, (at[-1], last), xytext=(7, 0), textcoords="offset points", va="center")


def draw_sequences(both: Both) -> None:
    """Draw skipping by position, by what came before, and after runs."""
    figure, (by_position, by_lag, by_run) = plt.subplots(
        1, 3, figsize=(12, 3.6), layout="constrained"
    )
    lines(by_position, both, "skip_2 at position {}", list(POSITIONS))
    by_position.set(title="skipped, by position", xlabel="position", ylim=(0.35, 0.6))
    by_position.set_xticks([1, 5, 10, 15, 20])
    lines(by_lag, both, "skip given skip {} before", list(LAGS), "if that one\nwas skipped")
    lines(by_lag, both, "skip given not {} before", list(LAGS), "if not")
    by_lag.set(title="skipped, given an earlier play", xlabel="plays before", xlim=(0.5, 12.5))
    by_lag.set_xticks(LAGS)
    lines(by_run, both, "skip after {} skips", list(RUNS), "skipped")
    by_run.set_xticks(list(RUNS))
    lines(by_run, both, "not after {} nots", list(RUNS), "not")
    by_run.set(title="the same again after a run", xlabel="length of the run", xlim=(0.5, 7.0))
    by_position.set_ylabel("share of plays")
    finish(figure, "twin_sequences.png")


def draw_groups(both: Both) -> None:
    """Draw shares and skip rates of groups, twin over published."""
    figure, axes = plt.subplots(
        1, 3, figsize=(12, 3.8), layout="constrained", width_ratios=(1, 1, 1.2)
    )
    targets = read_targets()
    shown = {
        "context type, share of plays": [
            (k, f"context_type {k} share") for k in targets["context_type"]
        ],
        "reason to start, share of plays": [
            (k, f"reason_start {k} share") for k in list(targets["reason_start"])[:5]
        ],
        "skipped, by context type": [(k, f"skip_2 in {k}") for k in targets["context_type"]],
    }
    for axis, (title, rows) in zip(axes, shown.items(), strict=True):
        at = np.arange(len(rows))[::-1]
        for source, values in both.items():
            style = STYLES[source] | {"lw": 0}
            axis.plot([values[name] for _, name in rows], at, label=source, **style)
        axis.set_yticks(at, [label.replace("_", " ") for label, _ in rows])
        axis.set_title(title)
        axis.grid(axis="y", color="#eeeeee")
    finish(figure, "twin_groups.png")


def draw_features(plays: pd.DataFrame, tracks: pd.DataFrame) -> None:
    """Draw the quartiles of every track feature, in published sd from the published mean."""
    played = tracks.set_index("track_id").loc[plays["track_id_clean"]]
    wanted = read_targets()["track_features"]
    figure, axes = plt.subplots(1, 2, figsize=(12, 6.4), layout="constrained", sharey=True)
    at = np.arange(len(wanted))[::-1]
    for axis, (over, table) in zip(axes, {"tracks": tracks, "plays": played}.items(), strict=True):
        for i in (3, 4, 5):
            real = [(w[over][i] - w[over][0]) / w[over][1] for w in wanted.values()]
            twin = [
                (table[f].quantile((i - 2) / 4) - w[over][0]) / w[over][1]
                for f, w in wanted.items()
            ]
            for source, x in zip(STYLES, (real, twin), strict=True):
                style = STYLES[source] | {"lw": 0}
                axis.plot(x, at, **style, label=source if i == 3 else None)
        axis.set(title=f"quartiles over {over}", xlabel="published sd from the published mean")
        axis.grid(axis="y", color="#eeeeee")
    axes[0].set_yticks(at, [name.replace("_", " ") for name in wanted])
    finish(figure, "twin_features.png")


def finish(figure: mpl.figure.Figure, name: str) -> None:
    """Add the legend, take away the frame and save."""
    handles = [mpl.lines.Line2D([], [], label=k, **style) for k, style in STYLES.items()]
    figure.legend(handles=handles, frameon=False, loc="outside upper right", ncols=2)
    for axis in figure.axes:
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(OUT / name, dpi=100, metadata={"Software": None})
    plt.close(figure)


if __name__ == "__main__":
    mpl.use("Agg")
    parser = make_parser(__doc__)
    parser.add_argument("folder", type=Path, help="of a twin")
    plays, tracks = read_subset(parser.parse_args().folder, None, rows=10**9, seed=0)
    found = measure(plays, tracks)
    both = {"published": {k: v for k, (v, _) in published().items()}, "twin (synthetic)": found}
    OUT.mkdir(parents=True, exist_ok=True)
    draw_sequences(both)
    draw_groups(both)
    draw_features(plays, tracks)
