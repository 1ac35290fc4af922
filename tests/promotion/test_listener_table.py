"""Which of two listener tables knows more of whom."""

import pandas as pd
import pytest
from harness.listening import START, listening

from skipcast.errors import SkipcastError
from skipcast.features.listener_counts import count_listeners
from skipcast.promotion.listener_table import newer, plays_of, until

DAY = 86_400


@pytest.fixture(scope="module")
def plays():
    return listening(0, listeners=3, sessions=20)


def until_session(plays, number, *, of=None):
    """The plays of each listener's first sessions, or all of those listeners but `of`."""
    sessions = plays["session_id"].str[-7:].astype(int)
    others = False if of is None else plays["listener_id"] != of
    return plays[(sessions < number) | others]


def table(plays):
    return count_listeners(plays)[1]


def test_longer_histories_take_the_place_of_those_before(plays):
    old, new = table(until_session(plays, 10)), table(plays)
    result = newer(old, new)
    pd.testing.assert_frame_equal(by_key(result), by_key(new))


def by_key(rows):
    return rows.sort_values(["kind", "listener_id", "key"], ignore_index=True)


def test_the_same_plays_are_nothing_new(plays):
    assert newer(table(plays), table(plays)) is None


def test_a_listener_whose_plays_are_not_there_is_kept(plays):
    old = table(until_session(plays, 10))
    new = table(plays[plays["listener_id"] == "listener0"])
    result = newer(old, new)
    assert plays_of(result)["listener0"] == plays_of(new)["listener0"]
    assert plays_of(result)["listener1"] == plays_of(old)["listener1"]


def test_of_each_listener_the_longer_history_is_kept(plays):
    old = table(until_session(plays, 10, of="listener1"))
    new = table(until_session(plays, 15, of="listener0"))
    result = plays_of(newer(old, new))
    expected = plays_of(table(plays))
    assert (result["listener0"], result["listener2"]) == (
        expected["listener0"],
        expected["listener2"],
    )
    assert result["listener1"] == plays_of(new)["listener1"]


def test_a_listener_who_is_new_is_added(plays):
    old = table(plays[plays["listener_id"] != "listener2"])
    assert set(plays_of(newer(old, table(plays))).index) == {f"listener{i}" for i in range(3)}


def test_an_older_export_is_refused(plays):
    old, new = table(plays), table(until_session(plays, 17))
    with pytest.raises(
        SkipcastError, match="must be newer than what the champion knows but it cou"
    ):
        newer(old, new)


def test_another_listener_of_the_same_name_is_refused(plays):
    """A single export bears the same id whoever made it."""
    others = {name: "other" + plays[name] for name in ("track_id_clean", "artist_id")}
    with pytest.raises(SkipcastError, match=r"of listener listener0 they hold 0%"):
        newer(table(until_session(plays, 10)), table(plays.assign(**others)))


def test_another_listener_with_some_tracks_in_common_is_refused(plays):
    shared = plays["track_id_clean"].isin(["track0", "track1"])
    names = ("track_id_clean", "artist_id")
    other = plays.assign(**{name: plays[name].where(shared, "other") for name in names})
    with pytest.raises(SkipcastError, match="must be of the champion's listeners"):
        newer(table(plays), table(other))


def test_a_listener_whose_tracks_have_other_ids_since_is_known_by_the_artists(plays):
    """Exports of 2020 had no ids of tracks."""
    other = plays.assign(track_id_clean="uri-" + plays["track_id_clean"])
    assert newer(table(until_session(plays, 10)), table(other)) is not None


def test_a_listener_of_another_name_is_refused(plays):
    other = plays.assign(listener_id="other-" + plays["listener_id"])
    with pytest.raises(SkipcastError, match="of a listener whom it knows they hold those of othe"):
        newer(table(plays), table(other))


def test_the_day_is_that_of_the_last_start(plays):
    assert until(table(plays)) >= pd.Timestamp(START, unit="s").date().isoformat()
    assert until(pd.DataFrame({"last_at": [DAY, None, 3 * DAY]})) == "1970-01-04"
    assert until(pd.DataFrame({"last_at": [None]})) == "an unknown day"
