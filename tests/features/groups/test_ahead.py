import numpy as np
import pandas as pd
import pytest

from skipcast.features.build import build_features, feature_set
from skipcast.features.columns import Columns
from skipcast.features.groups.taste import AUDIO, SD
from skipcast.features.views import Ahead, LookAheadError, Past, Present
from skipcast.schema import AHEAD, HORIZONS, TRACK_INPUTS

NAN = np.nan


def plays(tracks, session="s"):
    """Return a session of these tracks, each letter a track; its audio is the letter's number."""
    audio = [float(ord(track)) for track in tracks]
    columns = dict.fromkeys(TRACK_INPUTS, audio)
    known = {"session_id": session, "session_length": len(tracks), "track_id_clean": [*tracks]}
    return pd.DataFrame({**columns, **known, "session_position": range(1, len(tracks) + 1)})


def ahead(table):
    return build_features(table, "second_half", (AHEAD,))


def column(tracks, name):
    return [None if np.isnan(value) else value for value in ahead(plays(tracks))[name]]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("same_as_previous", [None, 0, 0, 0, 1]),
        ("same_as_previous_but_one", [None, None, 1, 0, 0]),
        ("same_as_next", [0, 0, 0, 1, None]),
        ("next_is_previous", [None, 1, 0, 0, None]),
        ("next_repeats", [0, 0, 1, None, None]),
        ("went_back_1_before", [None, None, None, 1, 0]),
        ("went_back_2_before", [None, None, None, None, 1]),
        ("goes_back_2_after", [1, 0, 0, None, None]),
        ("goes_back_3_after", [0, 0, None, None, None]),
        ("repeats_before", [0, 0, 1, 0, 1]),
        ("repeats_ahead", [1, 0, 0, 1, 0]),
        ("place_in_half", [-1, 0, 1, 2, 3]),
        ("plays_left", [4, 3, 2, 1, 0]),
    ],
)
def test_a_session_in_which_back_was_pressed_and_a_track_repeated(name, expected):
    assert column("abacc", name) == expected


def test_the_share_of_distinct_tracks_is_of_the_whole_session():
    assert column("abacc", "distinct_tracks") == pytest.approx([0.6] * 5)


def test_the_distance_is_to_the_mean_of_the_whole_session():
    expected = np.sqrt((1 / SD**2).mean())
    assert column("ac", "distance_to_session") == pytest.approx([expected] * 2)


def test_a_track_that_is_unknown_is_no_part_of_the_mean():
    table = plays("abc")
    table.loc[1, AUDIO[0]] = NAN
    expected = np.sqrt((1 / SD**2).mean())
    np.testing.assert_allclose(
        ahead(table)["distance_to_session"], [expected, NAN, expected], rtol=1e-6
    )


def test_sessions_are_apart():
    both = pd.concat([plays("ab", "s"), plays("ba", "t")], ignore_index=True)
    table = ahead(both)
    assert table["same_as_next"].isna().tolist() == [False, True, False, True]
    assert table["repeats_ahead"].tolist() == [0] * 4


def test_a_session_of_one_play():
    assert column("a", "same_as_next") == column("a", "same_as_previous") == [None]
    assert column("a", "distinct_tracks") == [1]


@pytest.mark.parametrize("horizon", ["started", "queued"])
def test_other_horizons_have_no_view_of_plays_to_come(horizon):
    past = Past(Columns(plays("ab")), HORIZONS[horizon])
    with pytest.raises(LookAheadError, match=f"track_id_clean of plays to come .* {horizon}"):
        past.ahead(frozenset({"track_id_clean"}))
    assert not len(feature_set(horizon, (AHEAD,)).names)


def test_an_outcome_to_come_is_known_to_no_horizon():
    past = Past(Columns(plays("ab")), HORIZONS["second_half"])
    with pytest.raises(LookAheadError, match="skip_2 of plays to come must be known"):
        past.ahead(frozenset({"skip_2"}))


def test_what_a_feature_has_not_declared_it_does_not_see():
    columns = Columns(plays("ab"))
    with pytest.raises(LookAheadError, match="must be declared"):
        Present(columns, frozenset()).ahead.distinct_share()
    view = Past(columns, HORIZONS["second_half"]).ahead(frozenset({"tempo"}))
    assert isinstance(view, Ahead)
    for look in (view.repeats, view.distinct_share, lambda: view.means(("tempo", "energy"))):
        with pytest.raises(LookAheadError, match="must be declared"):
            look()
