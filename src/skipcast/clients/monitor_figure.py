"""The figure of `skipcast monitor`: what each version did day by day."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from skipcast.clients.monitor import SCORES, Period, Version
from skipcast.evaluation.bootstrap import Interval
from skipcast.evaluation.metrics import METRICS
from skipcast.evaluation.plots import COLOURS, QUIET, canvas, styled, title_above
from skipcast.params import Params

SIZE = (9.6, 6.4)  # inches


@styled
def draw(periods: Sequence[Period], versions: Mapping[str, Version], params: Params) -> Figure:
    """Draw accuracy, log loss, calibration and drift by day, with 95 % intervals.

    A band shows what the test sessions said of a version, a dotted line a limit.

    Args:
        periods: of days, at least one.
        versions: what is known of each.
        params: the limits.
    """
    figure = canvas(SIZE)
    panels = figure.subplots(2, 2, sharex=True).ravel()
    days = sorted({period.day for period in periods})
    colours = dict(zip(dict.fromkeys(p.version for p in periods), COLOURS * 9, strict=False))
    for axes, name in zip(panels, SCORES, strict=False):
        axes.set_ylabel(METRICS[name].heading)
        for version, colour in colours.items():
            own = [p for p in periods if p.version == version and p.scores]
            _line(axes, days, {p.day: p.scores[name] for p in own}, colour)
            tested = versions[version].tested
            if tested and name in tested:
                axes.axhspan(tested[name].low, tested[name].high, color=colour, alpha=0.15, lw=0)
    panels[2].axhline(params.promote.max_ece, color=QUIET, lw=1, ls=":")
    panels[3].axhline(params.monitor.stability, color=QUIET, lw=1, ls=":")
    panels[3].set_ylabel("largest stability index")
    for version, colour in colours.items():
        drifted = {p.day: p.most_drifted for p in periods if p.version == version}
        largest = {
            day: Interval(most[1], most[1], most[1]) for day, most in drifted.items() if most
        }
        _line(panels[3], days, largest, colour, label=f"version {version}")
    panels[3].legend()
    for axes in panels:
        axes.set_xticks(range(len(days)), days, rotation=45, ha="right")
        axes.locator_params(axis="x", nbins=8)
    title_above(figure, "The served model by day (UTC); bands: its test sessions; dotted: limits")
    return figure


def _line(
    axes: Axes,
    days: Sequence[str],
    scores: Mapping[str, Interval],
    colour: str,
    label: str | None = None,
) -> None:
    """Draw a score of a version with its interval, a point a day."""
    values = scores.values()
    # Where all plays have one score, the last bit may put it outside of its interval.
    down = [max(0.0, score.value - score.low) for score in values]
    up = [max(0.0, score.high - score.value) for score in values]
    axes.errorbar(
        [days.index(day) for day in scores],
        [score.value for score in values],
        [down, up],
        color=colour,
        marker="o",
        ms=4,
        capsize=3,
        label=label,
    )
