import numpy as np
import pytest

from skipcast.features.build import build_features

NAN = np.nan


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("previous_started_by", [NAN, 7, 9]),
        ("previous_ended_by", [NAN, 9, 0]),
        ("forward_rate", [NAN, 1, 0.5]),
        ("back_rate", [NAN, 0, 0]),
        ("done_rate", [NAN, 0, 0.5]),
        ("seeks_forward", [0, 2, 2]),
        ("seeks_back", [0, 0, 1]),
        ("short_pauses", [0, 0, 1]),
        ("long_pauses", [0, 1, 1]),
        ("context_switches", [0, 0, 1]),
        ("plays_since_context_switch", [NAN, NAN, 1]),
        ("shuffle_changed", [NAN, 1, 0]),
    ],
)
def test_values_of_three_plays(three_plays, name, expected):
    three_plays["hist_user_behavior_n_seekfwd"] = [2, 0, 0]
    three_plays["hist_user_behavior_n_seekback"] = [0, 1, 0]
    three_plays["short_pause_before_play"] = [0, 1, 0]
    three_plays["long_pause_before_play"] = [1, 0, 0]
    three_plays["context_switch"] = [0, 1, 0]
    three_plays["hist_user_behavior_is_shuffle"] = [False, True, True]
    table = build_features(three_plays, "started", ("behaviour",))
    np.testing.assert_allclose(table[name], expected)
