import numpy as np
import pandas as pd
import pytest

from skipcast.evaluation.metrics import METRICS
from skipcast.evaluation.scores import (
    HeldOut,
    accuracy_by_position,
    compare,
    errors_removed,
    rule_scores,
    scores,
    slice_scores,
    slices_of,
)
from skipcast.schema import TARGET

CHALLENGE = [name for name, metric in METRICS.items() if metric.challenge]
NAN = np.nan


@pytest.fixture
def plays():
    """Return two sessions, a of positions 1..3 and b of 1..2."""
    return pd.DataFrame(
        {
            "session_id": ["a", "a", "a", "b", "b"],
            "session_position": [1, 2, 3, 1, 2],
            "session_length": [3, 3, 3, 2, 2],
            TARGET: [True, False, True, False, True],
            "context_type": ["radio", "radio", "charts", "radio", "radio"],
            "premium": [True, True, True, False, False],
            "hist_user_behavior_is_shuffle": False,
            "listener_id": ["x", "x", "x", "y", "y"],
        }
    )


PROBABILITY = np.array([0.9, 0.1, 0.8, 0.7, 0.6])  # all right but the first play of b
OTHER = np.array([0.2, 0.1, 0.8, 0.7, 0.6])  # also wrong on the first play of a


@pytest.fixture
def held_out(plays):
    return HeldOut.of(plays, "started", seed=0, samples=100)


@pytest.fixture
def challenge_plays(plays):
    return HeldOut.of(plays, "second_half", seed=0, samples=100)


def test_sessions_are_numbered_in_their_order(held_out):
    assert held_out.sessions.tolist() == [0, 0, 0, 1, 1]


def test_scores_are_all_metrics_but_the_challenges(held_out):
    assert list(scores(held_out, PROBABILITY)) == [
        name for name in METRICS if name not in CHALLENGE
    ]


def test_the_horizon_of_the_challenge_also_has_its_scores(challenge_plays):
    assert list(scores(challenge_plays, PROBABILITY)) == list(METRICS)


def test_a_rule_is_scored_by_accuracy_alone(held_out):
    assert list(rule_scores(held_out, np.ones(5))) == ["accuracy"]


def test_the_challenge_also_scores_a_rule(challenge_plays):
    assert list(rule_scores(challenge_plays, np.ones(5))) == ["accuracy", *CHALLENGE]


def test_a_score_lies_within_its_interval(held_out):
    accuracy = scores(held_out, PROBABILITY)["accuracy"]
    assert accuracy.low < accuracy.value < accuracy.high


def test_the_slices_of_each_kind_are_those_that_have_plays(plays):
    assert {kind: list(values) for kind, values in slices_of(plays).items()} == {
        "position": ["1", "2", "3-5"],
        "context_type": ["charts", "radio"],
        "premium": ["false", "true"],
        "shuffle": ["false"],
        "listener": ["x", "y"],
    }


def test_what_no_play_has_is_no_kind_of_slice(plays):
    nothing = plays.assign(context_type=None, premium=np.nan, listener_id=None)
    assert list(slices_of(nothing)) == ["position", "shuffle"]


@pytest.mark.parametrize("missing", [None, NAN, pd.NA])
@pytest.mark.parametrize("dtype", ["object", "boolean", "float"])
def test_a_play_without_the_value_is_in_no_slice(plays, missing, dtype):
    premium = pd.Series([True, False, None, True, True], dtype=dtype)
    if dtype == "object":
        premium[2] = missing
    slices = slices_of(plays.assign(premium=premium))["premium"]
    assert {name: rows.tolist() for name, rows in slices.items()} == {
        "false": [False, True, False, False, False],
        "true": [True, False, False, True, True],
    }


def test_late_plays_of_long_sessions_are_one_slice(plays):
    long = plays.assign(session_position=[19, 20, 21, 400, 401])
    by_position = slices_of(long)["position"]
    assert {name: int(rows.sum()) for name, rows in by_position.items()} == {"11-20": 2, "21+": 3}
    held_out = HeldOut.of(long, "started", seed=0, samples=100)
    assert list(accuracy_by_position(held_out, PROBABILITY)) == [19, 20]


def test_each_play_is_in_one_slice_of_each_kind(plays):
    for values in slices_of(plays).values():
        assert np.sum(list(values.values()), axis=0).tolist() == [1] * len(plays)


def test_a_slice_is_scored_on_its_plays_alone(held_out):
    by_position = slice_scores(held_out, PROBABILITY)["position"]
    assert [by_position[name]["accuracy"].value for name in ("1", "2", "3-5")] == [0.5, 1, 1]


def test_a_slice_is_scored_by_the_metrics_that_rank(held_out):
    assert list(slice_scores(held_out, PROBABILITY)["premium"]["true"]) == [
        "accuracy",
        "log_loss",
    ]


def test_accuracy_at_each_position(held_out):
    by_position = accuracy_by_position(held_out, PROBABILITY)
    assert {k: i.value for k, i in by_position.items()} == {1: 0.5, 2: 1.0, 3: 1.0}


def test_a_model_with_half_the_errors_removes_half(held_out):
    removed = errors_removed(held_out, PROBABILITY, OTHER)
    assert removed.value == 0.5
    assert removed.low <= 0.5 <= removed.high


def test_a_model_with_more_errors_removes_less_than_none(held_out):
    assert errors_removed(held_out, OTHER, PROBABILITY).value == -1


def test_of_a_rule_without_errors_nothing_can_be_removed(held_out):
    assert np.isnan(errors_removed(held_out, OTHER, held_out.skipped.astype(float)).low)


def test_a_model_compared_with_itself_does_not_differ(held_out):
    accuracy = compare(held_out, PROBABILITY, PROBABILITY).accuracy
    assert (accuracy.value, accuracy.low, accuracy.high) == (0, 0, 0)


def test_a_comparison_is_positive_where_the_candidate_is_more_accurate(held_out):
    assert compare(held_out, PROBABILITY, OTHER).accuracy.value == pytest.approx(1 / 5)


def test_a_comparison_is_negative_where_the_candidate_has_less_log_loss(held_out):
    difference = compare(held_out, PROBABILITY, OTHER).log_loss.value
    assert difference == pytest.approx((np.log(0.2) - np.log(0.9)) / 5)


def test_the_challenge_compares_by_its_scores_where_the_champion_answers_all(plays):
    test = HeldOut.of(plays, "second_half", seed=0, samples=100)
    compared = compare(test, PROBABILITY, OTHER)
    expected = [scores(test, p)["maa"].value for p in (PROBABILITY, OTHER)]
    assert compared.maa.value == pytest.approx(expected[0] - expected[1])
    first = [scores(test, p)["fpa"].value for p in (PROBABILITY, OTHER)]
    assert compared.fpa.value == pytest.approx(first[0] - first[1])
    champion = np.where(np.arange(5) == 0, NAN, OTHER)
    assert compare(test, PROBABILITY, champion).maa is None


def test_the_challenge_counts_places_in_the_second_half(plays):
    late = plays.assign(session_position=[3, 4, 5, 3, 4], session_length=[5, 5, 5, 4, 4])
    test = HeldOut.of(late, "second_half", seed=0, samples=100)
    assert test.positions.tolist() == [1, 2, 3, 1, 2]
    assert list(accuracy_by_position(test, PROBABILITY)) == [1, 2, 3]
    places = test.slices["place in the half"]
    assert {name: int(rows.sum()) for name, rows in places.items()} == {"1": 2, "2": 2, "3": 1}


def test_other_horizons_are_not_compared_by_the_scores_of_the_challenge(held_out):
    assert compare(held_out, PROBABILITY, OTHER).maa is None


def test_plays_that_the_champion_does_not_predict_do_not_count(held_out):
    champion = np.where(np.arange(5) == 0, NAN, PROBABILITY)
    assert compare(held_out, OTHER, champion).plays == 4
    assert compare(held_out, OTHER, champion).accuracy.value == 0


def test_a_slice_that_the_champion_does_not_predict_is_left_out(held_out):
    champion = np.where([True, False, False, True, False], NAN, PROBABILITY)
    assert "position 1" not in compare(held_out, OTHER, champion).slices


def test_a_compared_slice_has_its_number_of_plays_and_its_difference(held_out):
    plays, accuracy = compare(held_out, PROBABILITY, OTHER).slices["position 1"]
    assert (plays, accuracy.value) == (2, 1 / 2)


def test_a_champion_without_any_prediction_is_an_error(held_out):
    with pytest.raises(ValueError, match="must predict one play"):
        compare(held_out, PROBABILITY, np.full(5, NAN))
