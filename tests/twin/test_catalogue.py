import numpy as np
import pytest

from skipcast.schema import MODES, TRACK, names
from skipcast.twin.catalogue import (
    CATALOGUE,
    HEAD,
    LOADINGS,
    draw_tracks,
    make_catalogue,
    play_shares,
    read_distributions,
    track_ids,
    track_table,
    weighted_ranks,
)


@pytest.fixture(scope="module")
def catalogue():
    return make_catalogue(np.random.default_rng(0))


@pytest.fixture(scope="module")
def tail(catalogue):
    numbers = np.arange(HEAD, HEAD + 500)
    return track_table(numbers, catalogue, np.random.default_rng(0))


def test_the_shares_of_plays_add_up_to_1():
    assert play_shares().sum() == pytest.approx(1)


def test_tracks_are_numbered_from_the_most_played():
    assert (np.diff(play_shares(1000)) < 0).all()


def test_appeal_has_mean_0_over_plays(catalogue):
    assert play_shares() @ catalogue.appeal == pytest.approx(0, abs=0.05)


def test_appeal_has_variance_1_over_plays(catalogue):
    assert play_shares() @ catalogue.appeal**2 == pytest.approx(1, abs=0.1)


def test_popular_tracks_are_played_by_their_shares(catalogue):
    numbers = draw_tracks(catalogue, 100_000, np.random.default_rng(0))
    assert np.mean(numbers < HEAD) == pytest.approx(play_shares()[:HEAD].sum(), abs=0.01)


def test_every_track_number_is_in_the_catalogue(catalogue):
    numbers = draw_tracks(catalogue, 100_000, np.random.default_rng(0))
    assert numbers.min() >= 0
    assert numbers.max() < CATALOGUE


def test_the_weighted_ranks_of_equal_weights_are_even():
    ranks = weighted_ranks(np.array([3.0, 1.0, 2.0]), np.ones(3))
    np.testing.assert_allclose(ranks, [5 / 6, 1 / 6, 3 / 6])


def test_the_id_of_a_track_says_that_it_is_synthetic():
    assert track_ids(np.array([12])) == ["twin-track-0000012"]


def test_a_track_table_has_the_official_columns(tail):
    assert list(tail) == names(TRACK)


def test_a_track_table_has_no_missing_value(tail):
    assert tail.notna().all().all()


def test_the_mode_is_a_word(tail):
    assert set(tail["mode"]) == set(MODES)


def test_features_of_one_factor_correlate(tail):
    assert tail["energy"].corr(tail["loudness"]) > 0.5


def test_loadings_leave_variance_for_the_feature_itself():
    assert all(np.square(loading).sum() <= 1 for loading in LOADINGS.values())


def test_every_feature_has_loadings():
    assert set(LOADINGS) == set(names(TRACK)) - {"track_id"}


def test_every_feature_has_a_distribution():
    distributions = read_distributions()
    assert {*distributions["features"], *distributions["integers"]} == set(LOADINGS)
