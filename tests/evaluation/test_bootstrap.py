import numpy as np
import pandas as pd
import pytest

from skipcast.errors import SkipcastError
from skipcast.evaluation import bootstrap
from skipcast.evaluation.bootstrap import (
    FEWEST_SESSIONS,
    Interval,
    Resamples,
    check_enough,
    chunks,
    draw,
    excess,
    number_keys,
    paired_difference,
    session_keys,
)

RNG = np.random.default_rng(0)
SESSIONS = np.repeat(np.arange(40), 15)
VALUES = RNG.random(600)
CODES = RNG.integers(-1, 3, 600)
KEYS = number_keys(40, seed=0)
RESAMPLES = Resamples(SESSIONS, KEYS, samples=50)


def ends(interval: Interval) -> tuple[float, float]:
    return interval.low, interval.high


def test_an_interval_is_the_middle_of_the_estimates_that_are_not_nan():
    interval = Interval.of(np.array([0.5, np.nan, *np.linspace(0, 1, 41)]))
    assert (interval.value, *ends(interval)) == pytest.approx((0.5, 0.025, 0.975))


def test_an_interval_without_estimates_is_nan():
    assert np.isnan(ends(Interval.of(np.array([0.5, np.nan])))).all()


@pytest.fixture(scope="module")
def drawn():
    return draw(number_keys(20_000, seed=0), samples=50)


def test_sample_0_holds_each_session_once(drawn):
    assert (drawn[:, 0] == 1).all()


def test_a_sample_holds_each_session_a_poisson_number_of_times(drawn):
    shares = [np.mean(drawn[:, 1:] == times) for times in range(4)]
    assert shares == pytest.approx(
        [np.exp(-1), np.exp(-1), np.exp(-1) / 2, np.exp(-1) / 6], abs=0.002
    )


def test_sessions_and_samples_are_independent(drawn):
    between_samples = np.corrcoef(drawn[:, 1:].T) - np.eye(50)
    between_sessions = np.corrcoef(drawn[:1000, 1:]) - np.eye(1000)
    assert np.abs(between_samples).max() < 0.05
    assert between_sessions.std() == pytest.approx(1 / np.sqrt(50), rel=0.05)


def test_the_weights_of_a_session_are_a_function_of_its_id_alone():
    ids = pd.Series(["a", "b", "c", "d"])
    every = draw(session_keys(ids, seed=3), samples=30)
    some = draw(session_keys(ids[[3, 1]], seed=3), samples=30)
    np.testing.assert_array_equal(some, every[[3, 1]])


def test_more_samples_begin_with_the_same():
    np.testing.assert_array_equal(draw(KEYS, samples=9), draw(KEYS, samples=30)[:, :10])


@pytest.mark.parametrize(
    "keys", [number_keys, lambda n, seed: session_keys(pd.Series(map(str, range(n))), seed=seed)]
)
def test_another_seed_draws_other_samples(keys):
    one, other = (draw(keys(40, seed=seed), samples=8)[:, 1:] for seed in (0, 1))
    assert (one != other).mean() > 0.5


def test_a_sum_weighs_each_play_as_often_as_its_session_is_drawn():
    sums = RESAMPLES.sums(np.stack([VALUES, VALUES**2]), CODES, 3)
    for code in range(3):
        rows = code == CODES
        expected = VALUES[rows] @ RESAMPLES.weights[SESSIONS[rows]]
        np.testing.assert_allclose(sums[0, code], expected)
    assert sums.shape == (2, 3, 51)


def test_a_count_is_the_sum_of_ones():
    codes = CODES + 1
    expected = RESAMPLES.sums(np.ones((1, 600)), codes, 4)[0]
    np.testing.assert_allclose(RESAMPLES.counts(codes, 4), expected)


def test_chunks_are_whole_sessions_and_all_plays(monkeypatch):
    monkeypatch.setattr(bootstrap, "CHUNK", 16)
    cut = list(chunks(SESSIONS))
    assert [(rows.start, rows.stop) for rows in cut] == [(0, 240), (240, 480), (480, 600)]


def test_a_difference_is_the_same_in_whatever_chunks_it_is_summed(monkeypatch):
    whole = excess(VALUES, VALUES[None] ** 2, SESSIONS, seed=0)
    monkeypatch.setattr(bootstrap, "CHUNK", 7)
    (parts,) = excess(VALUES, VALUES[None] ** 2, SESSIONS, seed=0)
    assert (parts.value, *ends(parts)) == pytest.approx((whole[0].value, *ends(whole[0])))


def test_every_model_has_its_own_difference():
    others = np.stack([VALUES, VALUES - 1])
    same, less = excess(VALUES, others, SESSIONS, seed=0)
    assert (same.value, *ends(same)) == (0, 0, 0)
    assert (less.value, *ends(less)) == pytest.approx((1, 1, 1))


def test_the_same_seed_gives_the_same_interval():
    one, other = (paired_difference(VALUES, 0 * VALUES, SESSIONS, seed=1) for _ in range(2))
    assert one == other


def test_another_seed_changes_little():
    one, other = (paired_difference(VALUES, 0 * VALUES, SESSIONS, seed=s) for s in (1, 2))
    assert other[1:] == pytest.approx(one[1:], abs=0.01)


def test_the_ends_differ_from_those_of_whole_draws_no_more_than_these_among_themselves():
    """Drawn sessions of a fixed number (multinomial) are what an interval was made of before."""
    rng = np.random.default_rng(0)
    sessions = 400
    plays = rng.integers(10, 21, sessions)
    sums = plays * 0.75 + rng.normal(0, 2, sessions)
    equal = np.full(sessions, 1 / sessions)

    def of(weights):
        return np.quantile((weights @ sums) / (weights @ plays), (0.025, 0.975))

    multinomial = np.array([of(rng.multinomial(sessions, equal, size=1000)) for _ in range(40)])
    poisson = np.array(
        [of(draw(number_keys(sessions, seed=s), samples=1000)[:, 1:].T) for s in range(40)]
    )
    noise = multinomial.std(axis=0)
    assert (np.abs(poisson.mean(axis=0) - multinomial.mean(axis=0)) < noise).all()
    assert poisson.std(axis=0) == pytest.approx(noise, rel=0.4)


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
    check_enough(plays=600, skips=300, sessions=FEWEST_SESSIONS, **ALL)


def test_fewer_than_thirty_sessions_are_an_error_that_tells_how_many_plays_are_missing():
    """14 more test sessions are wanted, 18 to be sure: 120 of all, of 10 plays each."""
    match = r"must be 30 or more.* but there are 16, of 110 .* 1,100 plays\. About 1,200 more plays"
    with pytest.raises(SkipcastError, match=match):
        check_enough(plays=600, skips=300, sessions=16, **ALL)


@pytest.mark.parametrize(("sessions", "words"), [(110, "to 0.33."), (70, None)])
def test_a_larger_share_is_told_where_enough_sessions_are_left_to_train(sessions, words):
    with pytest.raises(SkipcastError) as told:
        check_enough(
            plays=90, skips=40, sessions=9, all_plays=1100, all_sessions=sessions, share=0.15
        )
    assert ("Or raise split.test, which is 0.15, " in str(told.value)) is (words is not None)
    assert words is None or str(told.value).endswith(words)


@pytest.mark.parametrize(("outcome", "words"), [(True, "3 skipped"), (False, "3 not skipped")])
def test_plays_of_one_outcome_are_an_error(outcome, words):
    with pytest.raises(SkipcastError, match=f"skipped ones and others but got {words}"):
        check_enough(plays=3, skips=3 * outcome, sessions=100, **ALL)
