import numpy as np

from skipcast.evaluation.ranking import Scored, best

SESSIONS = np.repeat(np.arange(200), 10)


def model(name: str, right: np.ndarray, log_loss: float) -> Scored:
    return Scored(name, float(right.mean()), log_loss, right)


def steady(share: float) -> np.ndarray:
    """Return a model that is right on the first share of the plays of each session."""
    return np.tile(np.arange(10) < share * 10, 200).astype(np.float64)


def noisy(share: float, seed: int) -> np.ndarray:
    """Return a model that is right on that share of the plays, whichever they are."""
    return (np.random.default_rng(seed).random(2000) < share).astype(np.float64)


def test_a_model_that_is_surely_more_accurate_wins_whatever_its_log_loss():
    models = [model("accurate", steady(0.8), 0.9), model("sure", steady(0.7), 0.1)]
    assert best(models, SESSIONS, seed=0).name == "accurate"


def test_among_models_that_accuracy_cannot_separate_the_lowest_log_loss_wins():
    models = [model("accurate", noisy(0.81, 1), 0.5), model("sure", noisy(0.80, 0), 0.4)]
    assert best(models, SESSIONS, seed=0).name == "sure"


def test_a_model_that_is_surely_less_accurate_does_not_tie_by_its_log_loss():
    models = [model("accurate", steady(0.8), 0.5), model("worse", steady(0.5), 0.1)]
    assert best(models, SESSIONS, seed=0).name == "accurate"


def test_one_model_is_the_best():
    assert best([model("only", steady(0.5), 0.7)], SESSIONS, seed=0).name == "only"
