import numpy as np

from skipcast.features.build import build_features

NAN = np.nan


def test_the_previous_track_is_that_of_the_position_before(three_plays):
    three_plays["tempo"] = [100.0, 110.0, 130.0]
    table = build_features(three_plays, "started", ("previous_track",))
    np.testing.assert_array_equal(table["previous_tempo"], [NAN, 100, 110])
    np.testing.assert_array_equal(table["change_of_tempo"], [NAN, 10, 20])


def test_tracks_of_the_second_half_are_known_in_advance(three_plays):
    three_plays["tempo"] = [100.0, 110.0, 130.0]
    table = build_features(three_plays, "second_half", ("previous_track",))
    np.testing.assert_array_equal(table["previous_tempo"], [NAN, 100, 110])


def test_codes_and_acoustic_vectors_have_no_difference(three_plays):
    table = build_features(three_plays, "started", ("previous_track",))
    for name in ("key", "mode", "time_signature", "acoustic_vector_0"):
        assert f"previous_{name}" in table
        assert f"change_of_{name}" not in table


def test_an_unknown_track_is_missing(three_plays):
    three_plays["tempo"] = [NAN, 110.0, 130.0]
    table = build_features(three_plays, "started", ("previous_track",))
    np.testing.assert_array_equal(table["change_of_tempo"], [NAN, NAN, 20])
