import numpy as np
import pytest

from skipcast.evaluation.metrics import (
    calibration,
    calibration_bins,
    calibration_error,
    evaluate,
    paired_difference,
)


def test_scores_by_hand():
    scores = evaluate(np.array([True, False]), np.array([0.8, 0.4]))
    assert scores["accuracy"] == 1
    assert scores["auc"] == 1
    assert scores["log_loss"] == pytest.approx(-(np.log(0.8) + np.log(0.6)) / 2)


def test_a_half_counts_as_skipped():
    assert evaluate(np.array([True, False]), np.array([0.5, 0.5]))["accuracy"] == 0.5


def test_interval_of_a_paired_difference_covers_the_truth_as_often_as_it_says():
    """200 data sets with session effects and a true difference of 0.1: about 95 % are covered."""
    rng = np.random.default_rng(0)
    sessions = np.repeat(np.arange(60), 15)
    covered = 0
    for seed in range(200):
        effect = rng.normal(0.1, 0.5, 60)[sessions]
        shared = rng.normal(0, 5, len(sessions))
        one, other = shared + effect + rng.normal(0, 1, len(sessions)), shared
        _, low, high = paired_difference(one, other, sessions, seed=seed, samples=300)
        covered += low <= 0.1 <= high
    assert 0.88 < covered / 200 < 0.99


def test_calibration_by_hand():
    """Four bins' worth of plays at two probabilities: plays of one probability stay together."""
    probability = np.repeat([0.25, 0.75], 4)
    skipped = np.array([True, False, False, False, True, True, False, False])
    predicted, happened, plays = calibration(skipped, probability)
    assert (predicted.tolist(), happened.tolist()) == ([0.25, 0.75], [0.25, 0.5])
    assert plays.tolist() == [4, 4]
    assert calibration_error(skipped, probability) == pytest.approx(0.125)


def test_calibration_bins_hold_equally_many_plays():
    bins = calibration_bins(np.random.default_rng(0).random(1000))
    assert np.bincount(bins).tolist() == [100] * 10
