"""Figures of the candidate: accuracy by position, confusion, contributions of features."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from skipcast.bootstrap import Interval
from skipcast.plots import COLOURS, LINES, POSITION_TICKS, QUIET, canvas, styled, title
from skipcast.schema import THRESHOLD

Floats = npt.NDArray[np.float64]


@styled
def by_position(
    accuracy: Mapping[str, Mapping[int, Interval]], *, synthetic: bool = False
) -> Figure:
    """Draw accuracy by position; the first model with its 95 % interval.

    Args:
        accuracy: by model and position.
        synthetic: whether the title says that the data are the twin's.
    """
    figure = canvas((7.2, 4.8))
    axes = figure.subplots()
    for i, (name, found) in enumerate(accuracy.items()):
        at = list(found)
        colour, line = COLOURS[i % len(COLOURS)], LINES[i % len(LINES)]
        axes.plot(at, [found[k].value for k in at], color=colour, ls=line, label=name, zorder=3 - i)
        if i == 0:
            low, high = ([getattr(found[k], end) for k in at] for end in ("low", "high"))
            axes.fill_between(at, low, high, color=colour, alpha=0.2, lw=0, label="95 % interval")
    axes.set(xlabel="position in the session", ylabel="share of plays answered right")
    axes.set_xticks(POSITION_TICKS)
    axes.set_title(title("Accuracy by position", synthetic))
    figure.legend(loc="outside lower center", ncols=3)
    return figure


@styled
def confusion(
    skipped: npt.NDArray[np.bool_], probability: Floats, *, synthetic: bool = False
) -> Figure:
    """Draw how many plays were skipped or not, and were called so or not."""
    called = probability >= THRESHOLD
    counts = np.array([[np.sum((skipped == y) & (called == x)) for x in (0, 1)] for y in (0, 1)])
    share = counts / counts.sum()
    figure = canvas((6.0, 5.0))
    axes = figure.subplots()
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=max(0.5, share.max()))
    for (row, column), value in np.ndenumerate(share):
        text = f"{100 * value:.1f} %\n{counts[row, column]:,} plays"
        colour = "white" if value > 0.3 else "black"
        axes.text(column, row, text, ha="center", va="center", color=colour, size=13)
    axes.set_xticks([0, 1], ["not skipped", "skipped"])
    axes.set_yticks([0, 1], ["not skipped", "skipped"], rotation=90, va="center")
    axes.grid(visible=False)
    axes.set(xlabel="called", ylabel="was")
    figure.colorbar(image, label="share of plays")
    axes.set_title(title("Confusion", synthetic))
    return figure


@styled
def contributions(
    names: tuple[str, ...],
    values: npt.NDArray[np.float32],
    given: Floats,
    top: int = 10,
    *,
    synthetic: bool = False,
) -> Figure:
    """Draw what each play's feature adds to its log-odds (SHAP): a point per play.

    Args:
        names: of the features.
        values: plays x features, NaN where missing.
        given: contributions, plays x features, log-odds.
        top: how many features to show, those that move predictions most.
        synthetic: as in `by_position`.
    """
    order = np.argsort(-np.abs(given).mean(axis=0), kind="stable")[:top]
    figure = canvas((7.6, 5.6))
    axes = figure.subplots()
    scattered = None
    for row, i in enumerate(order):
        rank, missing = _ranks(values[:, i])
        height = row + _spread(given[:, i])
        axes.scatter(given[missing, i], height[missing], s=4, color=QUIET, alpha=0.5, lw=0)
        scattered = axes.scatter(
            given[~missing, i], height[~missing], s=4, c=rank[~missing],
            cmap="viridis", vmin=0, vmax=1, alpha=0.6, lw=0,
        )  # fmt: skip
    axes.axvline(0, color=QUIET, lw=1)
    axes.set_yticks(range(len(order)), [names[i] for i in order])
    axes.invert_yaxis()
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.set_xlabel("contribution, log-odds (right: towards a skip)")
    axes.set_title(title("Contributions", synthetic))
    if scattered is not None:
        bar = figure.colorbar(scattered, ticks=[0, 1], label="value of the feature (grey: missing)")
        bar.ax.set_yticklabels(["low", "high"])
    return figure


def _ranks(values: npt.NDArray[np.float32]) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return where each value lies among the others, 0..1, and which are missing.

    >>> _ranks(np.array([3.0, 1.0, np.nan, 2.0]))[0].tolist()
    [1.0, 0.0, 0.0, 0.5]
    """
    missing = np.isnan(values)
    distinct = np.unique(values[~missing])
    rank = np.searchsorted(distinct, values) / max(len(distinct) - 1, 1)
    return np.where(missing, 0.0, rank), missing


def _spread(given: Floats) -> Floats:
    """Return how far to move each point up or down, -0.4..0.4, so that crowds look like crowds."""
    low, high = float(given.min()), float(given.max())
    bins = np.minimum((given - low) / max(high - low, 1e-9) * 60, 59).astype(np.intp)
    crowd = np.bincount(bins, minlength=60)
    order = np.argsort(bins, kind="stable")
    within = np.empty(len(given))
    within[order] = np.arange(len(given)) - np.repeat(np.cumsum(crowd) - crowd, crowd)
    middle = within - (crowd[bins] - 1) / 2
    result: Floats = 0.8 * middle / crowd.max()
    return result
