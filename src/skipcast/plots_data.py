"""Figures of plays and tracks: a session, distributions of features, acoustic vectors."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from skipcast.params import Song
from skipcast.plots import (
    COLOURS,
    LINES,
    NOT_SKIPPED,
    POSITION_TICKS,
    QUIET,
    SKIPPED,
    canvas,
    styled,
    title,
)
from skipcast.schema import ACOUSTIC_VECTORS, TARGET, names

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
    """Draw how four features are spread over tracks, and where some songs lie.

    Args:
        tracks: columns `DISTRIBUTIONS`.
        songs: to mark.
        synthetic: as in `session`.
    """
    figure = canvas((9, 6.2))
    for axes, feature in zip(figure.subplots(2, 2).flat, DISTRIBUTIONS, strict=True):
        values = tracks[feature].to_numpy(np.float64)
        shown = tuple(np.quantile(values, (0.001, 0.999))) if feature in UNITS else (0, 1)
        share = np.full(len(values), 100 / len(values))
        axes.hist(values, bins=40, range=shown, weights=share, color="#B8B8B8")
        for i, song in enumerate(songs):
            style = {"color": COLOURS[i % len(COLOURS)], "ls": LINES[i % len(LINES)]}
            axes.axvline(getattr(song, feature), lw=2.2, **style, label=song.name)
        axes.set(xlabel=label(feature), ylabel="% of tracks")
    figure.suptitle(title("Track features, and where some songs lie", synthetic), fontsize=12)
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
