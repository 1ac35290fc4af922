import numpy as np
import pytest
from harness.feature_checks import CHECKS
from harness.listening import listening, with_history

from skipcast.features.build import build_features, feature_set
from skipcast.features.listener_counts import VALUES
from skipcast.schema import HORIZONS, LISTENER_COUNTS, LISTENER_GROUPS, names

GROUP = ("listener_history",)
NEVER = (0, 0, 0, np.nan, np.nan, np.nan)
AT = 1_700_000_000


@pytest.fixture
def table(three_plays):
    """Return the features of three plays: of a track known well, of a new one, of a new listener.

    The listener skipped 20 of 40 plays, the artist 15 of 15, the track none of 5.
    """
    rows = {
        "listener": ((40, 20, 10, 0.5, 1, AT), (40, 20, 10, 0.5, 1, AT), NEVER),
        "listener_track": ((5, 0, 5, 0.0, 0, AT - 86_400), NEVER, NEVER),
        "listener_artist": ((15, 15, 0, 1.0, 1, np.nan), NEVER, NEVER),
    }
    known = {
        f"{key}_{name}": [values[place] for values in of_plays]
        for key, of_plays in rows.items()
        for place, name in enumerate(VALUES)
    }
    known["started_at"] = [AT, AT + 86_400 * 2, np.nan]
    return build_features(three_plays.assign(**known), "started", GROUP)


LISTENER, USUAL = (20 + 10 * 0.36) / 50, 0.36
ARTIST = (15 + 5 * LISTENER) / 20


def test_skip_rates_are_shrunk_in_turn(table):
    np.testing.assert_allclose(table["listener_skip_rate"], [LISTENER, LISTENER, USUAL])
    np.testing.assert_allclose(table["listener_artist_skip_rate"], [ARTIST, LISTENER, USUAL])
    np.testing.assert_allclose(table["listener_track_skip_rate"], [ARTIST / 2, LISTENER, USUAL])


def test_full_listen_rates_are_shrunk_in_turn(table):
    listener = (10 + 10 * 0.58) / 50
    track = (5 + 5 * (5 * listener / 20)) / 10
    np.testing.assert_allclose(table["listener_full_listen_rate"], [listener, listener, 0.58])
    np.testing.assert_allclose(table["listener_track_full_listen_rate"], [track, listener, 0.58])


def test_the_last_outcomes_are_as_they_are(table):
    np.testing.assert_array_equal(table["listener_track_last_skipped"], [0, np.nan, np.nan])
    np.testing.assert_array_equal(table["listener_artist_recent_skip_rate"], [1, np.nan, np.nan])


def test_plays_are_logged(table):
    np.testing.assert_allclose(table["listener_log_plays"], np.log([41, 41, 1]), rtol=1e-6)


def test_days_are_logged_and_nan_where_a_start_is_unknown(table):
    since = table["listener_log_days_since"]
    np.testing.assert_allclose(since, np.log([1, 3, np.nan]), rtol=1e-6)
    np.testing.assert_allclose(
        table["listener_track_log_days_since"], np.log([2, np.nan, np.nan]), rtol=1e-6
    )
    assert table["listener_artist_log_days_since"].isna().all()


def test_a_clock_that_was_set_back_gives_no_negative_time(three_plays):
    known = dict.fromkeys(names(LISTENER_COUNTS), 0)
    known |= {"listener_last_at": AT, "started_at": AT - 9}
    table = build_features(three_plays.assign(**known), "started", GROUP)
    assert (table["listener_log_days_since"] == 0).all()


@pytest.mark.parametrize("horizon", HORIZONS)
def test_all_horizons_know_all_but_the_time_since(horizon):
    found = {name.removeprefix("listener_") for name in feature_set(horizon, GROUP).names}
    each = {"skip_rate", "full_listen_rate", "recent_skip_rate", "last_skipped", "log_plays"}
    each |= {"log_days_since"} if horizon == "started" else set()
    assert found == {f"{key}{name}" for key in ("", "track_", "artist_") for name in each}


@pytest.fixture(scope="module")
def history():
    return with_history(listening(3, sessions=40))


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("horizon", sorted(HORIZONS))
def test_the_groups_of_a_history_conform(history, horizon, check):
    check(feature_set(horizon, LISTENER_GROUPS), history)
