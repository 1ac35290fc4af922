import numpy as np

from skipcast.evaluation.ranking import Scored, best

SESSIONS = np.repeat(np.arange(200), 10)


def scored(name: str, accuracy: float, log_loss: float) -> Scored:
    """Return a model that is right on the first share of the plays of each session."""
    right = np.tile(np.arange(10) < accuracy * 10, 200).astype(np.float64)
    return Scored(name, accuracy, log_loss, right)


def test_a_model_that_is_surely_more_accurate_wins_whatever_its_log_loss():
    models = [scored("accurate", 0.8, 0.9), scored("sure", 0.7, 0.1)]
    assert best(models, SESSIONS, seed=0).name == "accurate"


def test_among_those_that_accuracy_cannot_tell_apart_the_lowest_log_loss_wins():
    rng = np.random.default_rng(0)
    shuffled = (rng.random(2000) < 0.795).astype(np.float64)
    other = Scored("sure", float(shuffled.mean()), 0.4, shuffled)
    noisy = (rng.random(2000) < 0.80).astype(np.float64)
    top = Scored("accurate", float(noisy.mean()) + 0.001, 0.5, noisy)
    assert best([top, other, scored("worse", 0.5, 0.1)], SESSIONS, seed=0).name == "sure"


def test_one_model_is_the_best():
    assert best([scored("only", 0.5, 0.7)], SESSIONS, seed=0).name == "only"
