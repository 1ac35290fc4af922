"""The tables and the figure of `cluster.py`, and how far two models' answers differ."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from against_plays import BEYOND, figure, markdown
from rounds import Rounds

from skipcast.models.families import FAMILIES

ROOT = Path(__file__).parents[1]
PAGE, FIGURE = ROOT / "docs/scale_cluster.md", ROOT / "docs/figures/cluster.png"
STAGES = ("fetch", "features")
MACHINE, ONE, TWO = 0, 1, 2  # how many workers; 0: without Dask
NAMES = {MACHINE: "one machine", ONE: "one worker", TWO: "two workers"}
LABELS = {str(name): family.label for name, family in FAMILIES.items()}
BOOSTED = [str(name) for name, family in FAMILIES.items() if family.boosted]
MANY = 16  # workers, for what is computed and not tried


def ratio(runs: Rounds, side: str, other: str, figure: str) -> str:
    """Return a ratio with its range."""
    return runs.ratio(side, other, figure).sentence("{}")


def row_of_fit(
    family: str, plays: int, runs: Rounds, found: dict[str, list[dict[str, Any]]]
) -> dict[str, str]:
    """Return what the two sides of a fit took and found."""
    (name, one), (other, two) = found.items()
    models = [{run["model"] for run in side} for side in (one, two)]
    again = all(len(each) == 1 for each in models)
    return {
        f"fit, {plays:,} plays": _name(family),
        **{
            side: f"{runs.median(side):.1f} s, {of[0]['accuracy']:.5f} / {of[0]['loss']:.5f}"
            for side, of in found.items()
        },
        "seconds, two workers of one machine": ratio(runs, other, name, "seconds"),
        "answers": difference(one[0]["answers"], two[0]["answers"]),
        "each side again": "the same bytes" if again else "OTHER BYTES",
    }


def difference(one: str, other: str) -> str:
    """Return how far the answers of two models differ, and the accuracy by them."""
    ours, theirs = np.load(one), np.load(other)
    largest = np.abs(ours["answer"] - theirs["answer"]).max()
    if largest < 1e-9:
        return f"at most {largest:.0e} apart"
    right = [(each["answer"] >= 0.5) == ours["skipped"] for each in (ours, theirs)]
    gain = right[1].astype(float) - right[0]
    by_session = np.bincount(ours["session"], gain)
    error = 1.96 * np.sqrt((by_session**2).sum()) / len(gain)
    return f"accuracy {gain.mean():+.5f} ± {error:.5f}"


def measured_table(found: pd.DataFrame) -> str:
    """Return seconds and memory by stage and fit, side and size, in Markdown."""
    rows = []
    for (what, who), own in found.groupby(["what", "who"], sort=False):
        row = {"": f"{_name(str(what))}, {who}"}
        for plays, seconds, size in zip(own["plays"], own["seconds"], own["bytes"], strict=True):
            row[f"{plays / 1e6:g}M plays"] = f"{seconds:,.0f} s, {size / 1e9:.1f} GB"
        rows.append(row)
    return markdown(rows)


def computed_table(found: pd.DataFrame) -> str:
    """Return what lines through the measured points of two workers give for more, in Markdown.

    To a worker, plays that 16 share are as an eighth of these that two share. Only boosters keep
    something of each play in memory.
    """
    rows = []
    for what, own in found[found["who"] == NAMES[TWO]].groupby("what", sort=False):
        several = len(own) > 1
        seconds, memory = (
            np.polyfit(own["plays"], own[amount], 1) if several else np.zeros(2)
            for amount in ("seconds", "bytes")
        )
        if what not in BOOSTED:
            memory = np.array([own["bytes"].max()])
        row = {"": _name(str(what)), "a million plays more": f"{seconds[0] * 1e6:.1f} s"}
        for name, plays in BEYOND.items():
            for count in (TWO, MANY):
                share = plays * TWO / count
                time = _time(float(np.polyval(seconds, share)))
                size = np.polyval(memory, share) / 1e9
                row[f"{name}, {count} workers"] = f"{time}, {size:,.1f} GB"
        rows.append(row)
    return markdown(rows)


def _time(seconds: float) -> str:
    return f"{seconds / 3600:,.1f} h" if seconds >= 3600 else f"{seconds / 60:.0f} min"


def _name(what: str) -> str:
    return LABELS.get(what, f"`{what}`")


def draw(found: pd.DataFrame) -> str:
    """Draw seconds and memory against plays; return the link to the figure."""
    colors = {what: f"C{number}" for number, what in enumerate(found["what"].unique())}
    title = "Time and memory, synthetic plays, two cores"
    with figure(FIGURE, title, unit="seconds", letters=7) as (time_axes, memory_axes):
        for (what, who), own in found.groupby(["what", "who"], sort=False):
            style: dict[str, Any] = {
                "color": colors[what],
                "linestyle": "-" if who == NAMES[TWO] else ":",
            }
            label = f"{LABELS.get(str(what), what)}, {who}"
            time_axes.plot(own["plays"], own["seconds"], marker="o", label=label, **style)
            memory_axes.plot(own["plays"], own["bytes"] / 1e9, marker="o", label=label, **style)
    return f"\n![Time and memory against plays]({FIGURE.relative_to(PAGE.parent)})\n"
