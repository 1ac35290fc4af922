import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from skipcast.errors import SkipcastError
from skipcast.evaluation.bootstrap import FEWEST_SESSIONS, Interval, Resamples, check_enough
from skipcast.evaluation.metrics import calibration_bins, calibration_error

RNG = np.random.default_rng(0)
SESSIONS = np.repeat(np.arange(40), 15)
PROBABILITY = RNG.random(600).round(2)  # with many ties
SKIPPED = RNG.random(600) < PROBABILITY
DRAWN = Resamples(SESSIONS, seed=0, samples=50)


def test_auc_is_that_of_sklearn_in_every_sample():
    expected = [
        roc_auc_score(SKIPPED, PROBABILITY, sample_weight=weights[SESSIONS])
        for weights in DRAWN.drawn
    ]
    got = DRAWN.auc(SKIPPED, PROBABILITY)
    assert got.value == pytest.approx(roc_auc_score(SKIPPED, PROBABILITY))
    assert (got.low, got.high) == pytest.approx(tuple(np.quantile(expected, (0.025, 0.975))))


def test_mean_of_a_slice_weighs_its_plays_alone():
    among = SESSIONS % 2 == 0
    values = RNG.random(600)
    expected = [
        np.average(values[among], weights=weights[SESSIONS][among]) for weights in DRAWN.drawn
    ]
    got = DRAWN.mean(values, among)
    assert got.value == pytest.approx(values[among].mean())
    assert (got.low, got.high) == pytest.approx(tuple(np.quantile(expected, (0.025, 0.975))))


def test_a_sample_without_any_play_of_a_slice_does_not_count():
    one = SESSIONS == 3
    got = DRAWN.mean(np.ones(600), one)
    assert got == Interval(1.0, 1.0, 1.0)
    assert not (DRAWN.drawn[:, 3] > 0).all()


def test_calibration_error_is_that_of_metrics():
    got = DRAWN.calibration_error(SKIPPED, PROBABILITY, calibration_bins(PROBABILITY))
    assert got.value == pytest.approx(calibration_error(SKIPPED, PROBABILITY))
    assert got.low < got.high


def test_same_seed_same_interval_and_more_samples_change_little():
    values = RNG.random(600)
    again = [Resamples(SESSIONS, seed=1).mean(values) for _ in range(2)]
    assert again[0] == again[1]
    other = Resamples(SESSIONS, seed=2).mean(values)
    assert other.low == pytest.approx(again[0].low, abs=0.01)


def test_too_few_sessions_and_one_outcome_are_told():
    check_enough(SKIPPED, FEWEST_SESSIONS)
    with pytest.raises(SkipcastError, match=r"must be 30 or more.* but there are 29\. Raise"):
        check_enough(SKIPPED, FEWEST_SESSIONS - 1)
    for outcome, word in ((True, "3 skipped"), (False, "3 not skipped")):
        with pytest.raises(SkipcastError, match=f"skipped ones and others but got {word}"):
            check_enough(np.full(3, outcome), 100)
