import numpy as np
import pytest

from skipcast.features.build import build_features
from skipcast.features.groups.taste import AUDIO, AUDIO_SD

NAN = np.nan
NAMES = ("skipped", "listened", "last_skipped", "last_listened")


@pytest.fixture
def table(three_plays):
    """Skipped, listened to, and a track that is one sd of tempo away from both."""
    for name in AUDIO:
        three_plays[name] = 0.0
    three_plays["tempo"] = [100.0, 100.0, 100.0 + AUDIO_SD["tempo"]]
    for i in range(8):
        three_plays[f"acoustic_vector_{i}"] = 0.0
    three_plays["acoustic_vector_0"] = [1.0, 1.0, 1.0]
    three_plays["acoustic_vector_1"] = [0.0, 1.0, 0.0]
    three_plays["release_year"] = [2000, 2010, 2018]
    three_plays["track_id_clean"] = ["a", "b", "a"]
    return build_features(three_plays, "started", ("taste",))


@pytest.mark.parametrize("name", NAMES)
def test_distance_is_in_standard_deviations_of_all_audio_features(table, name):
    one_of_fifteen = np.sqrt(1 / 15)
    assert table[f"distance_to_{name}"][2] == pytest.approx(one_of_fifteen, rel=1e-6)


def test_cosine_is_of_acoustic_vectors(table):
    assert table["cosine_to_skipped"][2] == pytest.approx(1)
    assert table["cosine_to_listened"][2] == pytest.approx(np.sqrt(0.5))


def test_year_is_compared_with_the_mean(table):
    np.testing.assert_array_equal(table["release_year_minus_skipped"], [NAN, 10, 18])
    np.testing.assert_array_equal(table["release_year_minus_listened"], [NAN, NAN, 8])


def test_the_same_track_was_skipped_when_last_played(table):
    np.testing.assert_array_equal(table["same_track_skipped"], [NAN, NAN, 1])


@pytest.mark.parametrize("name", NAMES)
def test_all_is_missing_at_the_first_play(table, name):
    assert np.isnan(table[f"distance_to_{name}"][0])
    assert np.isnan(table[f"cosine_to_{name}"][0])


@pytest.fixture
def four_plays(plays):
    one = plays.head(4).assign(session_id="s", session_position=[1, 2, 3, 4], session_length=4)
    return one.assign(track_id_clean=["a", "b", "a", "a"], skip_2=[True, False, False, False])


def test_same_track_in_the_second_half_looks_past_plays_not_yet_ended(four_plays):
    table = build_features(four_plays, "second_half", ("taste",))
    assert table["same_track_skipped"][2:].tolist() == [1, 1]


def test_same_track_else_takes_the_last_play_of_it(four_plays):
    table = build_features(four_plays, "started", ("taste",))
    np.testing.assert_array_equal(table["same_track_skipped"], [NAN, NAN, 1, 0])
