from typing import get_args

import numpy as np

from skipcast.schema import HORIZONS, LOG, TRACK, TRACK_INPUTS, HorizonName, names

# The leak table, spelled out once more: a slip in schema.py must not pass.
BEFORE = {"session_id", "session_position", "track_id_clean", "hour_of_day", "date", "premium"}
AT_START = {
    "hist_user_behavior_reason_start",
    "no_pause_before_play",
    "short_pause_before_play",
    "long_pause_before_play",
    "context_type",
    "context_switch",
    "hist_user_behavior_is_shuffle",
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
    tracks = set(TRACK_INPUTS)
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
    assert (len(LOG), len(TRACK)) == (21, 30)
