from skipcast.schema import HORIZONS, LOG, TRACK, TRACK_INPUTS, names

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
    assert HORIZONS["queued"] == BEFORE | tracks
    assert HORIZONS["started"] == BEFORE | AT_START | tracks
    assert HORIZONS["second_half"] == tracks | {
        "session_id",
        "session_position",
        "session_length",
        "track_id_clean",
    }


def test_every_column_of_the_log_is_in_the_leak_table():
    assert set(names(LOG)) == BEFORE | AT_START | AFTER | {"session_length"}


def test_official_number_of_columns():
    assert (len(LOG), len(TRACK)) == (21, 30)
