import numpy as np
import pytest
from sklearn import metrics as sklearn_metrics

from skipcast.evaluation.held_out import JudgedPlays, tally
from skipcast.evaluation.metrics import METRICS, RANKING, evaluate
from skipcast.evaluation.scores import scores
from skipcast.evaluation.slices import ALL, Coded

SKIPPED = np.array([True, False, True, False])
PROBABILITY = np.array([0.8, 0.4, 0.3, 0.1])
SESSIONS = np.array([0, 0, 1, 1])


def estimate(name, skipped=SKIPPED, probability=PROBABILITY):
    """Score the plays by one metric of the table; return the value without its interval."""
    sessions = SESSIONS[: len(skipped)]
    whole = {ALL[0]: Coded(ALL[1:], np.zeros(len(skipped), int))}
    keys = np.arange(sessions[-1] + 1, dtype=np.uint64)
    plays = JudgedPlays(skipped, sessions, keys, whole, challenge=True)
    return scores(tally(plays, {"it": probability}, samples=10), "it")[name].value


@pytest.mark.parametrize(
    ("name", "by_hand"),
    [
        ("accuracy", 3 / 4),
        ("log_loss", -(np.log(0.8) + np.log(0.6) + np.log(0.3) + np.log(0.9)) / 4),
        ("brier", (0.2**2 + 0.4**2 + 0.7**2 + 0.1**2) / 4),
        ("auc", 3 / 4),  # of four pairs, only (0.3, 0.4) is in the wrong order
        ("calibration_error", (0.2 + 0.4 + 0.7 + 0.1) / 4),  # every play has its own bin
        ("maa", ((1 + 1) / 2 + (0 + 1 / 2) / 2) / 2),
        ("fpa", 1 / 2),
    ],
)
def test_each_metric_gives_what_is_computed_by_hand(name, by_hand):
    assert estimate(name) == pytest.approx(by_hand)


def test_the_cases_above_are_all_metrics_of_the_table():
    (mark,) = test_each_metric_gives_what_is_computed_by_hand.pytestmark
    assert [name for name, _ in mark.args[1]] == list(METRICS)


@pytest.mark.parametrize("name", METRICS)
def test_greater_is_better_says_on_which_side_the_perfect_score_is(name):
    perfect, bad = (
        estimate(name, probability=SKIPPED * 1.0),
        estimate(name, probability=~SKIPPED * 0.9),
    )
    assert (perfect > bad) == METRICS[name].greater_is_better


@pytest.mark.parametrize("name", [name for name, metric in METRICS.items() if metric.value])
def test_the_value_for_trials_is_that_of_the_estimate(name):
    assert evaluate(SKIPPED, PROBABILITY)[name] == pytest.approx(estimate(name))


def test_trials_are_scored_by_accuracy_log_loss_and_auc():
    assert list(evaluate(SKIPPED, PROBABILITY)) == ["accuracy", "log_loss", "auc"]


def test_models_are_ranked_by_accuracy_before_log_loss():
    assert list(RANKING) == ["accuracy", "log_loss"]


def test_a_half_counts_as_skipped():
    assert estimate("accuracy", np.array([True, False]), np.array([0.5, 0.5])) == 0.5


def test_log_loss_is_that_of_sklearn_to_the_last_bit():
    rng = np.random.default_rng(0)
    probability = rng.random(1000)
    skipped = rng.random(1000) < probability
    assert evaluate(skipped, probability)["log_loss"] == sklearn_metrics.log_loss(
        skipped, probability
    )


def test_a_sure_and_wrong_answer_costs_a_finite_log_loss():
    assert estimate("log_loss", np.array([True]), np.array([0.0])) == pytest.approx(36.04, abs=0.01)


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_made_in_one_way(name):
    metric = METRICS[name]
    made = [metric.per_play, metric.per_session, metric.of_grid]
    assert len([way for way in made if way is not None]) == 1


@pytest.mark.parametrize("name", METRICS)
def test_a_name_is_a_key_and_its_label_is_words(name):
    metric = METRICS[name]
    assert metric.name == name
    assert name.isidentifier()
    assert metric.label
    assert "_" not in metric.heading
