import numpy as np
import pytest

from skipcast.features.build import build_features


@pytest.fixture
def table(three_plays):
    """Return the features of three plays: of a usual track, of one never counted, of a bad one."""
    counts = {"track_plays": [8, 0, 18], "track_skips": [4, 0, 18], "track_depth": [16, 0, 0]}
    return build_features(three_plays.assign(**counts), "queued", ("track_history",))


def test_the_skip_rate_is_shrunk_to_the_prior(table):
    np.testing.assert_allclose(table["track_skip_rate"], [5 / 10, 1 / 2, 19 / 20])


def test_the_mean_depth_is_shrunk_to_the_prior(table):
    np.testing.assert_allclose(table["track_mean_depth"], [20 / 10, 4 / 2, 4 / 20])


def test_plays_are_logged(table):
    np.testing.assert_allclose(table["track_log_plays"], np.log([9, 1, 19]), rtol=1e-6)


@pytest.mark.parametrize("horizon", ["started", "queued", "second_half"])
def test_all_horizons_know_it(three_plays, horizon):
    names = list(build_features(three_plays, horizon, ("track_history",)))
    assert names == ["track_skip_rate", "track_mean_depth", "track_log_plays"]
