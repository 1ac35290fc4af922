"""The model behind the exports: listeners, sessions, tracks, outcomes and times."""

import numpy as np
import pytest

from skipcast.archive.history_plays import SESSION_GAP
from skipcast.twin.export import make_plays
from skipcast.twin.export_people import People, apart, make_people, make_sessions
from skipcast.twin.export_reasons import BRIEF, CUTS, ENDS, LATE, SKIPS, read_habits
from skipcast.twin.export_rows import Plays
from skipcast.twin.export_tracks import draw_tracks, taste

HABITS = read_habits()


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def people() -> People:
    return make_people(6, 30_000, HABITS, rng())


@pytest.fixture(scope="module")
def plays(people) -> list[Plays]:
    """Return the plays of each of six listeners."""
    return [own for _, own in make_plays(people, range(6), HABITS, rng(1))]


def test_traits_hardly_go_together():
    together = np.corrcoef(apart(rng(), 5, 18)) - np.eye(5)
    assert np.abs(together).max() < 0.25


def test_traits_of_one_listener_are_drawn_too():
    assert apart(rng(), 3, 1).shape == (3, 1)


def test_plays_are_parted_among_listeners(people):
    assert people.plays.sum() == 30_000
    assert people.plays.min() > 0


def test_sessions_have_all_plays(people):
    sessions = make_sessions(people, range(1, 3), rng())
    assert set(sessions.listener) == {1, 2}
    assert sessions.length.sum() == people.plays[1:3].sum()
    assert sessions.length.min() >= 1


def test_listeners_repeat_tracks_and_artists_more_often(people):
    tracks = draw_tracks(people, make_sessions(people, range(6), rng()), rng())
    assert len(np.unique(tracks.artist)) < len(np.unique(tracks.track)) < 30_000 / 2


def test_a_track_has_one_artist(people):
    tracks = draw_tracks(people, make_sessions(people, range(6), rng()), rng())
    pairs = np.unique(np.stack([tracks.track, tracks.artist]), axis=1)
    assert len(np.unique(tracks.track)) == pairs.shape[1]


def test_tastes_drift_slowly():
    root = np.repeat(np.arange(0, 6000, 3), 3)  # three plays of each of 2,000 tracks
    years = np.tile([0.0, 0.1, 3.0], 2000)
    first, soon, late = taste(root, years, 0.2, rng()).reshape(-1, 3).T
    assert np.corrcoef(first, soon)[0, 1] > 0.9
    assert np.corrcoef(first, late)[0, 1] < 0.5


def test_plays_are_in_order_of_time(plays):
    for own in plays:
        assert (np.diff(own.times.ended) >= 0).all()


def test_sessions_are_more_than_a_break_apart(plays):
    for own in plays:
        ended = own.times.ended
        begun = ended - own.times.played_ms / 1000
        gap = begun[1:] - ended[:-1]
        assert (gap[own.session_ends[:-1]] > SESSION_GAP).all()
        assert (gap[~own.session_ends[:-1]] < SESSION_GAP).all()


def test_starts_lie_before_the_end_less_what_sounded(plays):
    for own in plays:
        latest = own.times.ended - own.times.played_ms / 1000 + 5
        assert (own.times.started <= latest).mean() > 0.99


def test_brief_plays_take_less_than_30_seconds_and_late_ones_more(plays):
    for own in plays:
        depth, played = own.outcomes.depth, own.times.played_ms
        assert played[depth == BRIEF].max() < 30_000
        assert played[depth == LATE].min() >= 30_000


def test_what_the_app_cuts_is_no_skip(plays):
    for own in plays:
        ends = np.array(ENDS)[own.outcomes.end]
        by_hand = own.outcomes.depth <= LATE
        assert set(ends[by_hand]) <= set(SKIPS)
        assert set(ends[own.outcomes.depth > LATE]) <= {"trackdone", *CUTS}
