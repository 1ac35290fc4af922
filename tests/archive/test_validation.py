"""What a table of plays or tracks must hold: the rules of `schema.Column`, said in their words."""

import pandas as pd
import pyarrow as pa
import pytest

from skipcast.archive.validation import check_plays, check_tracks
from skipcast.errors import SkipcastError
from skipcast.reading.values import display
from skipcast.schema import LOG, TRACK, names

PLAYED = pa.array(["a", "b", "c"])


@pytest.fixture
def plays(three_plays):
    return three_plays[names(LOG)]


@pytest.fixture
def tracks(three_plays):
    return three_plays.rename(columns={"track_id_clean": "track_id"})[names(TRACK)]


def changed(table, column, value, row=1):
    """Return a copy with one value changed."""
    table = table.astype({column: object})
    table.loc[row, column] = value
    return table.infer_objects()


def test_takes_whole_sessions_and_their_tracks(plays, tracks):
    check_plays(plays, file="a.csv")
    check_tracks(tracks, PLAYED)


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("hour_of_day", 24, "a whole number from 0 to 23"),
        ("hour_of_day", -1, "a whole number from 0 to 23"),
        ("context_switch", 2, "true, false, 0 or 1"),
        ("hist_user_behavior_n_seekfwd", -1, "a whole number from 0 to 1,000,000"),
        ("date", "15/07/2018", "a date like 2018-07-15"),
        ("date", "2018-13-01", "a date like 2018-07-15"),
    ],
)
def test_refuses_a_play_by_the_words_of_its_rule(plays, column, value, rule):
    message = (
        f"{column} must be {rule} but got {display(value)} "
        r"\(session_id s, session_position 2; 1 in all\)\. Correct a\.csv\."
    )
    with pytest.raises(SkipcastError, match=message):
        check_plays(changed(plays, column, value), file="a.csv")


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("mode", "dorian", "minor or major"),
        ("tempo", float("inf"), "a number within 1,000,000 of 0"),
    ],
)
def test_refuses_a_track_by_the_words_of_its_rule(tracks, column, value, rule):
    message = rf"{column} must be {rule} but got {display(value)} \(track_id b; 1 in all\)"
    with pytest.raises(SkipcastError, match=message):
        check_tracks(changed(tracks, column, value), PLAYED)


@pytest.mark.parametrize("column", ["context_type", "premium", "hour_of_day"])
def test_refuses_a_play_without_a_value(plays, column):
    with pytest.raises(SkipcastError, match=f"{column} must be .* but got null"):
        check_plays(changed(plays, column, None), file="a.csv")


def test_refuses_a_track_without_a_value(tracks):
    with pytest.raises(SkipcastError, match=r"tempo must be a number .* but got null"):
        check_tracks(changed(tracks, "tempo", None), PLAYED)


def test_counts_all_values_that_break_a_rule(plays):
    with pytest.raises(SkipcastError, match="3 in all"):
        check_plays(plays.assign(hour_of_day=99), file="a.csv")


def test_refuses_a_session_that_is_cut_short(plays):
    with pytest.raises(SkipcastError, match="session_length must be the number of plays but is 3"):
        check_plays(plays.head(2), file="a.csv")


def test_refuses_a_session_with_a_gap(plays):
    with pytest.raises(SkipcastError, match=r"a.csv: .* must count 1, 2, 3, .* got 3 after 1"):
        check_plays(plays.drop(index=1), file="a.csv")


def test_refuses_a_play_of_an_unknown_track(tracks):
    with pytest.raises(SkipcastError, match="1 tracks are not, the first c"):
        check_tracks(tracks.head(2), PLAYED)


def test_refuses_a_track_that_comes_twice(tracks):
    with pytest.raises(SkipcastError, match="must come once in the track table but a comes again"):
        check_tracks(pd.concat([tracks, tracks.head(1)], ignore_index=True), PLAYED)
