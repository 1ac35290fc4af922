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


def by_maa(name, right, log_loss=0.5):
    scores = {"accuracy": float(right.mean()), "log_loss": log_loss, "rank_by": "maa"}
    probability = np.where(right == 1, 0.9, 0.1)
    return Scored.of(name, np.ones(len(right), bool), probability, SESSIONS, **scores)


def test_the_challenge_ranks_a_model_that_is_right_early_before_one_that_is_more_often_right():
    early, late = steady(0.7), np.tile(np.arange(10) >= 2, 200).astype(np.float64)
    models = [by_maa("early", early), by_maa("late", late, log_loss=0.1)]
    assert models[0].maa < models[0].accuracy + 1e-9
    assert models[0].accuracy < models[1].accuracy
    assert best(models, SESSIONS, seed=0).name == "early"


def test_among_models_that_maa_cannot_separate_the_highest_fpa_wins_whatever_the_log_loss():
    one, other = np.ones((200, 10)), np.ones((200, 10))
    one[85:, 1] = 0  # a little worse by MAA, always right at first
    other[:85, 0] = 0
    models = [by_maa("first", one.ravel()), by_maa("sure", other.ravel(), log_loss=0.1)]
    assert models[0].maa < models[1].maa
    assert best(models, SESSIONS, seed=0).name == "first"


def test_ranked_by_accuracy_a_model_has_no_score_of_the_challenge():
    right = steady(0.5)
    scores = {"accuracy": 0.5, "log_loss": 0.5, "rank_by": "accuracy"}
    scored = Scored.of("a", right == 1, right, SESSIONS, **scores)
    assert (scored.maa, scored.fpa, scored.right.mean()) == (None, None, 1)
