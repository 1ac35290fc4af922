import numpy as np
import pandas as pd
import pytest

from skipcast.schema import LOG, TRACK, names
from skipcast.twin.statistics import largest_miss, measure, published

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")
TRACKS = pd.DataFrame({name: [0.0] for name in names(TRACK)} | {"track_id": "t", "mode": "major"})


def session(outcomes: str) -> pd.DataFrame:
    """Write a session by hand: one letter per play, s for skipped and n for not."""
    skipped = [letter == "s" for letter in outcomes]
    n = len(outcomes)
    plays = pd.DataFrame(0, index=range(n), columns=names(LOG)).astype(object)
    plays["session_id"], plays["track_id_clean"] = outcomes, "t"
    plays["session_position"], plays["session_length"] = range(1, n + 1), n
    for column in ("skip_1", "skip_2", "skip_3"):
        plays[column] = skipped
    plays["not_skipped"] = [not skip for skip in skipped]
    plays["premium"] = plays["hist_user_behavior_is_shuffle"] = False
    for column in ("context_type", "hist_user_behavior_reason_start"):
        plays[column] = "radio"
    return plays.infer_objects()


@pytest.mark.parametrize(
    ("quantity", "by_hand"),
    [
        ("skip_2 rate", 5 / 8),
        ("skip_2 at position 1", 1 / 2),
        ("skip given skip 1 before", 3 / 5),
        ("skip given not 1 before", 1 / 1),
        ("skip given skip 2 before", 1 / 3),
        ("skip after 2 skips", 1 / 3),
        ("not after 1 nots", 0 / 1),
        ("outcomes out of order", 0.0),
        ("skip_2 in radio", 5 / 8),
        ("premium share", 0.0),
    ],
)
def test_statistics_of_two_sessions_by_hand(quantity, by_hand):
    plays = pd.concat([session("sssn"), session("nssn")], ignore_index=True)
    assert measure(plays, TRACKS)[quantity] == pytest.approx(by_hand)


def test_a_skip_that_does_not_imply_the_later_one_is_out_of_order():
    plays = session("ssnn").assign(skip_3=[True, False, False, False])
    assert measure(plays, TRACKS)["outcomes out of order"] == 1 / 4


@pytest.mark.parametrize("quantity", ["distinct tracks", "tempo over tracks, miss in sd"])
def test_statistics_that_need_many_plays_are_nan_for_few(quantity):
    assert np.isnan(measure(session("sssn"), TRACKS)[quantity])


def test_what_is_published_is_measured(plays_and_tracks):
    assert set(measure(*plays_and_tracks)) == set(published())


def test_every_tolerance_is_0_or_more():
    assert all(tolerance >= 0 for _, tolerance in published().values())


def test_the_largest_miss_is_that_of_the_worst_statistic():
    values = pd.Series([0.0, 1.0, 2.0])
    assert largest_miss(values, [1.0, 2.0, 0.0, 0.5, 1.0, 1.5, 5.0]) == (5 - 2) / 2
