import numpy as np
import pytest

from skipcast.features.build import build_features

NAN = np.nan


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("position", [1, 2, 3]),
        ("hour_sin", [0, 0, 0]),
        ("hour_cos", [-1, -1, -1]),
        ("day_of_week", [6, 6, 6]),
        ("premium", [1, 1, 1]),
        ("context_type", [3, 3, 3]),
        ("context_switch", [0, 1, 0]),
        ("started_by", [7, 9, 0]),
        ("no_pause", [0, 1, 1]),
        ("short_pause", [1, 0, 0]),
        ("long_pause", [0, 0, 1]),
        ("shuffle", [0, 1, 1]),
    ],
)
def test_values_of_three_plays(three_plays, name, expected):
    three_plays["context_switch"] = [0, 1, 0]
    three_plays["short_pause_before_play"] = [1, 0, 0]
    three_plays["long_pause_before_play"] = [0, 0, 1]
    three_plays["hist_user_behavior_is_shuffle"] = [False, True, True]
    table = build_features(three_plays, "started", ("context",))
    np.testing.assert_allclose(table[name], expected, atol=1e-6)


def test_length_is_known_to_the_second_half_only(three_plays):
    assert build_features(three_plays, "second_half", ("context",))["length"].tolist() == [3] * 3
    assert "length" not in build_features(three_plays, "started", ("context",))


def test_an_unseen_category_is_missing(three_plays):
    three_plays["context_type"] = ["radio", "aquarium", None]
    three_plays["hist_user_behavior_reason_start"] = "telepathy"
    three_plays["date"] = ["2018-07-15", "yesterday", None]
    table = build_features(three_plays, "started", ("context",))
    np.testing.assert_array_equal(table["context_type"], [3, NAN, NAN])
    np.testing.assert_array_equal(table["started_by"], [NAN] * 3)
    np.testing.assert_array_equal(table["day_of_week"], [6, NAN, NAN])


@pytest.mark.parametrize(
    ("name", "column", "values", "expected"),
    [
        ("context_type_at_half", "context_type", ["radio", "charts", "charts"], 3),
        ("premium_at_half", "premium", [True, False, False], 1),
        ("hour_at_half", "hour_of_day", [23, 0, 0], 23),
        ("day_of_week_at_half", "date", ["2018-07-15", "2018-07-16", "2018-07-16"], 6),
        ("shuffle_at_half", "hist_user_behavior_is_shuffle", [True, False, False], 1),
        ("short_pause_at_half", "short_pause_before_play", [1, 0, 0], 1),
        ("long_pause_at_half", "long_pause_before_play", [1, 0, 0], 1),
        ("context_switch_at_half", "context_switch", [1, 0, 0], 1),
    ],
)
def test_the_second_half_knows_the_context_of_the_first(
    three_plays, name, column, values, expected
):
    three_plays[column] = values
    table = build_features(three_plays, "second_half", ("context",))
    np.testing.assert_array_equal(table[name], [NAN, expected, expected])
    assert name not in build_features(three_plays, "started", ("context",))
