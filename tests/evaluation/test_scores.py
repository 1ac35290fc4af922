import numpy as np
import pandas as pd
import pytest

from skipcast.evaluation import bootstrap
from skipcast.evaluation.held_out import JudgedPlays, lively_session, tally
from skipcast.evaluation.metrics import METRICS
from skipcast.evaluation.scores import (
    accuracy_by_position,
    compare,
    errors_removed,
    rule_scores,
    scores,
    skip_rate,
    slice_scores,
)
from skipcast.evaluation.slices import slices_of
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


RULE = np.ones(5)
RIGHT = np.array([1.0, 0, 1, 0, 1])
ANSWERS = {"candidate": PROBABILITY, "other": OTHER, "rule": RULE, "right": RIGHT}


def held_out_of(plays, horizon="started", **more):
    """Sum up the answers of all models to plays of ANSWERS, and of more if given."""
    answers = {name: p[plays.index] for name, p in ANSWERS.items()} | more
    return tally(JudgedPlays.of(plays, horizon, seed=0), answers, samples=100)


@pytest.fixture
def held_out(plays):
    return held_out_of(plays)


@pytest.fixture
def challenge_plays(plays):
    return held_out_of(plays, "second_half")


def compared(plays, candidate=PROBABILITY, champion=OTHER, horizon="started"):
    return compare(held_out_of(plays, horizon, candidate=candidate, champion=champion))


def test_sessions_are_numbered_in_their_order(plays):
    assert JudgedPlays.of(plays, "started", seed=0).sessions.tolist() == [0, 0, 0, 1, 1]


def test_plays_skips_and_sessions_are_counted(held_out):
    assert (held_out.plays, held_out.sessions) == (5, 2)
    where = ("context_type", "radio")
    assert (held_out.plays_in(where), held_out.sessions_in(where)) == (4, 2)
    assert skip_rate(held_out, where).value == 0.5


def test_scores_are_all_metrics_but_the_challenges(held_out):
    assert list(scores(held_out, "candidate")) == [
        name for name in METRICS if name not in CHALLENGE
    ]


def test_the_horizon_of_the_challenge_also_has_its_scores(challenge_plays):
    assert list(scores(challenge_plays, "candidate")) == list(METRICS)


def test_a_rule_is_scored_by_accuracy_alone(held_out):
    assert list(rule_scores(held_out, "rule")) == ["accuracy"]


def test_the_challenge_also_scores_a_rule(challenge_plays):
    assert list(rule_scores(challenge_plays, "rule")) == ["accuracy", *CHALLENGE]


def test_a_score_lies_within_its_interval(held_out):
    accuracy = scores(held_out, "candidate")["accuracy"]
    assert accuracy.low < accuracy.value < accuracy.high


def test_the_slices_of_each_kind_are_those_that_have_plays(held_out):
    assert held_out.slices() == [
        ("position", "1"), ("position", "2"), ("position", "3-5"),
        ("context_type", "charts"), ("context_type", "radio"),
        ("premium", "false"), ("premium", "true"), ("shuffle", "false"),
        ("listener", "x"), ("listener", "y"),
    ]  # fmt: skip


def test_what_no_play_has_is_no_kind_of_slice(plays):
    nothing = plays.assign(context_type=None, premium=np.nan, listener_id=None)
    assert {kind for kind, _ in held_out_of(nothing).slices()} == {"position", "shuffle"}


@pytest.mark.parametrize("missing", [None, NAN, pd.NA])
@pytest.mark.parametrize("dtype", ["object", "boolean", "float"])
def test_a_play_without_the_value_is_in_no_slice(plays, missing, dtype):
    premium = pd.Series([True, False, None, True, True], dtype=dtype)
    if dtype == "object":
        premium[2] = missing
    slices = slices_of(plays.assign(premium=premium), "started")["premium"]
    assert slices.values == ("false", "true")
    assert slices.codes.tolist() == [1, 0, -1, 1, 1]


def test_late_plays_of_long_sessions_are_one_slice(plays):
    long = held_out_of(plays.assign(session_position=[19, 20, 21, 400, 401]))
    by_position = {value: long.plays_in((kind, value)) for kind, value in long.slices("position")}
    assert by_position == {"11-20": 2, "21+": 3}
    assert list(accuracy_by_position(long, "candidate")) == [19, 20]


def test_a_slice_is_scored_on_its_plays_alone(held_out):
    by_position = slice_scores(held_out, "candidate")["position"]
    assert [by_position[name]["accuracy"].value for name in ("1", "2", "3-5")] == [0.5, 1, 1]


def test_a_slice_is_scored_by_the_metrics_that_rank(held_out):
    assert list(slice_scores(held_out, "candidate")["premium"]["true"]) == [
        "accuracy",
        "log_loss",
    ]


def test_accuracy_at_each_position(held_out):
    by_position = accuracy_by_position(held_out, "candidate")
    assert {k: i.value for k, i in by_position.items()} == {1: 0.5, 2: 1.0, 3: 1.0}


def test_a_model_with_half_the_errors_removes_half(held_out):
    removed = errors_removed(held_out, "candidate", "other")
    assert removed.value == 0.5
    assert removed.low <= 0.5 <= removed.high


def test_a_model_with_more_errors_removes_less_than_none(held_out):
    assert errors_removed(held_out, "other", "candidate").value == -1


def test_of_a_rule_without_errors_nothing_can_be_removed(held_out):
    assert np.isnan(errors_removed(held_out, "other", "right").low)


def test_a_model_compared_with_itself_does_not_differ(plays):
    accuracy = compared(plays, PROBABILITY, PROBABILITY).accuracy
    assert (accuracy.value, accuracy.low, accuracy.high) == (0, 0, 0)


def test_a_comparison_is_positive_where_the_candidate_is_more_accurate(plays):
    assert compared(plays).accuracy.value == pytest.approx(1 / 5)


def test_a_comparison_is_negative_where_the_candidate_has_less_log_loss(plays):
    assert compared(plays).log_loss.value == pytest.approx((np.log(0.2) - np.log(0.9)) / 5)


def test_the_challenge_compares_by_its_scores_where_the_champion_answers_all(plays):
    test = held_out_of(plays, "second_half", champion=OTHER)
    comparison = compare(test)
    for name in ("maa", "fpa"):
        one, other = (scores(test, model)[name].value for model in ("candidate", "other"))
        assert getattr(comparison, name).value == pytest.approx(one - other)
    champion = np.where(np.arange(5) == 0, NAN, OTHER)
    assert compared(plays, champion=champion, horizon="second_half").maa is None


def test_the_challenge_counts_places_in_the_second_half(plays):
    late = plays.assign(session_position=[3, 4, 5, 3, 4], session_length=[5, 5, 5, 4, 4])
    test = held_out_of(late, "second_half")
    assert list(accuracy_by_position(test, "candidate")) == [1, 2, 3]
    places = test.slices("place in the half")
    assert {value: test.plays_in((kind, value)) for kind, value in places} == {
        "1": 2,
        "2": 2,
        "3": 1,
    }


def test_ten_places_are_in_the_order_of_numbers(plays):
    places = [1, 2, 10, 1, 9]
    late = plays.assign(session_position=places, session_length=1)
    values = [value for _, value in held_out_of(late, "second_half").slices("place in the half")]
    assert values == ["1", "2", "9", "10"]


def test_other_horizons_are_not_compared_by_the_scores_of_the_challenge(plays):
    assert compared(plays).maa is None


def test_plays_that_the_champion_does_not_predict_do_not_count(plays):
    champion = np.where(np.arange(5) == 0, NAN, PROBABILITY)
    comparison = compared(plays, OTHER, champion)
    assert (comparison.plays, comparison.accuracy.value) == (4, 0)


def test_a_champion_that_does_not_predict_all_plays_has_no_scores(plays):
    champion = np.where(np.arange(5) == 0, NAN, PROBABILITY)
    assert "champion" not in held_out_of(plays, champion=champion).models


def test_a_slice_that_the_champion_does_not_predict_is_left_out(plays):
    champion = np.where([True, False, False, True, False], NAN, PROBABILITY)
    assert "position 1" not in compared(plays, OTHER, champion).slices


def test_a_compared_slice_has_its_number_of_plays_and_its_difference(plays):
    number, accuracy = compared(plays).slices["position 1"]
    assert (number, accuracy.value) == (2, 1 / 2)


def test_a_champion_without_any_prediction_is_an_error(plays):
    with pytest.raises(ValueError, match="must predict one play"):
        compared(plays, champion=np.full(5, NAN))


# Parts of the plays


def many(sessions, seed=0):
    """Return plays of many sessions, and what two models answer to them."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(10, 21, sessions)
    probability = rng.random(lengths.sum())
    plays = pd.DataFrame(
        {
            "session_id": np.repeat([f"s-{i:05}" for i in range(sessions)], lengths),
            "session_position": np.concatenate([np.arange(1, n + 1) for n in lengths]),
            "session_length": np.repeat(lengths, lengths),
            TARGET: rng.random(len(probability)) < probability,
            "context_type": rng.choice(["radio", "charts", None], len(probability)),
            "premium": True,
            "hist_user_behavior_is_shuffle": False,
            "listener_id": None,
        }
    )
    answers = {"candidate": probability, "champion": rng.permuted(probability)}
    return plays, answers


def figures(test):
    """Return all that is told of the sums, in numbers."""
    comparison = compare(test)
    told = [comparison.accuracy, comparison.log_loss, errors_removed(test, "candidate", "champion")]
    told += [comparison.maa, comparison.fpa] if test.challenge else []
    told += [interval for _, interval in comparison.slices.values()]
    for name in ("candidate", "champion"):
        told += scores(test, name).values()
        told += accuracy_by_position(test, name).values()
        told += [
            i
            for kind in slice_scores(test, name).values()
            for s in kind.values()
            for i in s.values()
        ]
    return np.array([(i.value, i.low, i.high) for i in told])


@pytest.mark.parametrize("horizon", ["started", "second_half"])
@pytest.mark.parametrize("cuts", [[100], [1, 150, 299], [5, 5]])
def test_parts_sum_up_to_the_same_as_the_whole(horizon, cuts):
    plays, answers = many(300)
    if horizon == "second_half":
        rows = (plays["session_position"] > plays["session_length"] // 2).to_numpy()
        plays, answers = plays[rows], {name: p[rows] for name, p in answers.items()}
    number = pd.factorize(plays["session_id"])[0]
    total = None
    for rows in (np.flatnonzero(np.searchsorted(cuts, number, "right") == k) for k in (3, 1, 0, 2)):
        if len(rows):
            judged = JudgedPlays.of(plays.iloc[rows], horizon, seed=0)
            part = tally(judged, {name: p[rows] for name, p in answers.items()}, samples=40)
            total = part if total is None else total + part
    whole = tally(JudgedPlays.of(plays, horizon, seed=0), answers, samples=40)
    assert (total.plays, total.sessions) == (whole.plays, whole.sessions) == (len(plays), 300)
    assert total.slices() == whole.slices()
    np.testing.assert_allclose(figures(total), figures(whole), rtol=1e-9, atol=1e-12)


def test_plays_are_summed_up_in_chunks_of_sessions(monkeypatch):
    plays, answers = many(100)
    judged = JudgedPlays.of(plays, "started", seed=0)
    whole = tally(judged, answers, samples=20)
    monkeypatch.setattr(bootstrap, "CHUNK", 7)
    np.testing.assert_allclose(figures(tally(judged, answers, samples=20)), figures(whole))


def test_slices_that_one_part_alone_has_are_in_the_sum(plays):
    one = held_out_of(plays[:3])
    other = held_out_of(plays[3:])
    assert (one + other).slices() == held_out_of(plays).slices()


def test_a_model_that_did_not_answer_a_part_is_not_in_the_sum(plays):
    total = held_out_of(plays[:3], champion=OTHER[:3]) + held_out_of(plays[3:])
    assert set(total.models) == set(ANSWERS)
    assert total.pair is None


def test_the_lively_session_has_most_of_both_outcomes(plays):
    assert lively_session(plays)["session_id"].unique().tolist() == ["a"]


def test_the_lively_session_of_parts_is_that_of_all_with_the_same_types(plays):
    of_parts = None
    for part in (plays[3:], plays[:3], plays[3:].assign(session_id="c")):
        of_parts = lively_session(part, of_parts)
    pd.testing.assert_frame_equal(of_parts, lively_session(plays))
