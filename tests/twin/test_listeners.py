import dataclasses

import numpy as np
import pytest

from skipcast.twin.listeners import (
    CONTEXTS,
    ENDS,
    STARTS,
    begin,
    end,
    habits_from,
    read_habits,
    start,
)

N = 2000
APPEAL = np.zeros(10)


@pytest.fixture(scope="module")
def habits():
    return read_habits()


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def state(habits, rng):
    return begin(N, habits, rng)


@pytest.fixture
def second(state, habits, rng):
    """Return the start of the second play, after first plays that all were skipped."""
    first = start(state, np.zeros(N, int), APPEAL, habits, rng)
    end(state, first.log_odds + 100, habits, rng)
    return start(state, np.ones(N, int), APPEAL, habits, rng)


def test_lists_of_habits_become_arrays():
    values = {field.name: [1.0] for field in dataclasses.fields(read_habits())}
    assert isinstance(habits_from(values).lengths, np.ndarray)


@pytest.mark.parametrize(
    "name", ["end_shares", "first_start_shares", "start_shares", "lengths", "hours", "contexts"]
)
def test_shares_of_habits_add_up_to_1(habits, name):
    np.testing.assert_allclose(getattr(habits, name).sum(axis=-1), 1.0, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("intercept", (20,)),
        ("depth_effect", (5,)),
        ("start_effect", (len(STARTS),)),
        ("context_effect", (len(CONTEXTS),)),
        ("hour_effect", (24,)),
        ("end_shares", (5, len(ENDS))),
        ("start_shares", (len(ENDS), len(STARTS))),
    ],
)
def test_habits_have_a_value_for_each_state(habits, name, shape):
    assert getattr(habits, name).shape == shape


def test_sessions_have_10_to_20_plays(state):
    assert set(state.length) == set(range(10, 21))


def test_context_types_have_their_shares(state, habits):
    shares = np.bincount(state.context, minlength=len(CONTEXTS)) / N
    np.testing.assert_allclose(shares, habits.contexts, atol=1 / N)


def test_no_play_has_ended_before_the_first(state):
    assert set(state.depth) == set(state.end) == {-1}


def test_the_first_play_has_no_pause(state, habits, rng):
    assert set(start(state, np.zeros(N, int), APPEAL, habits, rng).pause) == {-1}


def test_the_context_does_not_switch_at_the_first_play(state, habits, rng):
    assert not start(state, np.zeros(N, int), APPEAL, habits, rng).switch.any()


def test_a_later_play_has_one_of_three_pauses(second):
    assert set(second.pause) == {0, 1, 2}


def test_most_tracks_after_a_press_of_forward_start_with_it(second, state):
    after_forward = state.end == ENDS.index("fwdbtn")
    assert np.mean(second.reason[after_forward] == STARTS.index("fwdbtn")) > 0.9


def test_a_track_of_more_appeal_is_skipped_less(habits):
    log_odds = []
    for appeal in (0.0, 1.0):
        rng = np.random.default_rng(0)
        state = begin(N, habits, rng)
        log_odds.append(start(state, np.zeros(N, int), np.full(1, appeal), habits, rng).log_odds)
    np.testing.assert_allclose(log_odds[0] - log_odds[1], habits.appeal_sd)


@pytest.mark.parametrize(("log_odds", "depth"), [(100, 0), (-100, 4)])
def test_sure_log_odds_decide_how_far_a_play_gets(state, habits, rng, log_odds, depth):
    end(state, np.full(N, float(log_odds)), habits, rng)
    assert set(state.depth) == {depth}


def test_plays_are_skipped_as_often_as_their_log_odds_say(state, habits, rng):
    end(state, np.full(N, np.log(0.3 / 0.7)), habits, rng)
    assert np.mean(state.depth <= 1) == pytest.approx(0.3, abs=0.01)
