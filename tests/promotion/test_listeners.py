"""How well each listener is predicted, on hand-written plays of two listeners."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from skipcast.evaluation.baselines import BASELINES
from skipcast.evaluation.bootstrap import Interval
from skipcast.evaluation.held_out import JudgedPlays, tally
from skipcast.evaluation.scores import compare, slice_scores
from skipcast.params import Promote
from skipcast.promotion.gate import Yardstick, decide
from skipcast.promotion.listeners import by_listener
from skipcast.schema import TARGET

# a has two sessions and skips one of three plays, b has one session and skips all.
PLAYS = pd.DataFrame(
    {
        "session_id": ["a-1", "a-1", "a-2", "b-1", "b-1"],
        "session_position": [1, 2, 1, 1, 2],
        TARGET: [True, False, False, True, True],
        "context_type": None,
        "premium": None,
        "hist_user_behavior_is_shuffle": None,
        "listener_id": ["a", "a", "a", "b", "b"],
    }
)
CANDIDATE = np.array([0.9, 0.2, 0.6, 0.8, 0.4])
ANSWERS = {
    "candidate": CANDIDATE,
    "majority": np.ones(5),
    "repeat_last": np.array([1.0, 0, 0, 0, 0]),
    "recipe": np.array([1.0, 0, 0, 1, 1]),
}

HIGHER = Interval(0.01, 0.002, 0.02)
GOOD = {name: Interval(0.01, 0.01, 0.01) for name in ("accuracy", "calibration_error")}
HONEST = Yardstick("majority", 0.5, Interval(0.2, 0.1, 0.3), 0.01, ["a"])


def held_out_of(plays, answers=ANSWERS):
    return tally(JudgedPlays.of(plays, "started", seed=0), answers, samples=100)


@pytest.fixture(scope="module")
def held_out():
    return held_out_of(PLAYS)


@pytest.fixture(scope="module")
def listeners(held_out):
    return by_listener(held_out, {name: slice_scores(held_out, name) for name in ANSWERS})


def test_every_listener_is_listed_with_plays_and_sessions(listeners):
    assert {id_: (own.plays, own.sessions) for id_, own in listeners.items()} == {
        "a": (3, 2),
        "b": (2, 1),
    }


def test_each_has_the_skip_rate_and_the_accuracy_of_their_plays(listeners):
    assert listeners["a"].skip_rate.value == pytest.approx(1 / 3)
    assert listeners["a"].accuracy.value == pytest.approx(2 / 3)
    assert (listeners["b"].skip_rate.value, listeners["b"].accuracy.value) == (1, 0.5)


def test_the_log_loss_is_the_candidates(listeners):
    assert listeners["b"].log_loss.value == pytest.approx(-np.log([0.8, 0.4]).mean())


def test_the_rule_is_the_best_on_the_listeners_own_plays_and_not_learned(listeners):
    assert {id_: own.best_rule for id_, own in listeners.items()} == {
        "a": "repeat_last",
        "b": "majority",
    }
    assert listeners["b"].rule_accuracy.value == 1
    assert BASELINES["recipe"].kind == "model"


def test_the_intervals_resample_sessions(listeners):
    """One session gives one estimate; of two, the samples hold either more often."""
    assert listeners["b"].accuracy.low == listeners["b"].accuracy.high
    assert listeners["a"].accuracy.low < listeners["a"].accuracy.high


def test_plays_that_name_no_listener_have_none(held_out):
    nobody = held_out_of(PLAYS.assign(listener_id=None))
    assert by_listener(nobody, {"candidate": slice_scores(nobody, "candidate")}) == {}
    assert held_out.slices("listener") == [("listener", "a"), ("listener", "b")]


@pytest.mark.parametrize(("slice_plays", "passes"), [(4, True), (2, False)])
def test_a_listener_of_few_plays_does_not_refuse_a_better_model(slice_plays, passes):
    """It is right in all plays of a, where the champion is not, and wrong in one of b."""
    candidate, champion = np.array([1.0, 0, 0, 1, 0]), np.array([0.0, 1, 1, 1, 1])
    comparison = compare(held_out_of(PLAYS, {"candidate": candidate, "champion": champion}))
    assert comparison.slices["listener b"][1].value == -0.5
    params = Promote(
        model="m", tolerance=0.002, slice_tolerance=0.02, slice_plays=slice_plays,
        max_ece=0.05, too_good_share=0.4, samples=100, seed=0, songs=(),
    )  # fmt: skip
    only_listeners = {n: s for n, s in comparison.slices.items() if n.startswith("listener")}
    verdict = decide(
        GOOD, replace(comparison, accuracy=HIGHER, slices=only_listeners), params,
        yardstick=HONEST,
    )  # fmt: skip
    assert verdict.passed is passes
