import numpy as np
import pandas as pd
import pytest

from skipcast.errors import SkipcastError
from skipcast.features.build import build_features
from skipcast.features.table import feature_columns, feature_table, join_tracks


def test_join_gives_each_play_its_track_and_keeps_the_order():
    plays = pd.DataFrame({"session_position": [1, 2, 3], "track_id_clean": ["b", "a", "b"]})
    tracks = pd.DataFrame({"track_id": ["a", "b", "c"], "tempo": [90.0, 120.0, 150.0]})
    joined = join_tracks(plays, tracks)
    assert list(joined) == ["session_position", "track_id_clean", "tempo"]
    assert joined["session_position"].tolist() == [1, 2, 3]
    assert joined["tempo"].tolist() == [120, 90, 120]


def test_join_keeps_a_play_whose_track_is_unknown():
    plays = pd.DataFrame({"track_id_clean": ["z"]})
    joined = join_tracks(plays, pd.DataFrame({"track_id": ["a"], "tempo": [90.0]}))
    assert np.isnan(joined["tempo"]).tolist() == [True]


def test_the_table_leads_with_keys_and_outcome(three_plays):
    table = feature_table(three_plays, "started", ("context",))
    assert list(table)[:3] == ["session_id", "session_position", "skipped"]
    assert table["skipped"].tolist() == [True, False, True]


def test_the_features_follow(three_plays):
    table = feature_table(three_plays, "started")
    expected = build_features(three_plays, "started")
    pd.testing.assert_frame_equal(table[feature_columns(table)], expected, check_exact=True)


def test_the_table_has_only_plays_that_the_horizon_predicts(three_plays):
    table = feature_table(three_plays, "second_half")
    assert table["session_position"].tolist() == [2, 3]
    assert table.index.tolist() == [1, 2]


def test_refuses_plays_out_of_order(three_plays):
    with pytest.raises(SkipcastError, match="session_position must count"):
        feature_table(three_plays.iloc[::-1], "started")
