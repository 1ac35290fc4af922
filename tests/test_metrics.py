import numpy as np
import pytest

from skipcast.metrics import evaluate, majority, repeat_last


def test_scores_by_hand():
    scores = evaluate(np.array([True, False]), np.array([0.8, 0.4]))
    assert scores["accuracy"] == 1
    assert scores["auc"] == 1
    assert scores["log_loss"] == pytest.approx(-(np.log(0.8) + np.log(0.6)) / 2)


def test_a_half_counts_as_skipped():
    assert evaluate(np.array([True, False]), np.array([0.5, 0.5]))["accuracy"] == 0.5


def test_rules():
    train = np.array([True, True, False])
    skipped = np.array([True, False, False, True])
    assert majority(train, skipped) == {"accuracy": 0.5}
    assert majority(~train, skipped) == {"accuracy": 0.5}
    previous = np.array([np.nan, 1, 0, 1])
    assert repeat_last(train, skipped, previous) == {"accuracy": 0.75}
