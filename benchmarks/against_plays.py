"""Seconds and memory against the number of plays: the figure, the page, and what is beyond."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

mpl.use("Agg")
PLAYS_A_SESSION = 16.75  # of the twin
BEYOND = {"207M": 207_200_258, "2.07 billion": 2_072_002_576}  # a tenth of the dataset, and all


def markdown(rows: Sequence[Mapping[str, str]]) -> str:
    """Return rows in Markdown."""
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True) + "\n"


@contextmanager
def figure(path: Path, title: str, *, unit: str, letters: int) -> Iterator[tuple[Axes, Axes]]:
    """Yield axes for time and for memory, both against plays; save the figure.

    Args:
        path: of the figure.
        title: above it.
        unit: of time.
        letters: size of those of the legend, which is beside both.
    """
    drawn, (time_axes, memory_axes) = plt.subplots(1, 2, figsize=(12, 4), layout="constrained")
    yield time_axes, memory_axes
    time_axes.set(xlabel="plays", ylabel=unit, xscale="log", yscale="log")
    memory_axes.set(xlabel="plays", ylabel="most of any process, GB", xscale="log", ylim=(0, None))
    sizes = sorted({float(plays) for line in time_axes.lines for plays in line.get_xdata()})
    for axes in (time_axes, memory_axes):
        axes.set_xticks(sizes, [f"{plays / 1e6:g}M" for plays in sizes])
        axes.set_xticks([], minor=True)
        axes.grid(alpha=0.3)
    lines, labels = memory_axes.get_legend_handles_labels()
    drawn.legend(lines, labels, loc="outside right center", fontsize=letters)
    drawn.suptitle(title)
    drawn.savefig(path, dpi=110)


def put(page: Path, name: str, text: str) -> None:
    """Put a text between its marks in a page."""
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    before, rest = page.read_text(encoding="utf-8").split(begin)
    page.write_text(f"{before}{begin}{text}{end}{rest.split(end)[1]}", encoding="utf-8")
