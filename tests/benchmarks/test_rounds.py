"""How benchmarks run their sides in turn and what they say of the ratios."""

import doctest

import pytest
import rounds
from rounds import Rounds, Spread, run_in_turn, spread, timed, total


def recording(calls, name):
    def side():
        calls.append(name)
        return {"seconds": float(len(calls))}

    return side


def of_seconds(**sides):
    return Rounds({name: [{"seconds": s} for s in seconds] for name, seconds in sides.items()})


def test_examples_in_the_docstrings_hold():
    assert doctest.testmod(rounds).failed == 0


def test_every_second_round_runs_the_sides_in_reverse_order():
    calls = []
    run_in_turn({name: recording(calls, name) for name in "abc"}, rounds=3)
    assert "".join(calls) == "abccbaabc"


def test_figures_stay_with_their_side_and_in_the_order_of_the_rounds():
    calls = []
    measured = run_in_turn({name: recording(calls, name) for name in "ab"}, rounds=2)
    assert measured == of_seconds(a=[1.0, 4.0], b=[2.0, 3.0])


def test_warm_up_runs_each_side_and_is_not_measured():
    calls = []
    measured = run_in_turn({name: recording(calls, name) for name in "ab"}, rounds=1, warm_up=2)
    assert "".join(calls) == "aabbab"
    assert measured == of_seconds(a=[5.0], b=[6.0])


def test_fewer_rounds_than_one_are_refused():
    with pytest.raises(ValueError, match="rounds must be 1 or more but got 0"):
        run_in_turn({}, rounds=0)


def test_ratio_is_taken_within_each_round():
    # The machine is ten times slower in the second round: no ratio shows it.
    measured = of_seconds(loop=[4.0, 40.0, 4.2], ours=[2.0, 20.0, 2.0])
    assert measured.ratio("loop", "ours") == Spread(2.0, 2.0, 2.1, 3)


def test_median_of_a_side_is_taken_over_the_rounds():
    assert of_seconds(ours=[3.0, 50.0, 2.0]).median("ours") == 3.0


def test_median_of_an_even_number_of_rounds_is_the_mean_of_the_middle_two():
    assert spread([4.0, 1.0, 2.0, 3.0]).median == 2.5


def test_a_run_may_measure_several_figures():
    runs = {"model": [{"p50": 3.0, "requests": 70.0}], "empty": [{"p50": 2.0, "requests": 100.0}]}
    assert Rounds(runs).ratio("model", "empty", "p50").median == 1.5
    assert Rounds(runs).ratio("model", "empty", "requests").median == 0.7


def test_total_adds_the_parts_of_each_round():
    parts = [of_seconds(loop=[4.0, 6.0], ours=[1.0, 2.0]), of_seconds(loop=[8.0, 6.0], ours=[2, 2])]
    assert total(parts).ratio("loop", "ours") == Spread(3.5, 3.0, 4.0, 2)


def test_sentence_says_how_far_the_ratio_can_be_trusted():
    sentence = Spread(2.309, 2.12, 2.6, 5).sentence("ours is {} times as fast")
    assert sentence == "ours is 2.31 times as fast (median of 5 rounds, 2.12 to 2.60)"


def test_sentence_of_one_round_claims_no_median():
    assert Spread(2.0, 2.0, 2.0, 1).sentence("{} times") == "2.00 times (1 round)"


def test_timed_gives_the_seconds_of_one_call():
    ticks, calls = iter([100.0, 106.0]), []
    run = timed(lambda: calls.append(1), calls=3, clock=lambda: next(ticks))
    assert run() == {"seconds": 2.0}
    assert len(calls) == 3
