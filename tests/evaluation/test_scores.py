import numpy as np
import pandas as pd
import pytest

from skipcast.evaluation.challenge import challenge_scores
from skipcast.evaluation.metrics import evaluate
from skipcast.evaluation.scores import (
    HeldOut,
    compare,
    rule_scores,
    scores,
    slice_scores,
    slices_of,
)
from skipcast.schema import TARGET


@pytest.fixture(scope="module")
def held_out(plays):
    return HeldOut.of(plays, "started", seed=0, samples=100)


@pytest.fixture(scope="module")
def probability(plays):
    noise = np.random.default_rng(0).random(len(plays))
    return 0.3 * plays[TARGET].to_numpy() + 0.7 * noise


def test_scores_are_those_of_metrics_within_their_intervals(held_out, plays, probability):
    got = scores(held_out, probability)
    expected = evaluate(plays[TARGET].to_numpy(), probability)
    for name, value in expected.items():
        assert got[name].value == pytest.approx(value)
        assert got[name].low < value < got[name].high
    assert set(got) == {"accuracy", "log_loss", "brier", "auc", "calibration_error"}
    assert got["brier"].value == pytest.approx(np.mean((probability - plays[TARGET]) ** 2))


def test_slices_part_the_plays_and_add_up(held_out, plays, probability):
    whole = scores(held_out, probability)["accuracy"].value
    found = slice_scores(held_out, probability)
    assert list(found["position"]) == ["1", "2", "3-5", "6-10", "11-20"]
    assert set(found["context_type"]) == set(plays["context_type"])
    assert set(found["premium"]) == set(found["shuffle"]) == {"false", "true"}
    for kind, values in slices_of(plays).items():
        counts = {value: rows.sum() for value, rows in values.items()}
        assert sum(counts.values()) == len(plays)
        total = sum(found[kind][value]["accuracy"].value * n for value, n in counts.items())
        assert total / len(plays) == pytest.approx(whole)


def test_a_model_compared_with_itself_does_not_differ(held_out, probability):
    got = compare(held_out, probability, probability)
    assert (got.accuracy.low, got.accuracy.high) == (0, 0)
    assert got.plays == len(probability)


def test_only_plays_that_both_predict_are_compared(held_out, plays, probability):
    half = np.where(plays["session_position"] > 10, probability, np.nan)
    worse = np.where(plays["session_position"] > 10, 1 - probability, np.nan)
    assert compare(held_out, probability, half).accuracy.value == 0
    got = compare(held_out, probability, worse)
    assert got.plays == (plays["session_position"] > 10).sum()
    assert got.accuracy.low > 0
    assert "position 1" not in got.slices
    assert got.slices["position 11-20"][0] == got.plays


@pytest.mark.parametrize(
    ("right", "average"),
    [
        ([0, 1, 1, 1, 1], 0.543),
        ([1, 1, 1, 1, 0], 0.800),
        ([1, 1, 1, 1, 1], 1.0),
        ([0, 0, 0, 0, 0], 0.0),
    ],
)
def test_average_accuracy_of_a_session_as_the_challenge_has_it(right, average):
    right = np.array(right, dtype=bool)
    got, first = challenge_scores(np.tile(right, 2), np.repeat([0, 1], 5))
    assert got.round(3).tolist() == [average] * 2
    assert first.tolist() == [float(right[0])] * 2


def test_average_accuracy_by_a_slow_loop_on_sessions_of_any_length():
    rng = np.random.default_rng(0)
    sessions = np.repeat(np.arange(8), rng.integers(1, 11, 8))
    right = rng.random(len(sessions)) < 0.7
    slow = []
    for session in range(8):
        own = right[sessions == session]
        slow.append(np.mean([own[: i + 1].mean() * own[i] for i in range(len(own))]))
    np.testing.assert_allclose(challenge_scores(right, sessions)[0], slow)


def test_the_second_half_has_the_challenges_scores():
    plays = pd.DataFrame(
        {
            "session_id": np.repeat(["a", "b"], 5),
            "session_position": np.tile(range(6, 11), 2),
            TARGET: True,
            "context_type": "radio",
            "premium": True,
            "hist_user_behavior_is_shuffle": False,
        }
    )
    held_out = HeldOut.of(plays, "second_half", seed=0, samples=100)
    got = rule_scores(held_out, np.array([0, 1, 1, 1, 1] * 2, dtype=float))
    assert got["maa"].value == pytest.approx(0.543, abs=5e-4)
    assert got["fpa"].value == 0
