import numpy as np

from skipcast.features.build import build_features
from skipcast.schema import TRACK_INPUTS


def test_each_track_feature_is_a_column_under_its_own_name(three_plays):
    assert tuple(build_features(three_plays, "started", ("track",))) == TRACK_INPUTS


def test_values_are_those_of_the_present_track(three_plays):
    three_plays["tempo"] = [100.0, np.nan, 120.0]
    table = build_features(three_plays, "queued", ("track",))
    np.testing.assert_array_equal(table["tempo"], [100, np.nan, 120])
    assert table["mode"].tolist() == [0, 1, 1]
