import numpy as np
import pytest

from skipcast.features.build import build_features

NAN = np.nan
COUNTED = {"track_plays": [8, 0, 18], "track_skips": [4, 0, 18], "track_depth": [16, 0, 0]}


@pytest.fixture
def table(three_plays):
    """Return the features of three plays: of a usual track, of one never counted, of a bad one."""
    return build_features(three_plays.assign(**COUNTED), "queued", ("track_history",))


def test_the_skip_rate_is_shrunk_to_the_prior(table):
    np.testing.assert_allclose(table["track_skip_rate"], [5 / 10, 1 / 2, 19 / 20])


def test_the_mean_depth_is_shrunk_to_the_prior(table):
    np.testing.assert_allclose(table["track_mean_depth"], [20 / 10, 4 / 2, 4 / 20])


def test_plays_are_logged(table):
    np.testing.assert_allclose(table["track_log_plays"], np.log([9, 1, 19]), rtol=1e-6)


OWN = ["track_skip_rate", "track_mean_depth", "track_log_plays"]


@pytest.mark.parametrize("horizon", ["started", "queued", "second_half"])
def test_all_horizons_know_it(three_plays, horizon):
    assert list(build_features(three_plays, horizon, ("track_history",)))[:3] == OWN


@pytest.mark.parametrize("horizon", ["started", "queued"])
def test_only_where_the_tracks_to_come_are_known_are_their_rates(three_plays, horizon):
    assert list(build_features(three_plays, horizon, ("track_history",))) == OWN


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("previous_but_one_track_skip_rate", [NAN, NAN, 5 / 10]),
        ("previous_track_skip_rate", [NAN, 5 / 10, 1 / 2]),
        ("next_track_skip_rate", [1 / 2, 19 / 20, NAN]),
        ("next_but_one_track_skip_rate", [19 / 20, NAN, NAN]),
    ],
)
def test_the_rates_of_the_tracks_before_and_behind(three_plays, name, expected):
    table = build_features(three_plays.assign(**COUNTED), "second_half", ("track_history",))
    np.testing.assert_allclose(table[name], expected, rtol=1e-6)
