import numpy as np

from skipcast.evaluation.calibration import calibration, calibration_bins

# Four bins' worth of plays at two probabilities: plays of one probability stay together.
PROBABILITY = np.repeat([0.25, 0.75], 4)
SKIPPED = np.array([True, False, False, False, True, True, False, False])


def test_bins_hold_equally_many_plays():
    bins = calibration_bins(np.random.default_rng(0).random(1000))
    assert np.bincount(bins).tolist() == [100] * 10


def test_plays_of_one_probability_share_a_bin():
    assert len(set(calibration_bins(PROBABILITY)[:4])) == 1


def test_the_mean_probability_of_each_bin():
    assert calibration(SKIPPED, PROBABILITY)[0].tolist() == [0.25, 0.75]


def test_the_share_of_skipped_plays_of_each_bin():
    assert calibration(SKIPPED, PROBABILITY)[1].tolist() == [0.25, 0.5]


def test_the_number_of_plays_of_each_bin():
    assert calibration(SKIPPED, PROBABILITY)[2].tolist() == [4, 4]
