from typing import get_args

import numpy as np
import pytest

from skipcast.schema import (
    HORIZONS,
    LISTENER_COUNTS,
    LOG,
    MSSD_LOG,
    TRACK,
    TRACK_INPUTS,
    HorizonName,
    names,
)

# The leak table, spelled out once more: a slip in schema.py must not pass.
BEFORE = {"session_id", "session_position", "track_id_clean", "hour_of_day", "date", "premium"}
BEFORE |= {"listener_id", "artist_id"}
AT_START = {
    "hist_user_behavior_reason_start",
    "no_pause_before_play",
    "short_pause_before_play",
    "long_pause_before_play",
    "context_type",
    "context_switch",
    "hist_user_behavior_is_shuffle",
    "started_at",
}
AFTER = {
    "skip_1",
    "skip_2",
    "skip_3",
    "not_skipped",
    "hist_user_behavior_reason_end",
    "hist_user_behavior_n_seekfwd",
    "hist_user_behavior_n_seekback",
}


def test_horizons_know_what_the_leak_table_says():
    counts = {"track_plays", "track_skips", "track_depth"}
    tracks = {*TRACK_INPUTS, *counts, "prior_plays", "prior_skips", "prior_depth"}
    tracks |= {*names(LISTENER_COUNTS)}  # as of the session's start
    assert HORIZONS["queued"].known == BEFORE | tracks
    assert HORIZONS["started"].known == BEFORE | AT_START | tracks
    assert HORIZONS["second_half"].known == tracks | {
        "session_id",
        "session_position",
        "session_length",
        "track_id_clean",
    }


def test_the_type_names_exactly_the_horizons():
    assert set(get_args(HorizonName)) == set(HORIZONS)


def test_the_second_half_follows_the_first_and_has_the_middle_play_of_an_odd_session():
    second_half = HORIZONS["second_half"]
    assert second_half.history_length(np.array([3.0, 4.0, 20.0])).tolist() == [1, 2, 10]


def test_only_the_second_half_divides_sessions():
    assert [name for name in HORIZONS if HORIZONS[name].divides_sessions] == ["second_half"]


def test_every_column_of_the_log_is_in_the_leak_table():
    assert set(names(LOG)) == BEFORE | AT_START | AFTER | {"session_length"}


def test_official_number_of_columns():
    assert (len(MSSD_LOG), len(TRACK)) == (21, 30)


COLUMNS = {column.name: column for column in (*LOG, *TRACK)}


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("skip_2", "true, false, null, 0 or 1"),
        ("context_switch", "true, false, null, 0 or 1"),
        ("hour_of_day", "a whole number from 0 to 23, or null"),
        ("session_length", "a whole number from 1 to 1,000,000, or null"),
        ("release_year", "a whole number within 1,000,000 of 0, or null"),
        ("tempo", "a number within 1,000,000 of 0, or null"),
        ("date", "a date like 2018-07-15 or null"),
        ("mode", "minor, major or null"),
        ("context_type", "text or null"),
    ],
)
def test_the_rule_of_a_column_is_said_in_words(name, rule):
    assert COLUMNS[name].rule(nullable=True) == rule


def test_a_rule_without_null_does_not_name_it():
    rules = [column.rule(nullable=False) for column in COLUMNS.values()]
    assert not [rule for rule in rules if "null" in rule]


@pytest.mark.parametrize(
    "text", ["2018-13-01", "2018-02-30", "20180715", "2018-W28-7", "15/07/2018", " 2018-07-15", ""]
)
def test_a_date_is_a_day_of_the_calendar_written_in_one_way(text):
    assert COLUMNS["date"].allows("2018-07-15")
    assert not COLUMNS["date"].allows(text)


def test_a_text_is_one_of_the_values_where_a_column_lists_them():
    assert COLUMNS["mode"].allows("major")
    assert not COLUMNS["mode"].allows("dorian")
    assert COLUMNS["context_type"].allows("aquarium")


def test_every_boolean_is_a_flag_and_so_are_four_numbers():
    flags = {column.name for column in COLUMNS.values() if column.is_flag}
    booleans = {column.name for column in COLUMNS.values() if column.type == "boolean"}
    assert booleans < flags
    assert flags - booleans == {
        "context_switch",
        "no_pause_before_play",
        "short_pause_before_play",
        "long_pause_before_play",
    }
