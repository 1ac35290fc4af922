import numpy as np
import pytest

from skipcast.features.build import build_features

NAN = np.nan


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("depth_1", [NAN, 0, 4]),
        ("depth_2", [NAN, NAN, 0]),
        ("previous_skipped", [NAN, 1, 0]),
        ("streak", [NAN, 1, -1]),
        ("skip_rate", [0.517, (1 + 1.034) / 3, (1 + 1.034) / 4]),
        ("skip_rate_half_life_1", [NAN, 1, 1 / 3]),
        ("plays_since_skip", [NAN, 1, 2]),
        ("plays_since_full_listen", [NAN, NAN, 1]),
    ],
)
def test_values_of_three_plays(three_plays, name, expected):
    """Skipped at once, listened to the end, skipped."""
    table = build_features(three_plays, "started", ("outcomes",))
    np.testing.assert_allclose(table[name], expected, rtol=2e-5)


def test_a_streak_counts_all_plays_alike(three_plays):
    three_plays["skip_2"] = True
    table = build_features(three_plays, "started", ("outcomes",))
    np.testing.assert_array_equal(table["streak"], [NAN, 1, 2])


def test_the_second_half_sees_outcomes_of_the_first_only(plays):
    """Session of 4: plays 3 and 4 see the outcome of play 2."""
    one = plays.head(4).assign(session_id="s", session_position=[1, 2, 3, 4], session_length=4)
    one["skip_2"] = [False, True, False, False]
    table = build_features(one, "second_half", ("outcomes",))
    assert table["previous_skipped"][2:].tolist() == [1, 1]
    assert table["streak"][2:].tolist() == [1, 1]


def test_the_middle_play_of_an_odd_session_is_in_its_second_half(three_plays):
    table = build_features(three_plays, "second_half", ("outcomes",))
    assert table["previous_skipped"][1:].tolist() == [1, 1]
