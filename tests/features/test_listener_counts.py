"""A listener's history: by a slow loop, by time, and the same by the table that a model carries."""

import time

import numpy as np
import pandas as pd
import pytest
from harness.listener_checks import (
    CHECKS,
    check_cut_plays_count_nothing,
    check_no_listener_knows_others,
    check_no_session_knows_its_own_outcomes,
    check_no_session_knows_later_ones,
)
from harness.listening import listening
from hypothesis import given, settings
from hypothesis import strategies as st

from skipcast.features.listener_counts import KINDS, RECENT, TABLE, VALUES, count_listeners
from skipcast.schema import LISTENER_COUNTS, LISTENER_KEYS, LOG, names

NEVER = (0, 0, 0, np.nan, np.nan, np.nan)
OTHER = {"listener": None, "listener_track": "track_id_clean", "listener_artist": "artist_id"}


def slow(plays, listener, key, value, session):
    """Return what is known of a key before a session, in a loop; of all sessions if it is None."""
    own = [
        play
        for play in plays.to_dict("records")
        if play["listener_id"] == listener
        and (key == "listener" or (value is not None and play[OTHER[key]] == value))
        and (session is None or play["session_id"] < session)
        and play["skip_2"] is not None
    ]
    if listener is None or not own:
        return NEVER
    weights = [0.5 ** (lag / 5) for lag in range(min(RECENT, len(own)))]
    skips = [float(play["skip_2"]) for play in own[::-1][:RECENT]]
    return (
        len(own),
        sum(bool(play["skip_2"]) for play in own),
        sum(bool(play["not_skipped"]) for play in own),
        sum(w * s for w, s in zip(weights, skips, strict=True)) / sum(weights),
        float(own[-1]["skip_2"]),
        own[-1]["started_at"],
    )


def assert_same_as_the_loop(plays):
    known, table = count_listeners(plays)
    for play, row in zip(plays.to_dict("records"), known.to_numpy(), strict=True):
        expected = [
            slow(plays, play["listener_id"], key, play.get(OTHER[key]), play["session_id"])
            for key in LISTENER_KEYS
        ]
        np.testing.assert_allclose(row.astype(float), np.concatenate(expected), rtol=1e-14)
    key_of = {kind: key for key, kind in KINDS.items()}
    for row in table.itertuples():
        expected = slow(plays, row.listener_id, key_of[row.kind], row.key, None)
        values = [np.nan if pd.isna(getattr(row, name)) else getattr(row, name) for name in VALUES]
        np.testing.assert_allclose(np.array(values, float), expected, rtol=1e-14)


@given(
    seed=st.integers(0, 2**32 - 1),
    listeners=st.integers(1, 3),
    sessions=st.integers(1, 9),
    tracks=st.integers(1, 4),
)
@settings(max_examples=30, deadline=None)
def test_any_little_history_is_counted_as_in_a_loop(seed, listeners, sessions, tracks):
    assert_same_as_the_loop(listening(seed, listeners=listeners, sessions=sessions, tracks=tracks))


def test_many_plays_of_a_key_are_counted_as_in_a_loop():
    assert_same_as_the_loop(listening(1, listeners=2, sessions=30, tracks=1))


@pytest.fixture(scope="module")
def history():
    return listening(5)


@pytest.mark.parametrize("check", CHECKS)
def test_no_play_knows_a_present_or_later_outcome(check, history):
    check(count_listeners, history)


def count_the_own_session(plays):
    """Count as if each play were of the session after its own."""
    numbers = plays["session_id"].str[-7:].astype(int)
    later = plays.assign(session_id=plays["listener_id"] + "-" + (numbers + 1).map("{:07d}".format))
    both = pd.concat([plays, later.assign(skip_2=None)]).sort_values(
        ["session_id", "session_position"], kind="stable"
    )
    known = count_listeners(both)[0][both["skip_2"].isna().to_numpy()]
    return known[~known.index.duplicated(keep="last")].loc[plays.index], None


def count_the_future(plays):
    """Give each play what is known at the end."""
    number = plays["session_id"].str[-7:].astype(int)
    backwards = plays.assign(session_id=(9999999 - number).map("{:07d}".format))
    order = backwards.sort_values("session_id", kind="stable")
    return count_listeners(order)[0].loc[plays.index], None


def count_all_listeners_as_one(plays):
    return count_listeners(plays.assign(listener_id="x"))


def count_what_the_app_cut(plays):
    return count_listeners(plays.assign(skip_2=plays["skip_2"].fillna(False)))


@pytest.mark.parametrize(
    ("leak", "check", "message"),
    [
        (count_the_own_session, check_no_session_knows_its_own_outcomes, "knows its own outcomes"),
        (count_the_future, check_no_session_knows_later_ones, "know later outcomes"),
        (count_all_listeners_as_one, check_no_listener_knows_others, "others know the outcomes"),
        (count_what_the_app_cut, check_cut_plays_count_nothing, "are different"),
    ],
)
def test_a_planted_leak_is_seen(leak, check, message, history):
    with pytest.raises(AssertionError, match=message):
        check(leak, history)


def test_the_columns_are_those_of_the_schema(history):
    known, table = count_listeners(history)
    assert list(known) == names(LISTENER_COUNTS)
    assert known.index.equals(history.index)
    assert list(table) == [*TABLE]


def test_the_table_knows_the_training_sessions_alone(history):
    is_train = (pd.factorize(history["session_id"])[0] % 3) > 0
    table = count_listeners(history, is_train)[1]
    alone = count_listeners(history[is_train])[1]
    pd.testing.assert_frame_equal(table, alone, check_exact=True)


def test_all_plays_know_what_was_before_them_whatever_trains(history):
    is_train = (pd.factorize(history["session_id"])[0] % 3) > 0
    known = [count_listeners(history, part)[0] for part in (None, is_train)]
    pd.testing.assert_frame_equal(*known, check_exact=True)


def test_plays_without_a_listener_have_no_history(history):
    known, table = count_listeners(history.assign(listener_id=None))
    assert (known[[f"{key}_plays" for key in LISTENER_KEYS]] == 0).all(axis=None)
    assert known["listener_last_at"].isna().all()
    assert table.empty
    assert list(table) == [*TABLE]


def test_no_plays_have_no_history():
    known, table = count_listeners(pd.DataFrame(columns=names(LOG)))
    assert known.shape == (0, len(LISTENER_COUNTS))
    assert table.empty


def test_is_fast():
    """300,000 plays of 18 listeners take about half a second; this is a tenth."""
    rng = np.random.default_rng(0)
    plays = listening(0, listeners=18, sessions=480).assign()
    plays["track_id_clean"] = [f"t{n}" for n in rng.zipf(1.3, len(plays)) % 9000]
    began = time.perf_counter()
    count_listeners(plays)
    assert time.perf_counter() - began < 2
