"""Figures of a listener's own history, in the style of `plots`.

They show names of tracks and artists, so they stay on this machine: nothing here is logged.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from skipcast.arrays import Floats
from skipcast.evaluation.lettering import LACKING, drawable, fonts
from skipcast.evaluation.listening import (
    DAYS,
    FEWEST_PLAYS,
    HOURS,
    LEAST_PLAYS,
    LEAST_SPREAD,
    TOP,
    USUAL_PLAYS,
    Listening,
    interval,
    most_kept,
    most_skipped,
    shrunk,
    spread,
)
from skipcast.evaluation.plots import (
    NOT_SKIPPED,
    QUIET,
    SKIPPED,
    canvas,
    styled,
    title,
    title_above,
)

LETTERS = 30  # of a name beside a bar
COLOURS = LinearSegmentedColormap.from_list("skips", [NOT_SKIPPED, "white", SKIPPED])


@dataclass(frozen=True)
class Caption:
    """What the texts of all figures need.

    Attributes:
        skipped: what was done to a play that counts as skipped, in words.
        timezone: of the hours.
        synthetic: whether titles say that the data are the twin's.
    """

    skipped: str
    timezone: str
    synthetic: bool


def percent(share: float) -> str:
    """Write a share.

    >>> percent(0.314)
    '31 %'
    """
    return f"{100 * share:.0f} %"


def short(count: int) -> str:
    """Write a count in at most four signs.

    >>> [short(count) for count in (0, 999, 1049, 15_300, 1_000_000)]
    ['', '999', '1.0k', '15k', '1.0M']
    """
    for unit, sign in ((10**6, "M"), (10**3, "k")):
        if count >= unit:
            return f"{count / unit:.{int(count < 10 * unit)}f}{sign}"
    return str(count) if count else ""


@styled
def when(shown: Listening, caption: Caption) -> Figure:
    """Draw the skip rate by day of the week and hour, with the plays of each, and of all."""
    plays, skips = (_with_sums(shown.hours[name].to_numpy(float)) for name in ("plays", "skips"))
    rate = np.where(plays > 0, shrunk(skips, plays, shown.rate), np.nan)
    span = spread(rate, shown.rate)
    figure = canvas((11, 4.6))
    axes = figure.subplots()
    columns, rows = _edges(HOURS), _edges(len(DAYS))
    image = axes.pcolormesh(
        columns, rows, np.ma.masked_invalid(rate), cmap=COLOURS, edgecolor="white", lw=1,
        vmin=shown.rate - span, vmax=shown.rate + span,
    )  # fmt: skip
    for (row, column), count in np.ndenumerate(plays):
        if row != len(DAYS) and column != HOURS:  # the gap before the sums
            is_dark = abs(rate[row, column] - shown.rate) > 0.6 * span
            at = columns[column : column + 2].mean(), rows[row : row + 2].mean()
            text = axes.text(*at, short(int(count)), ha="center", va="center", size=7.5)
            text.set_color("white" if is_dark else "black")
    axes.set_xticks([*np.arange(0.5, HOURS, 3), HOURS + 0.75], [*range(0, HOURS, 3), "all"])
    axes.set_yticks([*np.arange(0.5, len(DAYS)), len(DAYS) + 0.75], [*DAYS, "all"])
    axes.invert_yaxis()
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set_xlabel(f"hour of the day in {caption.timezone} (the numbers are plays)")
    bar = figure.colorbar(
        image, extend="both", ticks=np.clip(shown.rate + span * np.array([-1, 0, 1]), 0, 1)
    )
    bar.ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    bar.set_label(f"{caption.skipped}\n(shrunk)")
    title_above(
        figure, title(f"When plays are skipped; all: {percent(shown.rate)}", caption.synthetic)
    )
    return figure


def _edges(count: int) -> Floats:
    """Return where cells of width 1 begin and end, with a gap before the last one."""
    return np.array([*range(count + 1), count + 0.25, count + 1.25])


def _with_sums(counts: Floats) -> Floats:
    """Return 168 counts as days x hours, with a row and a column of sums, zeros before each."""
    table = counts.reshape(len(DAYS), HOURS)
    table = np.vstack([table, np.zeros(HOURS), table.sum(axis=0)])
    sums = table.sum(axis=1, keepdims=True)
    result: Floats = np.hstack([table, np.zeros_like(sums), sums])
    return result


@styled
def over_time(shown: Listening, caption: Caption) -> Figure:
    """Draw the skip rate of each day, week or month with its 95 % interval, and the plays."""
    figure = canvas((11, 5))
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    plays, skips = (shown.periods[name].to_numpy(float) for name in ("plays", "skips"))
    starts, days = shown.periods["start"], shown.periods["days"].to_numpy(float)
    middle = starts + pd.to_timedelta(days / 2, unit="D")
    is_told = plays >= LEAST_PLAYS
    count = np.where(is_told, plays, np.nan)
    low, high = interval(skips, np.where(is_told, plays, 0))
    above.axhline(shown.rate, color=QUIET, lw=1, ls=":", label=f"all: {percent(shown.rate)}")
    above.fill_between(middle, low, high, color=SKIPPED, alpha=0.2, lw=0, label="95 % interval")
    above.plot(middle, skips / count, color=SKIPPED, marker="o", ms=3.5, label="skip rate")
    above.set(
        ylabel=caption.skipped, ylim=(0, min(1, 1.2 * np.nanmax([*high, shown.rate, LEAST_SPREAD])))
    )
    above.yaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    below.bar(starts, plays, days, align="edge", color="#B8B8B8")
    below.set(ylabel="plays")
    below.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    below.yaxis.set_major_formatter("{x:,.0f}")
    dates = AutoDateLocator(maxticks=10)  # type: ignore[no-untyped-call]
    below.xaxis.set_major_locator(dates)
    below.xaxis.set_major_formatter(ConciseDateFormatter(dates))  # type: ignore[no-untyped-call]
    title_above(figure, title("Skips over time", caption.synthetic))
    figure.legend(loc="outside upper right", ncols=3)
    _note(figure, _left_out(shown))
    return figure


@styled
def favourites(shown: Listening, what: str, labels: Sequence[str], caption: Caption) -> Figure:
    """Draw the most skipped beside the most kept artists or tracks, with their plays.

    Args:
        shown: the history.
        what: `artists` or `tracks`.
        labels: what each row of their table is called.
        caption: for the texts.
    """
    ranked = shown.by_artist if what == "artists" else shown.by_track
    named = ranked.assign(label=[_lines(label) for label in labels])
    sides = {
        f"Most skipped {what}": (most_skipped(named, shown.rate), SKIPPED, "more"),
        f"Most kept {what}": (most_kept(named, shown.rate), NOT_SKIPPED, "less"),
    }
    shown_rows = pd.concat([rows for rows, _, _ in sides.values()])
    figure = canvas((13, 5.2 if what == "artists" else 7))
    every = figure.subplots(1, 2)
    for axes, (text, (rows, colour, how)) in zip(every, sides.items(), strict=True):
        _draw_side(axes, rows, colour, shown.rate)
        axes.set_xlim(0, 1.35 * max(*shown_rows["rate"], shown.rate, LEAST_SPREAD))
        axes.set_title(text)
        if rows.empty:
            note = f"None with {FEWEST_PLAYS} plays or more\nis skipped {how} often than usual."
            axes.text(0.5, 0.5, note, transform=axes.transAxes, ha="center", color=QUIET)
            axes.grid(visible=False)
    note = (
        f"Bars: skip rate as if {USUAL_PLAYS} more plays had been skipped at the usual "
        f"{percent(shown.rate)} (dotted). Beside them: skips of all plays."
    )
    if LACKING in "".join(shown_rows["label"]):
        note += f" {LACKING}: a letter that no font here has."
    _note(figure, note)
    title_above(figure, title(f"{what.capitalize()} by skips", caption.synthetic))
    return figure


def _left_out(shown: Listening) -> str:
    note = f"A rate of fewer than {LEAST_PLAYS} plays is not drawn."
    if shown.undated:
        note += f" Not known is the start of {shown.undated:,} of {shown.plays:,} plays."
    return note


def _note(figure: Figure, text: str) -> None:
    figure.supxlabel(text, size=10, color=QUIET, x=0.01, ha="left")


def _draw_side(axes: Axes, rows: pd.DataFrame, colour: str, usual: float) -> None:
    at = np.arange(len(rows))
    bars = axes.barh(at, rows["rate"], height=0.7, color=colour)
    of = [
        f"{skips:,} of {plays:,}" for skips, plays in zip(rows["skips"], rows["plays"], strict=True)
    ]
    ground = {"fc": "white", "ec": "none", "pad": 0.5}  # the dotted line ends beside it
    axes.bar_label(bars, of, padding=4, size=9, bbox=ground)
    axes.axvline(usual, color=QUIET, lw=1, ls=":")
    axes.set_yticks(
        at, rows["label"], size=9, linespacing=1.1, fontfamily=fonts(), parse_math=False
    )
    axes.set(ylim=(TOP - 0.5, -0.5))
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)


def _lines(label: str) -> str:
    return "\n".join(drawable(line, LETTERS) for line in label.split("\n"))


@styled
def listeners(every: Sequence[Listening], labels: Sequence[str], caption: Caption) -> Figure:
    """Draw the skip rate of each listener, the lowest above, with the plays.

    Args:
        every: the histories.
        labels: what each listener is called.
        caption: for the texts.
    """
    order = sorted(range(len(every)), key=lambda i: every[i].rate)
    rates = [every[i].rate for i in order]
    figure = canvas((9, 1.6 + 0.32 * len(every)))
    axes = figure.subplots()
    bars = axes.barh(range(len(order)), rates, color=SKIPPED, height=0.7)
    of = [f"{percent(every[i].rate)} of {every[i].plays:,} plays" for i in order]
    axes.bar_label(bars, of, padding=3, size=9)
    names = [drawable(labels[i], LETTERS) for i in order]
    axes.set_yticks(range(len(order)), names, size=9, fontfamily=fonts(), parse_math=False)
    axes.set(xlabel=caption.skipped, xlim=(0, max(rates) * 1.4 + 0.01))
    axes.invert_yaxis()
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0, symbol=" %"))
    axes.grid(axis="y", visible=False)
    title_above(figure, title("Listeners", caption.synthetic))
    return figure
