import re

import pytest

from skipcast.evaluation.bootstrap import Interval
from skipcast.evaluation.scores import Comparison
from skipcast.params import Promote
from skipcast.promotion.gate import Yardstick, decide

PARAMS = Promote(
    model="m", tolerance=0.002, slice_tolerance=0.02, slice_plays=1000, max_ece=0.05,
    too_good_share=0.4, samples=100, seed=0, songs=(),
)  # fmt: skip
NAN = float("nan")
HIGHER, HARDLY, LOWER = (
    Interval(0.01, 0.002, 0.02), Interval(-0.001, -0.004, 0.002), Interval(-0.01, -0.02, -0.002),
)  # fmt: skip


def yardstick(removed=0.2, low=0.15, rule_accuracy=0.7, drift=0.01):
    interval = Interval(removed, low, removed + 0.05)
    return Yardstick("same as the last play", rule_accuracy, interval, drift, ["a", "b"])


HONEST = yardstick()


def scores(right=0.75, error=0.01, low=None):
    return {
        "accuracy": Interval(right, right - 0.01, right + 0.01),
        "calibration_error": Interval(error, error if low is None else low, error + 0.01),
    }


def verdict(accuracy, log_loss, slices=None, yardstick=HONEST, **changed):
    comparison = Comparison(accuracy, log_loss, slices or {}, 15000)
    return decide(scores(**changed), comparison, PARAMS, yardstick=yardstick)


@pytest.mark.parametrize(
    ("accuracy", "log_loss", "passed", "text"),
    [
        (HIGHER, HIGHER, True, "accuracy is higher by 0.0100"),
        (HARDLY, LOWER, True, r"log loss is lower by 0.0100 \(0.0020..0.0200\)"),
        (HARDLY, HARDLY, False, "neither is better"),
        (Interval(-0.0021, -0.004, 0.002), LOWER, False, "neither is better"),
        (LOWER, LOWER, False, "neither is better"),
        (Interval(0.01, 0.0, 0.02), HIGHER, False, "neither is better"),
    ],
)
def test_better_in_accuracy_or_as_good_with_a_better_log_loss(accuracy, log_loss, passed, text):
    got = verdict(accuracy, log_loss)
    assert got.passed is passed
    assert re.search(text, got.reason)


def test_a_slice_that_loses_too_much_refuses_if_it_is_large():
    slices = {"position 1": (1000, Interval(-0.03, -0.05, -0.01))}
    got = verdict(HIGHER, LOWER, slices)
    assert not got.passed
    assert "slice position 1, 1000 plays" in got.reason
    assert "falls by 0.0300 (0.0100..0.0500)" in got.reason
    assert verdict(HIGHER, LOWER, {"position 1": (999, Interval(-0.03, -0.05, -0.01))}).passed
    assert verdict(HIGHER, LOWER, {"position 1": (5000, Interval(-0.02, -0.05, 0))}).passed


def test_a_bad_calibration_refuses_even_the_first():
    got = decide(scores(error=0.06), None, PARAMS, yardstick=HONEST)
    assert not got.passed
    assert "promote.max_ece, 0.05, or that of a table of rates, 0.0100, but is 0.0600" in got.reason
    assert decide(scores(error=0.05), None, PARAMS, yardstick=HONEST).passed


def test_an_error_that_chance_may_have_made_refuses_nobody():
    assert decide(scores(error=0.09, low=0.05), None, PARAMS, yardstick=HONEST).passed
    assert not decide(scores(error=0.09, low=0.051), None, PARAMS, yardstick=HONEST).passed


def test_where_listeners_have_changed_a_model_may_err_as_much_as_a_table_of_rates():
    changed = yardstick(drift=0.08)
    assert decide(scores(error=0.08), None, PARAMS, yardstick=changed).passed
    assert not decide(scores(error=0.081), None, PARAMS, yardstick=changed).passed


def test_too_good_to_be_true_is_refused_and_names_what_carries_it():
    got = verdict(HIGHER, LOWER, yardstick=yardstick(0.5, 0.41), right=0.85)
    assert not got.passed
    assert "at most promote.too_good_share, 0.4, of the errors of the best rule" in got.reason
    assert "(same as the last play, accuracy 0.7000)" in got.reason
    assert "with accuracy 0.8500, removes 0.5000 (0.4100..0.5500)" in got.reason
    assert "comes from a, b" in got.reason


def test_what_other_sessions_could_have_given_is_not_too_good():
    assert verdict(HIGHER, LOWER, yardstick=yardstick(0.5, 0.4)).passed


def test_a_rule_without_errors_leaves_none_to_remove():
    nothing = Yardstick("majority", 1.0, Interval(NAN, NAN, NAN), 0.01, ["a"])
    assert verdict(HIGHER, LOWER, yardstick=nothing).passed


def test_a_good_model_of_a_listener_who_hardly_skips_is_not_too_good():
    """The majority is right in 0.92 of plays: far above what any rule reaches elsewhere."""
    assert verdict(HIGHER, LOWER, yardstick=yardstick(0.25, 0.1, 0.92), right=0.94).passed
    leak = yardstick(0.7, 0.55, 0.92)
    assert not verdict(HIGHER, LOWER, yardstick=leak, right=0.976).passed


def test_every_fault_is_told():
    got = verdict(LOWER, HIGHER, yardstick=yardstick(0.6, 0.5), right=0.9, error=0.1)
    assert len(got.reasons) == 3


@pytest.mark.parametrize(
    ("maa", "fpa", "passed", "text"),
    [
        (HIGHER, LOWER, True, "MAA is higher by 0.0100"),
        (HARDLY, HIGHER, True, r"FPA is higher by 0.0100 \(0.0020..0.0200\)"),
        (HARDLY, HARDLY, False, "MAA differs from the champion's by -0.0010"),
        (LOWER, HIGHER, False, "neither is better"),
    ],
)
def test_the_challenge_is_decided_by_maa_then_fpa_whatever_accuracy_says(maa, fpa, passed, text):
    comparison = Comparison(LOWER, HIGHER, {}, 15000, maa, fpa)
    got = decide(scores(), comparison, PARAMS, yardstick=HONEST, rank_by="maa")
    assert got.passed is passed
    assert re.search(text, got.reason)


def test_a_champion_that_does_not_answer_all_plays_is_compared_by_accuracy():
    comparison = Comparison(HIGHER, LOWER, {}, 15000)
    got = decide(scores(), comparison, PARAMS, yardstick=HONEST, rank_by="maa")
    assert got.reason.startswith("accuracy is higher")
