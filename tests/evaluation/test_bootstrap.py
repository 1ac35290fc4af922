import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from skipcast.errors import SkipcastError
from skipcast.evaluation.bootstrap import (
    FEWEST_SESSIONS,
    Interval,
    Resamples,
    check_enough,
    paired_difference,
)
from skipcast.evaluation.calibration import calibration, calibration_bins

RNG = np.random.default_rng(0)
SESSIONS = np.repeat(np.arange(40), 15)
PROBABILITY = RNG.random(600).round(2)  # with many ties
SKIPPED = RNG.random(600) < PROBABILITY
VALUES = RNG.random(600)
RESAMPLES = Resamples(SESSIONS, seed=0, samples=50)


def ends(interval: Interval) -> tuple[float, float]:
    return interval.low, interval.high


def middle(estimates: list[float]) -> object:
    """Return the middle 95 % of the estimates of single samples, up to rounding."""
    return pytest.approx(tuple(np.quantile(estimates, (0.025, 0.975))))


def test_an_interval_is_the_middle_of_the_estimates_that_are_not_nan():
    interval = Interval.of(0.5, np.array([np.nan, *np.linspace(0, 1, 41)]))
    assert ends(interval) == pytest.approx((0.025, 0.975))


def test_an_interval_without_estimates_is_nan():
    assert np.isnan(ends(Interval.of(np.nan, np.array([np.nan])))).all()


def test_each_sample_holds_as_many_sessions_as_there_are():
    assert (RESAMPLES.weights.sum(axis=1) == 40).all()


def test_a_sum_weighs_each_play_as_often_as_its_session_is_drawn():
    sums = RESAMPLES.sums(VALUES)[:, 0]
    np.testing.assert_allclose(sums, RESAMPLES.weights[:, SESSIONS] @ VALUES)


def test_auc_is_that_of_sklearn():
    value = RESAMPLES.auc(SKIPPED, PROBABILITY).value
    assert value == pytest.approx(roc_auc_score(SKIPPED, PROBABILITY))


def test_auc_is_that_of_sklearn_in_every_sample():
    estimates = [
        roc_auc_score(SKIPPED, PROBABILITY, sample_weight=weights[SESSIONS])
        for weights in RESAMPLES.weights
    ]
    assert ends(RESAMPLES.auc(SKIPPED, PROBABILITY)) == middle(estimates)


def test_the_mean_of_a_slice_is_that_of_its_plays():
    rows = SESSIONS % 2 == 0
    assert RESAMPLES.mean(VALUES, rows).value == pytest.approx(VALUES[rows].mean())


def test_the_interval_of_a_slice_weighs_its_plays_alone():
    rows = SESSIONS % 2 == 0
    estimates = [
        np.average(VALUES[rows], weights=weights[SESSIONS][rows]) for weights in RESAMPLES.weights
    ]
    assert ends(RESAMPLES.mean(VALUES, rows)) == middle(estimates)


def test_a_sample_without_any_play_of_a_slice_does_not_count():
    assert not (RESAMPLES.weights[:, 3] > 0).all()
    assert RESAMPLES.mean(np.ones(600), SESSIONS == 3) == Interval(1.0, 1.0, 1.0)


def test_the_mean_over_sessions_weighs_all_sessions_alike():
    resamples = Resamples(np.array([0, 0, 0, 1]), seed=0, samples=10)
    assert resamples.session_mean(np.array([1.0, 0.0])).value == 0.5


def test_calibration_error_is_the_mean_distance_over_the_bins():
    predicted, skipped, plays = calibration(SKIPPED, PROBABILITY)
    by_hand = np.average(np.abs(predicted - skipped), weights=plays)
    interval = RESAMPLES.calibration_error(SKIPPED, PROBABILITY, calibration_bins(PROBABILITY))
    assert interval.value == pytest.approx(by_hand)


def test_calibration_error_has_an_interval():
    interval = RESAMPLES.calibration_error(SKIPPED, PROBABILITY, calibration_bins(PROBABILITY))
    assert interval.low < interval.high


def test_the_same_seed_gives_the_same_interval():
    one, other = (Resamples(SESSIONS, seed=1).mean(VALUES) for _ in range(2))
    assert one == other


def test_another_seed_changes_little():
    one, other = (Resamples(SESSIONS, seed=seed).mean(VALUES) for seed in (1, 2))
    assert ends(other) == pytest.approx(ends(one), abs=0.01)


def test_the_interval_of_a_paired_difference_covers_the_truth_as_often_as_it_says():
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


ALL = {"all_plays": 1100, "all_sessions": 110, "share": 0.15}


def test_thirty_sessions_with_both_outcomes_are_enough():
    check_enough(SKIPPED, FEWEST_SESSIONS, **ALL)


def test_fewer_than_thirty_sessions_are_an_error_that_tells_how_many_plays_are_missing():
    """14 more test sessions are wanted, 18 to be sure: 120 of all, of 10 plays each."""
    match = r"must be 30 or more.* but there are 16, of 110 .* 1,100 plays\. About 1,200 more plays"
    with pytest.raises(SkipcastError, match=match):
        check_enough(SKIPPED, 16, **ALL)


@pytest.mark.parametrize(("sessions", "words"), [(110, "to 0.33."), (70, None)])
def test_a_larger_share_is_told_where_enough_sessions_are_left_to_train(sessions, words):
    with pytest.raises(SkipcastError) as told:
        check_enough(SKIPPED, 9, all_plays=1100, all_sessions=sessions, share=0.15)
    assert ("Or raise split.test, which is 0.15, " in str(told.value)) is (words is not None)
    assert words is None or str(told.value).endswith(words)


@pytest.mark.parametrize(("outcome", "words"), [(True, "3 skipped"), (False, "3 not skipped")])
def test_plays_of_one_outcome_are_an_error(outcome, words):
    with pytest.raises(SkipcastError, match=f"skipped ones and others but got {words}"):
        check_enough(np.full(3, outcome), 100, **ALL)
