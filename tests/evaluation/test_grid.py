"""Plays by cells of probability, against scikit-learn on the single plays."""

import numpy as np
import pytest
from sklearn import metrics

from skipcast.evaluation.bootstrap import Resamples, number_keys
from skipcast.evaluation.grid import CELLS, EDGES, Grid, cells

RNG = np.random.default_rng(0)
SESSIONS = np.repeat(np.arange(200), 15)
PROBABILITY = RNG.random(3000).round(2)  # with many ties
SKIPPED = RNG.random(3000) < PROBABILITY
RESAMPLES = Resamples(SESSIONS, number_keys(200, seed=0), samples=50)
GRID = Grid.of(SKIPPED, PROBABILITY, RESAMPLES)


def test_edges_ascend_and_one_is_a_half():
    assert (np.diff(EDGES) > 0).all()
    assert EDGES[CELLS // 2 - 1] == 0.5


@pytest.mark.parametrize(
    ("probability", "cell"), [(0, 0), (np.nextafter(0.5, 0), 511), (0.5, 512), (1, 1023)]
)
def test_a_probability_from_a_half_on_is_in_the_upper_half(probability, cell):
    assert cells(np.array([probability])) == cell


def test_auc_is_that_of_sklearn_where_each_probability_has_a_cell():
    assert GRID.auc.value == pytest.approx(metrics.roc_auc_score(SKIPPED, PROBABILITY))


def test_auc_is_that_of_sklearn_in_every_sample():
    estimates = [
        metrics.roc_auc_score(SKIPPED, PROBABILITY, sample_weight=weights[SESSIONS])
        for weights in RESAMPLES.weights.T[1:]
    ]
    ends = np.quantile(estimates, (0.025, 0.975))
    assert (GRID.auc.low, GRID.auc.high) == pytest.approx(tuple(ends))


@pytest.mark.parametrize(("power", "off"), [(1, 2e-6), (4, 3e-6)])  # 4: hardly a play is skipped
def test_plays_of_one_cell_cost_the_auc_a_millionth(power, off):
    rng = np.random.default_rng(power)
    probability = rng.random(200_000) ** power
    skipped = rng.random(200_000) < probability
    exact = metrics.roc_auc_score(skipped, probability)
    assert Grid.of(skipped, probability).auc.value == pytest.approx(exact, abs=off)


def test_the_calibration_error_is_that_of_bins_by_single_plays():
    rng = np.random.default_rng(0)
    probability = rng.random(50_000)
    skipped = rng.random(50_000) < 0.5 + 0.8 * (probability - 0.5)
    edges = np.quantile(probability, np.linspace(0, 1, 11)[1:-1])
    bins = np.searchsorted(edges, probability, side="right")
    exact = np.abs(np.bincount(bins, probability - skipped)).sum() / len(bins)
    assert Grid.of(skipped, probability).calibration_error.value == pytest.approx(exact, abs=3e-4)


def test_calibration_error_is_the_mean_distance_over_the_bins():
    predicted, skipped, plays = GRID.calibration
    by_hand = np.average(np.abs(predicted - skipped), weights=plays)
    assert GRID.calibration_error.value == pytest.approx(by_hand)


def test_calibration_error_has_an_interval_where_there_are_samples():
    error = GRID.calibration_error
    assert error.low < error.value < error.high
    assert np.isnan(Grid.of(SKIPPED, PROBABILITY).calibration_error.low)


def test_grids_add_up():
    half = 1500
    one, other = (
        Grid.of(
            SKIPPED[rows],
            PROBABILITY[rows],
            Resamples(
                SESSIONS[rows] - SESSIONS[rows][0], number_keys(200, seed=0)[own], samples=50
            ),
        )
        for rows, own in (
            (slice(None, half), slice(None, 100)),
            (slice(half, None), slice(100, None)),
        )
    )
    np.testing.assert_allclose((one + other).counts, GRID.counts)
    np.testing.assert_allclose((one + other).probability, GRID.probability)


def test_the_roc_curve_is_that_of_sklearn():
    others, skips, _ = metrics.roc_curve(SKIPPED, PROBABILITY, drop_intermediate=False)
    points = np.unique(np.column_stack(GRID.roc), axis=0)
    np.testing.assert_allclose(points, np.column_stack([others, skips]), atol=1e-12)


def test_the_average_precision_is_that_of_sklearn():
    precision, recall = GRID.precision_recall
    exact = metrics.average_precision_score(SKIPPED, PROBABILITY)
    assert precision @ np.diff(recall, prepend=0) == pytest.approx(exact)


def test_the_confusion_is_that_of_sklearn():
    expected = metrics.confusion_matrix(SKIPPED, PROBABILITY >= 0.5)
    assert GRID.confusion.tolist() == expected.tolist()


def test_the_skip_rate_is_the_share_of_skips():
    assert GRID.skip_rate == pytest.approx(SKIPPED.mean())
