"""Figures of models: functions of arrays, in one style, with units on the axes.

They use matplotlib's objects and not pyplot, so that drawing changes no global state and needs no
screen. Where `synthetic` is true, the title says that the data are the twin's.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, Literal, ParamSpec

import matplotlib as mpl
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from skipcast.arrays import Floats
from skipcast.evaluation.grid import Grid
from skipcast.schema import SYNTHETIC_NOTE

Curves = Mapping[str, Grid]
"""By model, plays and skips by cells of predicted probability."""
Corner = Literal["lower right", "lower left", "upper left"]
P = ParamSpec("P")

# The colours of Okabe and Ito, which differ for any kind of colour vision.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000")
NOT_SKIPPED, SKIPPED = "#0072B2", "#D55E00"
QUIET = "#767676"  # grey, for the lines that curves are compared with
LINES = ("-", "--", "-.", ":")  # so that curves differ in a print without colours, too
POSITION_TICKS = (1, 5, 10, 15, 20)
SIZE = (6.4, 4.4)  # inches; with DPI, twice the pixels of half a README's width
DPI = 150
STYLE: Any = {
    "font.size": 12,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E6E6E6",
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "axes.prop_cycle": cycler(color=COLOURS),
}


def styled(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Return `draw` with the style of all figures."""

    @wraps(draw)
    def draw_styled(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with mpl.rc_context(STYLE):
            return draw(*args, **kwargs)

    return draw_styled


def canvas(size: tuple[float, float] = SIZE) -> Figure:
    """Return an empty figure of `size` inches that can be saved without a screen."""
    figure = Figure(figsize=size, dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def title(text: str, synthetic: bool) -> str:
    """Return `text`, with a note where the data are the twin's.

    >>> title("ROC", True)
    'ROC (twin: synthetic data)'
    """
    return text + SYNTHETIC_NOTE if synthetic else text


def title_above(figure: Figure, text: str) -> None:
    """Write a title over the whole width: beside long names, axes may be narrower than it is."""
    figure.suptitle(text, x=0.01, ha="left", fontsize=12)


def note(figure: Figure, text: str) -> None:
    """Write a few small words into the upper right corner."""
    figure.text(0.995, 0.995, text, ha="right", va="top", fontsize=7, color=QUIET)


def save(figure: Figure, path: Path) -> None:
    """Write `figure` as PNG; the same figure gives the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STYLE):
        figure.savefig(path, metadata={"Software": None})


@styled
def roc(curves: Curves, *, synthetic: bool = False) -> Figure:
    """Draw the ROC curve of each model; the legend has its AUC.

    Args:
        curves: by model; the plays must have both outcomes.
        synthetic: whether the title says that the data are the twin's.
    """
    figure, axes = _square("share of plays not skipped called skipped", "share of skips found")
    axes.plot([0, 1], [0, 1], color=QUIET, lw=1, ls=":", label="chance")
    for (name, grid), line in zip(curves.items(), _lines(curves), strict=True):
        axes.plot(*grid.roc, ls=line, label=f"{name}, AUC {grid.auc.value:.3f}")
    return _with_legend(figure, axes, title("ROC", synthetic), "lower right")


@styled
def precision_recall(curves: Curves, *, synthetic: bool = False) -> Figure:
    """Draw precision over recall of each model; the legend has its average precision.

    Args:
        curves: as in `roc`.
        synthetic: as in `roc`.
    """
    figure, axes = _square(
        "recall: share of skips found", "precision: share of calls that are right"
    )
    share = next(iter(curves.values())).skip_rate
    axes.axhline(share, color=QUIET, lw=1, ls=":", label=f"share skipped, {share:.3f}")
    for (name, grid), line in zip(curves.items(), _lines(curves), strict=True):
        precision, recall = grid.precision_recall
        mean = precision @ np.diff(recall, prepend=0)
        rows = recall > 0.01  # the others come from a handful of plays and jump between 0 and 1
        axes.plot(recall[rows], precision[rows], ls=line, label=f"{name}, average {mean:.3f}")
    return _with_legend(figure, axes, title("Precision and recall", synthetic), "lower left")


@styled
def reliability(curves: Curves, *, synthetic: bool = False) -> Figure:
    """Draw the share of skipped plays over the predicted probability, in ten bins of equal size.

    A histogram below shows how often each probability is predicted.

    Args:
        curves: as in `roc`.
        synthetic: as in `roc`.
    """
    figure = canvas((6.4, 5.4))
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    axes.plot([0, 1], [0, 1], color=QUIET, lw=1, ls=":", label="perfect")
    for (name, grid), line in zip(curves.items(), _lines(curves), strict=True):
        mean_probability, share, _ = grid.calibration
        axes.plot(mean_probability, share, ls=line, marker="o", ms=5, label=name)
        predicted, plays = grid.mean_probability, grid.plays
        counts, edges = np.histogram(predicted, bins=20, range=(0, 1), weights=plays)
        below.stairs(counts / max(counts.sum(), 1), edges, ls=line, lw=1.4)
    axes.set(ylabel="share of plays skipped", ylim=(0, 1), xlim=(0, 1))
    below.set(xlabel="predicted probability of a skip", ylabel="share of\nplays")
    return _with_legend(figure, axes, title("Reliability", synthetic), "upper left")


@styled
def importance(
    names: Sequence[str],
    values: Floats,
    top: int = 10,
    *,
    family: str,
    synthetic: bool = False,
) -> Figure:
    """Draw the `top` features that move the predictions most, the strongest above.

    Args:
        names: of the features.
        values: the mean absolute contribution of each feature, in log-odds, 0 or more.
        top: how many features to draw.
        family: of the model, as the title names it.
        synthetic: as in `roc`.
    """
    order = np.argsort(-np.asarray(values), kind="stable")[:top]
    return bars(
        [names[i] for i in order],
        np.asarray(values)[order],
        xlabel="mean absolute contribution, log-odds",
        text=title(f"Top {len(order)} features of {family}", synthetic),
    )


@styled
def bars(names: Sequence[str], values: Floats, *, xlabel: str, text: str) -> Figure:
    """Draw a bar for each name, the first above, with its value beside it.

    Args:
        names: of the bars.
        values: their lengths, 0 or more.
        xlabel: what the lengths are, with their unit.
        text: the title.
    """
    figure = canvas()
    axes = figure.subplots()
    axes.bar_label(axes.barh(names, values, color=COLOURS[0]), fmt="%.3f", padding=3)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(xlabel)
    title_above(figure, text)
    return figure


def _square(x: str, y: str) -> tuple[Figure, Axes]:
    figure = canvas((6.4, 5.4))
    axes = figure.subplots()
    axes.set(xlabel=x, ylabel=y, xlim=(0, 1), ylim=(0, 1.01))
    return figure, axes


def _lines(curves: Curves) -> list[str]:
    return [LINES[i % len(LINES)] for i in range(len(curves))]


def _with_legend(figure: Figure, axes: Axes, text: str, corner: Corner) -> Figure:
    axes.set_title(text)
    axes.legend(loc=corner)
    return figure
