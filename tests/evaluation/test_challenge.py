import numpy as np
import pytest

from skipcast.evaluation.challenge import average_accuracy, first_accuracy

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
