from itertools import product

import numpy as np
import pytest
from scipy.stats import norm

from skipcast.evaluation.challenge import (
    GO_TOGETHER,
    TOGETHER,
    average_accuracy,
    decide,
    first_accuracy,
)

TWO_SESSIONS = np.repeat([0, 1], 5)


@pytest.mark.parametrize(
    ("right", "average"),
    [
        ([0, 1, 1, 1, 1], 0.543),
        ([1, 0, 1, 1, 1], 0.643),
        ([1, 1, 0, 1, 1], 0.710),
        ([1, 1, 1, 0, 1], 0.760),
        ([1, 1, 1, 1, 0], 0.800),
        ([1, 1, 1, 1, 1], 1.0),
        ([0, 0, 0, 0, 0], 0.0),
    ],
)
def test_average_accuracy_of_the_challenges_own_examples(right, average):
    both = np.tile(np.array(right, dtype=bool), 2)
    assert average_accuracy(both, TWO_SESSIONS).round(3).tolist() == [average] * 2


def test_a_wrong_prediction_gets_no_credit_for_the_right_ones_before_it():
    """A definition without this circulates: it has .743 here, where the challenge has .643."""
    right = np.array([1, 0, 1, 1, 1])
    without = np.mean(np.cumsum(right) / np.arange(1, 6))
    assert round(without, 3) == 0.743
    assert average_accuracy(right.astype(bool), np.zeros(5, int)).round(3) == 0.643


def test_average_accuracy_by_a_slow_loop_on_sessions_of_any_length():
    rng = np.random.default_rng(0)
    sessions = np.repeat(np.arange(8), rng.integers(1, 11, 8))
    right = rng.random(len(sessions)) < 0.7
    slow = []
    for session in range(8):
        own = right[sessions == session]
        slow.append(np.mean([own[: i + 1].mean() * own[i] for i in range(len(own))]))
    np.testing.assert_allclose(average_accuracy(right, sessions), slow)


def test_first_accuracy_reads_the_first_prediction_of_each_session_alone():
    right = np.array([False, True, True, True, True, True, False, False, False, False])
    assert first_accuracy(right, TWO_SESSIONS).tolist() == [0, 1]


def expected(probability, answers):
    """Return the expected average accuracy of a session, by a slow loop."""
    right = np.where(answers, probability, 1 - probability)
    spread = np.where(answers, 1, -1) * np.sqrt(probability * (1 - probability))
    total = 0.0
    for i in range(len(right)):
        total += right[i] / (i + 1)
        for j in range(i):
            both = right[i] * right[j] + spread[i] * spread[j] * GO_TOGETHER / (i - j)
            total += both / (i + 1)
    return total / len(right)


def sessions_of(rng, places, count):
    return rng.random((count, places)), np.repeat(np.arange(count), places)


def test_the_answers_of_a_session_are_the_best_of_all():
    probability, sessions = sessions_of(np.random.default_rng(0), 5, 30)
    found = decide(probability.ravel(), sessions).reshape(probability.shape)
    for own, answers in zip(probability, found, strict=True):
        best = max(expected(own, np.array(other)) for other in product([False, True], repeat=5))
        assert expected(own, answers) == pytest.approx(best)


def test_answers_decided_together_are_more_right_where_outcomes_go_together():
    """Each play is skipped with its probability, and a slow mood says which plays are."""
    rng = np.random.default_rng(0)
    probability, sessions = sessions_of(rng, 8, 4000)
    probability = 0.35 + 0.3 * probability
    moods = [rng.normal(size=4000)]
    for _ in range(7):
        moods.append(0.8 * moods[-1] + 0.6 * rng.normal(size=4000))
    skipped = (norm.cdf(np.transpose(moods)) < probability).ravel()
    probability = probability.ravel()
    together = decide(probability, sessions) == skipped
    alone = (probability >= 0.5) == skipped
    gain = average_accuracy(together, sessions) - average_accuracy(alone, sessions)
    assert gain.mean() > 4 * gain.std() / np.sqrt(len(gain))


def test_a_rule_that_is_sure_of_each_play_is_not_contradicted():
    rng = np.random.default_rng(0)
    sure, sessions = (rng.random(40) < 0.5).astype(float), np.repeat(np.arange(8), 5)
    assert decide(sure, sessions).tolist() == (sure == 1).tolist()


def test_a_session_is_answered_alike_alone_and_among_longer_ones():
    rng = np.random.default_rng(0)
    sessions = np.repeat(np.arange(60), rng.integers(1, 30, 60))
    probability = rng.random(len(sessions))
    alone = [
        decide(probability[sessions == one], np.zeros(sum(sessions == one), int))
        for one in range(60)
    ]
    assert decide(probability, sessions).tolist() == np.concatenate(alone).tolist()


def test_behind_the_places_that_are_decided_together_each_play_is_answered_alone():
    probability = np.array([0.9] * TOGETHER + [0.45, 0.5])
    assert decide(probability, np.zeros(len(probability), int)).tolist()[-2:] == [False, True]


def test_no_session_has_no_answer():
    assert len(decide(np.array([]), np.array([], int))) == 0
