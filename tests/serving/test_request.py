"""A request's plays with their tracks' features, on three hand-written plays."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from skipcast.errors import SkipcastError
from skipcast.features.build import build_features, feature_set
from skipcast.schema import COUNTS, LOG, OUTCOMES, PRIOR, TRACK_INPUTS, TRACK_KNOWN, names
from skipcast.serving.request import Plays
from skipcast.serving.tracks import Tracks

FEATURES = feature_set("started")


def tracks_of(plays):
    """Return the tracks of plays as a model knows them."""
    table = plays.rename(columns={"track_id_clean": "track_id"})[["track_id", *TRACK_KNOWN]]
    other = {name: [None] for name in ("track_id", *TRACK_INPUTS)}
    other |= {name: [table[name].iloc[0]] for name in names(PRIOR)}
    other |= {name: [0] for name in names(COUNTS)}
    return Tracks(pa.Table.from_pandas(pd.concat([table, pd.DataFrame(other)])))


@pytest.fixture
def tracks(three_plays):
    return tracks_of(three_plays)


@pytest.fixture
def request_(three_plays):
    """Return the three plays as a client sends them; the last one has not ended."""
    plays = three_plays[names(LOG)].astype(dict.fromkeys(OUTCOMES, object))
    plays.loc[2, [*OUTCOMES]] = None
    return plays.drop(columns="session_length")


def read(request, tracks, horizon="started"):
    return Plays(request, tracks, horizon, 100)


def test_features_are_those_of_the_stage(request_, tracks, three_plays):
    features = read(request_, tracks).features(FEATURES)
    np.testing.assert_array_equal(features, build_features(three_plays, "started").to_numpy())


def test_features_are_in_the_order_of_the_rows(request_, tracks):
    expected = read(request_, tracks).features(FEATURES)
    backwards = read(request_[::-1], tracks).features(FEATURES)
    np.testing.assert_array_equal(backwards[::-1], expected)


def test_a_play_without_outcome_is_open(request_, tracks):
    assert read(request_, tracks).open.tolist() == [False, False, True]


def test_skipped_is_another_name_of_skip_2(request_, tracks):
    renamed = request_.rename(columns={"skip_2": "skipped"})
    plays = read(renamed, tracks)
    np.testing.assert_array_equal(plays.columns["skip_2"], [1, 0, np.nan])


def test_the_features_of_a_known_track_are_the_models(request_, tracks, three_plays):
    plays = read(request_, tracks)
    assert plays.track_known.all()
    np.testing.assert_array_equal(plays.track_features["tempo"], three_plays["tempo"])


def test_an_unknown_track_has_no_features(request_, tracks):
    plays = read(request_.assign(track_id_clean="new"), tracks)
    assert not plays.track_known.any()
    assert np.isnan(plays.track_features["tempo"]).all()


def test_features_in_the_request_are_used_instead_of_the_models(request_, tracks, three_plays):
    tempo = [90.0, 120.0, 150.0]
    expected = read(request_, tracks_of(three_plays.assign(tempo=tempo))).features(FEATURES)
    plays = read(request_.assign(tempo=tempo), tracks)
    np.testing.assert_array_equal(plays.features(FEATURES), expected)
    assert not np.array_equal(expected, read(request_, tracks).features(FEATURES), equal_nan=True)


def test_counts_in_the_request_are_used_instead_of_the_models(request_, tracks, three_plays):
    counts = {"track_plays": [9, 9, 9], "track_skips": [9, 0, 1], "track_depth": [0, 36, 20]}
    expected = read(request_, tracks_of(three_plays.assign(**counts))).features(FEATURES)
    plays = read(request_.assign(**counts), tracks)
    np.testing.assert_array_equal(plays.features(FEATURES), expected)
    assert not np.array_equal(expected, read(request_, tracks).features(FEATURES), equal_nan=True)


def test_second_half_predicts_plays_of_the_second_half(request_, tracks):
    plays = read(request_.assign(session_length=3), tracks, "second_half")
    assert plays.predicted.tolist() == [False, True, True]


COUNTED = {"track_plays": [3, 3, 0], "track_skips": [3, 0, 0], "track_depth": [0, 12, 0]}
REFUSED = [
    ("started", {"skipped": [1, 1, None]}, "skipped must be what skip_2 is, .* but got 1 in row 2"),
    ("started", {"skip_1": [1, 0, 1]}, "skip_1 must be null where skip_2 is but got 1 in row 3"),
    (
        "started",
        COUNTED | {"track_plays": [3, -1, 0]},
        "track_plays must be .* but got -1 in row 2",
    ),
    ("started", COUNTED | {"track_skips": [0.5, 0, 0]}, "track_skips must be a whole .* got 0.5"),
    ("started", COUNTED | {"track_skips": [4, 0, 0]}, "no more than the track's .* got 4 in row 1"),
    ("started", COUNTED | {"track_depth": [13, 0, 0]}, "track_depth must be no more .* got 13"),
    ("started", {"track_plays": [1, None, None]}, "track_skips must be given where track_plays is"),
    ("second_half", {}, "session_length must be given for each play to this model but got null"),
    ("second_half", {"session_length": 2}, "session_length must be the same for .* but got 2"),
    ("second_half", {"session_length": [3, 4, 4]}, "session_length must be the same .* got 4"),
]


@pytest.mark.parametrize(("horizon", "change", "match"), REFUSED)
def test_refuses_columns_that_contradict_each_other(request_, tracks, horizon, change, match):
    changed = request_.assign(**{k: pd.Series(v, index=range(3)) for k, v in change.items()})
    with pytest.raises(SkipcastError, match=match):
        read(changed, tracks, horizon)


def cut(request_: pd.DataFrame, row: int) -> pd.DataFrame:
    """Return a request in which the app cut a play."""
    result = request_.astype(dict.fromkeys(OUTCOMES, object))
    result.loc[result.index[row], list(OUTCOMES)] = None
    return result


def test_a_play_that_the_app_cut_has_ended_without_an_outcome(request_, tracks):
    plays = read(cut(request_, 1), tracks)
    assert plays.open.tolist() == [False, False, True]
    assert np.isnan(plays.columns["skip_2"]).tolist() == [False, True, True]


@pytest.mark.parametrize("reason", ["logout", "unknown", "quite-new"])
def test_any_reason_says_that_a_play_has_ended(request_, tracks, reason):
    """A reason that the model does not know has no code, but is one."""
    plays = read(
        cut(request_, 1).assign(hist_user_behavior_reason_end=[reason, reason, None]), tracks
    )
    assert plays.open.tolist() == [False, False, True]


@pytest.mark.parametrize("reason", [None, "", "NA", np.nan])
def test_a_null_reason_says_nothing(request_, tracks, reason):
    reasons = pd.Series(["fwdbtn", reason, None], dtype=object)
    with pytest.raises(SkipcastError, match=r"skip_2 must be .* hist_user_behavior_reason_end"):
        read(cut(request_, 1).assign(hist_user_behavior_reason_end=reasons), tracks)


def test_a_play_in_the_middle_must_give_an_outcome_or_what_ended_it(request_, tracks):
    request_ = cut(request_, 1).drop(columns="hist_user_behavior_reason_end")
    with pytest.raises(SkipcastError, match=r"skip_2 must be .* hist_user_behavior_reason_end"):
        read(request_, tracks)


def test_a_model_of_any_skip_reads_skip_3(request_, tracks):
    request_ = request_.assign(skip_3=[True, True, None])
    plays = Plays(request_, tracks, "started", 100, skip="any")
    np.testing.assert_array_equal(plays.columns["skip_2"], [1, 1, np.nan])
    request_ = request_.drop(columns=[*OUTCOMES, "hist_user_behavior_reason_end"])
    with pytest.raises(SkipcastError, match="skip_3 must be true, false, 0 or 1 for each play"):
        Plays(request_, tracks, "started", 100, skip="any")
