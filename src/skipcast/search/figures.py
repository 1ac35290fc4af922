"""Figures of studies: how the objective went, what moved it, and where in the space it is good.

Optuna draws the same from the same numbers, but cuts labels off, changes matplotlib's style for the
rest of the process, and can say neither whose trials nor whose data they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import optuna
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial

from skipcast.arrays import Floats
from skipcast.evaluation.plots import COLOURS, QUIET, bars, canvas, styled, title

SMALL: Any = {"size": 10, "color": QUIET, "textcoords": "offset points", "ha": "center"}


@dataclass(frozen=True)
class About:
    """What the figures of a study say besides its numbers."""

    family: str  # such as "LightGBM"
    objective: str  # with its unit
    synthetic: bool  # whether the data are the twin's


def study_figures(study: Study, trials: Sequence[FrozenTrial], about: About) -> dict[str, Figure]:
    """Draw a family's trials; return the figures by name.

    Args:
        study: of the family.
        trials: those that are complete, one or more.
        about: what the figures say.
    """
    figures = {"history": history(study, trials, about)}
    if len(trials) > 1 and len(trials[0].params) > 1:
        figures["parallel_coordinate"] = parallel_coordinates(study, trials, about)
        if len(set(_values(trials))) > 1:  # else no parameter matters
            figures["importance"] = importance(study, about)
    return figures


@styled
def history(study: Study, trials: Sequence[FrozenTrial], about: About) -> Figure:
    """Draw the objective of each trial, and the best so far; arguments as `study_figures`."""
    numbers, values = [trial.number for trial in trials], _values(trials)
    best = (np.minimum if _is_loss(study) else np.maximum).accumulate(values)
    figure = canvas((7.2, 4.4))
    axes = figure.subplots()
    axes.step(numbers, best, where="post", color=COLOURS[1], label="best so far")
    axes.plot(numbers, values, "o", ms=6, color=COLOURS[0], label="trial")
    axes.set(xlabel="number of the trial", ylabel=about.objective)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_title(title(f"Trials of {about.family}", about.synthetic))
    figure.legend(loc="outside lower center", ncols=2)
    return figure


@styled
def importance(study: Study, about: About) -> Figure:
    """Draw the share of the objective's variance that each parameter explains (fANOVA).

    Arguments as `study_figures`.
    """
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    shares = optuna.importance.get_param_importances(study, evaluator=evaluator)
    xlabel = f"share of the variance of {about.objective.partition(',')[0]}"
    text = title(f"What matters for {about.family}", about.synthetic)
    return bars(list(shares), np.array(list(shares.values())), xlabel=xlabel, text=text)


@styled
def parallel_coordinates(study: Study, trials: Sequence[FrozenTrial], about: About) -> Figure:
    """Draw each trial as a line over its parameters, dark where it is good.

    Arguments as `study_figures`.
    """
    values, names = _values(trials), sorted(trials[0].params)
    columns = [values, *(np.array([trial.params[name] for trial in trials]) for name in names)]
    is_log = [False, *(getattr(trials[0].distributions[name], "log", False) for name in names)]
    heights = np.array([_heights(*column) for column in zip(columns, is_log, strict=True)])
    figure = canvas((8.4, 5.2))
    axes = figure.subplots()
    goodness = -heights[0] if _is_loss(study) else heights[0]
    colours = _shades(goodness)
    for row in np.argsort(goodness, kind="stable"):
        axes.plot(heights[:, row], color=colours[row], lw=1.6)
    _write_ends(axes, columns)
    axes.set_xticks(range(len(columns)), [about.objective, *names], rotation=20, ha="right")
    axes.set_title(title(f"Trials of {about.family}, the best darkest", about.synthetic))
    return figure


def _write_ends(axes: Axes, columns: Sequence[Floats]) -> None:
    """Write the lowest and the highest value of each column at the ends of its axis."""
    for place, column in enumerate(columns):
        axes.annotate(f"{column.max():.3g}", (place, 1), (0, 4), va="bottom", **SMALL)
        axes.annotate(f"{column.min():.3g}", (place, 0), (0, -4), va="top", **SMALL)
    axes.vlines(range(len(columns)), 0, 1, color="#B8B8B8", lw=1, zorder=0)
    axes.set(ylim=(-0.09, 1.09), yticks=[])
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)


def _heights(column: Floats, is_log: bool) -> Floats:
    """Return where the values lie between the lowest, 0, and the highest, 1; equal ones at 0.5.

    >>> _heights(np.array([1.0, 10.0, 100.0]), True).tolist()
    [0.0, 0.5, 1.0]
    >>> _heights(np.array([3.0, 3.0]), False).tolist()
    [0.5, 0.5]
    """
    scaled = np.log(column) if is_log else column
    width = scaled.max() - scaled.min()
    result: Floats = (scaled - scaled.min()) / width if width else np.full(len(column), 0.5)
    return result


def _shades(goodness: Floats) -> Floats:
    """Return the colours of lines, from pale to dark by rank: one bad trial must not pale all."""
    rank = goodness.argsort(kind="stable").argsort(kind="stable") / max(len(goodness) - 1, 1)
    result: Floats = mpl.colormaps["Blues"](0.25 + 0.75 * rank)
    return result


def _values(trials: Sequence[FrozenTrial]) -> Floats:
    return np.array([trial.value for trial in trials], np.float64)


def _is_loss(study: Study) -> bool:
    return bool(study.direction == StudyDirection.MINIMIZE)
