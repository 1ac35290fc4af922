import numpy as np
import pytest
from scipy.special import ndtr

from skipcast.evaluation.bootstrap import Resamples, number_keys
from skipcast.evaluation.calibration import calibration_bins, error_ends
from skipcast.evaluation.grid import CELLS, Grid, cells

# Four bins' worth of plays at two probabilities: plays of one probability stay together.
PROBABILITY = np.repeat([0.25, 0.75], 4)
SKIPPED = np.array([True, False, False, False, True, True, False, False])


GRID = Grid.of(SKIPPED, PROBABILITY)


def test_bins_hold_about_equally_many_plays():
    at = cells(np.random.default_rng(0).random(100_000))
    bins = calibration_bins(np.bincount(at, minlength=CELLS))
    assert np.bincount(bins[at]) == pytest.approx(np.full(10, 10_000), abs=200)


def test_a_bin_begins_at_a_quantile():
    """Of ten plays at ten probabilities, each has its own bin."""
    assert calibration_bins(np.array([0, 1, 1, 0, *[1] * 8])).tolist() == [
        0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9,
    ]  # fmt: skip


def test_plays_of_one_probability_share_a_bin():
    assert len(GRID.calibration[0]) == 2


def test_the_mean_probability_of_each_bin():
    assert GRID.calibration[0].tolist() == [0.25, 0.75]


def test_the_share_of_skipped_plays_of_each_bin():
    assert GRID.calibration[1].tolist() == [0.25, 0.5]


def test_the_number_of_plays_of_each_bin():
    assert GRID.calibration[2].tolist() == [4, 4]


TRIES, SESSIONS = 200, 100


def simulated(shrink, seed):
    """Predict plays whose probabilities are drawn towards 0.5 by `shrink`; return the interval.

    Of the predicted probabilities p, which are even over 0..1, the true ones are
    0.5 + (1 - shrink) (p - 0.5): the true calibration error is shrink / 4. The outcomes of a
    session go together.
    """
    rng = np.random.default_rng(seed)
    sessions = np.repeat(np.arange(SESSIONS), 15)
    probability = rng.random(len(sessions))
    true = 0.5 + (1 - shrink) * (probability - 0.5)
    mood = np.sqrt(0.3) * rng.normal(size=SESSIONS)[sessions]
    skipped = ndtr(mood + np.sqrt(0.7) * rng.normal(size=len(sessions))) < true
    resamples = Resamples(sessions, number_keys(SESSIONS, seed=seed), samples=300)
    return Grid.of(skipped, probability, resamples).calibration_error


@pytest.fixture(scope="module")
def intervals():
    """Return the intervals of many simulations of a predictor, by its shrink."""
    made = {}

    def of(shrink):
        if shrink not in made:
            made[shrink] = [simulated(shrink, seed) for seed in range(TRIES)]
        return made[shrink]

    return of


every_predictor = pytest.mark.parametrize("shrink", [0.0, 0.1, 0.2, 0.4, 0.8])


@every_predictor
def test_the_interval_holds_the_true_error_about_as_often_as_it_says(intervals, shrink):
    held = np.mean([i.low <= shrink / 4 <= i.high for i in intervals(shrink)])
    assert 0.9 <= held <= 0.995


@every_predictor
def test_the_interval_holds_its_estimate(intervals, shrink):
    assert all(i.low <= i.value <= i.high for i in intervals(shrink))


def test_chance_alone_raises_the_estimate_but_not_the_begin_of_the_interval(intervals):
    assert np.mean([i.value for i in intervals(0.0)]) > 0.02
    assert np.mean([i.low == 0 for i in intervals(0.0)]) > 0.9


def test_a_miscalibrated_model_is_told_from_a_calibrated_one(intervals):
    assert all(i.low > 0 for i in intervals(0.4))


def test_an_interval_is_no_wider_than_the_errors_that_were_tried(intervals):
    assert np.mean([i.high - i.low for i in intervals(0.8)]) < 0.06


def test_gaps_without_noise_are_certain():
    gaps = np.array([0.125, -0.25, 0.0])
    assert error_ends(gaps, np.zeros((5, 3))) == pytest.approx((0.375, 0.375))


def test_a_bin_that_is_certain_does_not_hide_that_the_others_are_chance():
    """The gap of a bin of rare skips can be many standard errors, and yet next to nothing."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, (1e-8, 0.01), (500, 2))
    assert error_ends(np.array([1e-6, 0.005]), noise)[0] == 0
