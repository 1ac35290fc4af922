"""Counts of tracks: by hand, and that no play knows its own outcome."""

import numpy as np
import pandas as pd
import pytest
from harness.count_checks import CHECKS, check_no_fold_counts_itself, check_no_session_counts_itself

from skipcast.features.build import build_features
from skipcast.features.counts import KNOWN, CountTable, add_counts, count_tracks
from skipcast.features.table import join_tracks
from skipcast.schema import HORIZONS, OUTCOMES, TRACK_KNOWN


@pytest.fixture(scope="module")
def log(plays_and_tracks):
    return plays_and_tracks[0]


@pytest.fixture(scope="module")
def is_train(log):
    return (pd.factorize(log["session_id"])[0] % 3) > 0


@pytest.fixture
def four_sessions(three_plays):
    """Return the session of three plays four times: tracks a, b and c, skipped, not, skipped."""
    log = three_plays.drop(columns=list(TRACK_KNOWN))
    copies = [log.assign(session_id=f"session {i}") for i in range(4)]
    return pd.concat(copies, ignore_index=True)


def test_the_table_counts_the_training_sessions(four_sessions):
    is_train = (four_sessions["session_id"] != "session 3").to_numpy()
    table = count_tracks(four_sessions, is_train, seed=0)[1]
    assert table.loc["a", ["track_plays", "track_skips", "track_depth"]].tolist() == [3, 3, 0]
    assert table.loc["b", ["track_plays", "track_skips", "track_depth"]].tolist() == [3, 0, 12]


def test_a_play_that_the_app_cut_is_not_counted(four_sessions):
    cut = four_sessions.astype(dict.fromkeys(OUTCOMES, object))
    cut.loc[cut["session_id"] == "session 0", [*OUTCOMES]] = None
    known, table = count_tracks(cut, np.ones(12, bool), seed=0)
    assert table.loc["a", ["track_plays", "track_skips", "track_depth"]].tolist() == [3, 3, 0]
    assert (known["track_plays"] <= 3).all()


def test_the_last_row_is_of_any_other_track(four_sessions):
    table = count_tracks(four_sessions, np.ones(12, bool), seed=0)[1]
    assert table.index.tolist() == ["a", "b", "c", None]
    assert table.iloc[-1][["track_plays", "track_skips", "track_depth"]].tolist() == [0, 0, 0]


def test_who_does_not_train_knows_all_who_do(four_sessions):
    is_train = (four_sessions["session_id"] != "session 3").to_numpy()
    known = count_tracks(four_sessions, is_train, seed=0)[0]
    assert known.loc[~is_train, "track_plays"].tolist() == [3, 3, 3]


def test_who_trains_knows_the_other_folds(four_sessions):
    known = count_tracks(four_sessions, np.ones(12, bool), seed=0)[0]
    assert (known["track_plays"] < 4).all()


def test_the_prior_has_the_outcomes_of_the_mean_play():
    table = CountTable(np.array([[10.0, 9, 4], [10, 1, 36], [0, 0, 0]]))
    plays, skips, depth = table.prior
    assert (skips / plays, depth / plays) == pytest.approx((10 / 20, 40 / 20))


def test_a_prior_of_tracks_that_differ_counts_for_few_plays():
    """Both are drawn from beta-binomial distributions: of 4 and of 200 pseudo-plays."""
    rng = np.random.default_rng(0)
    for pseudo_plays in (4, 200):
        rate = rng.beta(pseudo_plays / 2, pseudo_plays / 2, 4000)
        plays = rng.integers(1, 60, 4000)
        skips = rng.binomial(plays, rate)
        table = CountTable(np.stack([plays, skips, skips], axis=1).astype(float))
        assert table.prior[0] == pytest.approx(pseudo_plays, rel=0.15)


@pytest.mark.parametrize("sums", [[[1.0, 1, 0]], [[1.0, 1, 0], [1, 0, 4]], [[5.0, 2, 9]] * 3])
def test_a_prior_that_the_moments_do_not_tell_counts_for_many_plays(sums):
    assert CountTable(np.array(sums)).prior[0] == 1000


def test_a_table_of_no_plays_has_no_prior():
    assert np.isnan(CountTable(np.zeros((2, 3))).prior).all()


def test_tracks_get_their_counts(plays_and_tracks, log, is_train):
    counts = count_tracks(log, is_train, seed=0)[1]
    table = add_counts(plays_and_tracks[1], counts)
    assert list(table) == ["track_id", *TRACK_KNOWN]
    row = table.iloc[7]
    assert row[list(KNOWN)].tolist() == counts.loc[row["track_id"]].tolist()


def test_a_track_that_nobody_played_has_no_plays(plays_and_tracks, log, is_train):
    tracks = plays_and_tracks[1].assign(track_id=lambda t: "new " + t["track_id"])
    table = add_counts(tracks, count_tracks(log, is_train, seed=0)[1])
    assert (table["track_plays"] == 0).all()
    assert table["prior_plays"].nunique() == 1


@pytest.mark.parametrize("check", CHECKS)
def test_no_play_knows_its_own_outcome(check, log, is_train):
    check(count_tracks, log, is_train)


def count_with_a_leak(plays, is_train, *, seed):
    """Give training plays the counts of all training sessions, their own among them."""
    _, table = count_tracks(plays, is_train, seed=seed)
    return table.loc[plays["track_id_clean"]].set_index(plays.index), table


@pytest.mark.parametrize("check", [check_no_session_counts_itself, check_no_fold_counts_itself])
def test_a_planted_leak_is_seen(check, log, is_train):
    with pytest.raises(AssertionError, match="knows its outcomes"):
        check(count_with_a_leak, log, is_train)


@pytest.mark.parametrize("horizon", HORIZONS)
def test_no_feature_of_a_training_session_depends_on_validation_and_test(
    horizon, log, is_train, plays_and_tracks
):
    rng = np.random.default_rng(0)
    shuffled = log.copy()
    for name in ("skip_1", "skip_2", "skip_3", "not_skipped"):
        shuffled.loc[~is_train, name] = rng.permutation(log.loc[~is_train, name].to_numpy())
    tables = []
    for plays in (log, shuffled):
        counts = count_tracks(plays, is_train, seed=0)[0]
        joined = join_tracks(plays, plays_and_tracks[1]).join(counts)
        tables.append(build_features(joined, horizon)[is_train])
    pd.testing.assert_frame_equal(*tables, check_exact=True)
