"""Figures of studies: whose they are, what they show, and that nothing of them is cut off."""

import numpy as np
import optuna
import pytest
from harness.figures import is_whole, title_of

from skipcast.search.figures import About, study_figures

NAMES = ("colsample_bytree", "learning_rate", "min_child_samples", "num_leaves", "reg_lambda")
VALUES = [0.6, 0.52, 0.55, 0.51]


def make_study(values, direction="minimize", names=NAMES):
    """Return a study of trials that each gave a value."""
    study = optuna.create_study(direction=direction)
    ranges = {name: optuna.distributions.FloatDistribution(1e-8, 300, log=True) for name in names}
    rng = np.random.default_rng(0)
    for value in values:
        params = {name: float(10 ** rng.uniform(-7, 2)) for name in names}
        study.add_trial(optuna.trial.create_trial(params=params, distributions=ranges, value=value))
    return study


def draw(study, *, synthetic=True):
    return study_figures(study, study.get_trials(), About("LightGBM", "log loss, nats", synthetic))


@pytest.fixture(scope="module")
def figures():
    return draw(make_study(VALUES))


KINDS = ("history", "parallel_coordinate", "importance")


@pytest.mark.parametrize("kind", KINDS)
def test_the_title_names_the_family_and_says_that_the_data_are_synthetic(figures, kind):
    assert "LightGBM" in title_of(figures[kind])
    assert "synthetic" in title_of(figures[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_of_real_data_nothing_says_synthetic(kind):
    assert "synthetic" not in title_of(draw(make_study(VALUES), synthetic=False)[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_cut_off(figures, kind):
    assert is_whole(figures[kind])


def test_the_history_shows_each_trial_and_the_best_so_far(figures):
    best, trials = figures["history"].axes[0].lines
    assert list(trials.get_ydata()) == VALUES
    assert list(best.get_ydata()) == [0.6, 0.52, 0.52, 0.51]
    assert figures["history"].axes[0].get_ylabel() == "log loss, nats"


def test_the_best_of_an_objective_to_maximise_is_the_highest():
    best, _ = draw(make_study([0.7, 0.76, 0.75], "maximize"))["history"].axes[0].lines
    assert list(best.get_ydata()) == [0.7, 0.76, 0.76]


def test_parallel_coordinates_have_a_line_for_each_trial_the_best_one_darkest(figures):
    axes = figures["parallel_coordinate"].axes[0]
    lines = [line for line in axes.lines if len(line.get_ydata()) == len(NAMES) + 1]
    assert len(lines) == len(VALUES)
    darkest = min(lines, key=lambda line: sum(line.get_color()[:3]))
    assert darkest.get_ydata()[0] == 0  # the lowest log loss
    assert [label.get_text() for label in axes.get_xticklabels()] == ["log loss, nats", *NAMES]


def test_importance_names_every_parameter(figures):
    labels = {label.get_text() for label in figures["importance"].axes[0].get_yticklabels()}
    assert labels == set(NAMES)


@pytest.mark.parametrize("study", [make_study([0.6]), make_study(VALUES, names=("C",))])
def test_one_trial_or_one_parameter_has_a_history_alone(study):
    assert list(draw(study)) == ["history"]


def test_trials_that_are_all_equal_have_no_importance():
    assert list(draw(make_study([0.5] * 3))) == ["history", "parallel_coordinate"]


def test_the_style_of_other_figures_stays():
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    draw(make_study(VALUES))
    assert dict(mpl.rcParams) == before
