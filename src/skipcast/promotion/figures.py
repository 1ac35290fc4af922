"""Figures of the data and of the candidate."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from skipcast.arrays import Bools, Floats, Matrix
from skipcast.evaluation.bootstrap import Interval
from skipcast.evaluation.grid import Grid
from skipcast.evaluation.plots import (
    COLOURS,
    LINES,
    NOT_SKIPPED,
    POSITION_TICKS,
    QUIET,
    SKIPPED,
    canvas,
    styled,
    title,
    title_above,
)
from skipcast.params import Song
from skipcast.schema import ACOUSTIC_VECTORS, TARGET, names


@styled
def by_position(
    accuracy: Mapping[str, Mapping[int, Interval]], *, half: bool = False, synthetic: bool = False
) -> Figure:
    """Draw accuracy by position; the first model with its 95 % interval.

    Args:
        accuracy: by model and position.
        half: whether positions are counted in the second half of a session.
        synthetic: whether the title says that the data are the twin's.
    """
    figure = canvas((7.2, 4.8))
    axes = figure.subplots()
    for i, (name, intervals) in enumerate(accuracy.items()):
        at, values = list(intervals), [interval.value for interval in intervals.values()]
        colour, line = COLOURS[i % len(COLOURS)], LINES[i % len(LINES)]
        axes.plot(at, values, color=colour, ls=line, label=name, zorder=3 - i)
        if i == 0:
            low, high = (
                [getattr(interval, end) for interval in intervals.values()]
                for end in ("low", "high")
            )
            axes.fill_between(at, low, high, color=colour, alpha=0.2, lw=0, label="95 % interval")
    where = "place in the second half" if half else "position in the session"
    axes.set(xlabel=where, ylabel="share of plays answered right")
    axes.set_xticks([*next(iter(accuracy.values()))] if half else POSITION_TICKS)
    axes.set_title(title(f"Accuracy by {where if half else 'position'}", synthetic))
    figure.legend(loc="outside lower center", ncols=2)
    return figure


@styled
def confusion(grid: Grid, *, family: str, synthetic: bool = False) -> Figure:
    """Draw how many plays were skipped or not, and were called so or not.

    Args:
        grid: the plays by cells of predicted probability.
        family: of the model, as the title names it.
        synthetic: as in `by_position`.
    """
    counts = grid.confusion
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
    axes.set_title(title(f"Confusion of {family}", synthetic))
    return figure


@styled
def contributions(
    names: tuple[str, ...],
    values: Matrix,
    added: Floats,
    top: int = 10,
    *,
    family: str,
    synthetic: bool = False,
) -> Figure:
    """Draw what each play's feature adds to its log-odds (SHAP): a point per play.

    Args:
        names: of the features.
        values: plays x features, NaN where missing.
        added: contributions, plays x features, log-odds.
        top: how many features to show, those that move predictions most.
        family: of the model, as the title names it.
        synthetic: as in `by_position`.
    """
    order = np.argsort(-np.abs(added).mean(axis=0), kind="stable")[:top]
    figure, points = canvas((7.6, 5.6)), None
    axes = figure.subplots()
    for row, i in enumerate(order):
        rank, missing = _ranks(values[:, i])
        height = row + _jitter(added[:, i])
        axes.scatter(added[missing, i], height[missing], s=4, color=QUIET, alpha=0.5, lw=0)
        points = axes.scatter(
            added[~missing, i], height[~missing], s=4, c=rank[~missing],
            cmap="viridis", vmin=0, vmax=1, alpha=0.6, lw=0,
        )  # fmt: skip
    axes.axvline(0, color=QUIET, lw=1)
    axes.set_yticks(range(len(order)), [names[i] for i in order])
    axes.invert_yaxis()
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.set_xlabel("contribution, log-odds (right: towards a skip)")
    title_above(figure, title(f"Contributions of {family}", synthetic))
    if points is not None:
        bar = figure.colorbar(points, ticks=[0, 1], label="value of the feature (grey: missing)")
        bar.ax.set_yticklabels(["low", "high"])
    return figure


def _ranks(values: Matrix) -> tuple[Floats, Bools]:
    """Return where each value lies among the others, 0..1, and which are missing.

    >>> _ranks(np.array([3.0, 1.0, np.nan, 2.0]))[0].tolist()
    [1.0, 0.0, 0.0, 0.5]
    """
    missing = np.isnan(values)
    distinct = np.unique(values[~missing])
    rank = np.searchsorted(distinct, values) / max(len(distinct) - 1, 1)
    return np.where(missing, 0.0, rank), missing


def _jitter(values: Floats) -> Floats:
    """Return how far to move each point up or down, -0.4..0.4, so that dense places look dense."""
    low, high = float(values.min()), float(values.max())
    bins = np.minimum((values - low) / max(high - low, 1e-9) * 60, 59).astype(np.intp)
    crowd = np.bincount(bins, minlength=60)
    order = np.argsort(bins, kind="stable")
    within = np.empty(len(values))
    within[order] = np.arange(len(values)) - np.repeat(np.cumsum(crowd) - crowd, crowd)
    middle = within - (crowd[bins] - 1) / 2
    result: Floats = 0.8 * middle / crowd.max()
    return result


UNITS = {"loudness": "dB", "tempo": "beats per minute", "duration": "s", "release_year": "year"}
DISTRIBUTIONS = ("loudness", "energy", "danceability", "acousticness")


def label(feature: str) -> str:
    """Return a feature's name with its unit, where it has one.

    >>> label("loudness"), label("energy")
    ('loudness, dB', 'energy')
    """
    return f"{feature}, {UNITS[feature]}" if feature in UNITS else feature.replace("_", " ")


@styled
def session(plays: pd.DataFrame, feature: str, *, synthetic: bool = False) -> Figure:
    """Draw one session's skips against a track feature.

    Args:
        plays: of one session, in order of position: session_position, skip_2 and `feature`.
        feature: a number of each play's track.
        synthetic: whether the title says that the data are the twin's.
    """
    figure = canvas((7.2, 4.2))
    axes = figure.subplots()
    at, value = plays["session_position"].to_numpy(), plays[feature].to_numpy(np.float64)
    skipped = plays[TARGET].to_numpy(dtype=bool)
    axes.plot(at, value, color=QUIET, lw=1, zorder=1)
    for rows, name, colour, marker in (
        (~skipped, "not skipped", NOT_SKIPPED, "o"),
        (skipped, "skipped", SKIPPED, "X"),
    ):
        axes.scatter(at[rows], value[rows], s=90, color=colour, marker=marker, label=name, zorder=2)
    axes.set(xlabel="position in the session", ylabel=label(feature))
    axes.set_xticks(POSITION_TICKS)
    axes.set_title(title(f"One session: skips and {feature.replace('_', ' ')}", synthetic))
    figure.legend(loc="outside lower center", ncols=2)
    return figure


@styled
def distributions(
    tracks: pd.DataFrame, songs: Sequence[Song], *, synthetic: bool = False
) -> Figure:
    """Draw the distributions of four features over tracks, and where some songs lie.

    Args:
        tracks: columns `DISTRIBUTIONS`.
        songs: to mark.
        synthetic: as in `session`.
    """
    figure = canvas((9, 6.2))
    for axes, feature in zip(figure.subplots(2, 2).flat, DISTRIBUTIONS, strict=True):
        values = tracks[feature].to_numpy(np.float64)
        limits = tuple(np.quantile(values, (0.001, 0.999))) if feature in UNITS else (0, 1)
        share = np.full(len(values), 100 / len(values))
        axes.hist(values, bins=40, range=limits, weights=share, color="#B8B8B8")
        for i, song in enumerate(songs):
            style = {"color": COLOURS[i % len(COLOURS)], "ls": LINES[i % len(LINES)]}
            axes.axvline(getattr(song, feature), lw=2.2, **style, label=song.name)
        axes.set(xlabel=label(feature), ylabel="% of tracks")
    title_above(figure, title("Track features, and where some songs lie", synthetic))
    handles, texts = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=2)
    return figure


@styled
def correlation(tracks: pd.DataFrame, *, synthetic: bool = False) -> Figure:
    """Draw how the numbers of the acoustic vectors go together; arguments as `distributions`."""
    columns = names(ACOUSTIC_VECTORS)
    values = tracks[columns].corr().to_numpy()
    figure = canvas((6.6, 5.6))
    axes = figure.subplots()
    image = axes.imshow(values, cmap="PuOr", vmin=-1, vmax=1)
    for (row, column), value in np.ndenumerate(values):
        colour = "white" if abs(value) > 0.6 else "black"
        axes.text(column, row, f"{value:.2f}", ha="center", va="center", color=colour, size=9)
    axes.set_xticks(range(len(columns)))
    axes.set_yticks(range(len(columns)))
    axes.grid(visible=False)
    axes.set(xlabel="number of the acoustic vector", ylabel="number of the acoustic vector")
    figure.colorbar(image, label="correlation over tracks")
    axes.set_title(title("Acoustic vectors", synthetic))
    return figure
