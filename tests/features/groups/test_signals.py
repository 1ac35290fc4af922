import numpy as np
import pytest

from skipcast.features.columns import Columns
from skipcast.features.groups import signals

NAN = np.nan


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("skipped", [1, 0, 1]),
        ("listened", [0, 1, 0]),
        ("depth", [0, 4, 1]),
        ("full_listen", [0, 1, 0]),
        ("FORWARD", [1, 0, 1]),
        ("BACK", [0, 0, 0]),
        ("DONE", [0, 1, 0]),
        ("SWITCHES", [0, 0, 0]),
    ],
)
def test_signals_of_three_plays(three_plays, name, expected):
    """Skipped at once, listened to the end, skipped."""
    np.testing.assert_array_equal(getattr(signals, name)(Columns(three_plays)), expected)


@pytest.mark.parametrize("name", ["FORWARD", "BACK", "DONE"])
def test_how_a_play_ended_is_missing_if_not_given(three_plays, name):
    three_plays["hist_user_behavior_reason_end"] = [None, "trackdone", "telepathy"]
    values = getattr(signals, name)(Columns(three_plays))
    np.testing.assert_array_equal(np.isnan(values), [True, False, True])


def test_depth_is_missing_if_a_skip_column_is(three_plays):
    three_plays["skip_1"] = np.array([1, NAN, 0])
    values = signals.depth(Columns(three_plays))
    np.testing.assert_array_equal(np.isnan(values), [False, True, False])
