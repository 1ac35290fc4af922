"""The served model in this process: its contract, its bits, its folder."""

import numpy as np
import pandas as pd
import pytest
from harness.clients import requests
from mlflow.exceptions import MlflowException

from skipcast.features.build import build_features, feature_set, predicted
from skipcast.models.families import FAMILIES
from skipcast.schema import (
    AHEAD,
    ANSWER,
    COUNTS,
    OUTCOMES,
    TARGET,
    TRACK,
    TRACK_GROUPS,
    names,
)
from skipcast.serving.packaging import example

HISTORY = {"score_history": True}


@pytest.fixture(scope="module", params=["lightgbm", "xgboost", "logistic"])
def each(request, logged_model):
    logged = logged_model(request.param)
    return request.param, logged.fitted, logged.served


@pytest.fixture(scope="module")
def made(logged_model):
    return logged_model().fitted, logged_model().info


@pytest.fixture(scope="module")
def served(logged_model):
    return logged_model().served


@pytest.fixture(scope="module", params=["queued", "second_half"])
def horizon(request, logged_model):
    logged = logged_model(horizon=request.param)
    return request.param, logged.fitted, logged.served


def test_answers_bit_for_bit_as_the_features_stage_and_the_fitted_model(each, plays):
    family, fitted, served = each
    request = requests(plays)
    features = build_features(plays, "started").to_numpy()
    expected = FAMILIES[family].predict(fitted, features)[: len(request)]
    answer = served.predict(request)
    assert list(answer) == names(ANSWER)
    last = request[TARGET].isna().to_numpy()
    np.testing.assert_array_equal(answer["skip_probability"][last], expected[last])
    np.testing.assert_array_equal(answer["skipped"][last], expected[last] >= 0.5)
    assert answer["skip_probability"][~last].isna().all()
    assert answer["skipped"][~last].isna().all()
    history = served.predict(request, HISTORY)
    np.testing.assert_array_equal(history["skip_probability"], expected)


def test_whole_sessions_are_scored_with_their_history(served, made, plays, raw_plays):
    features = build_features(plays, "started").to_numpy()
    expected = FAMILIES["lightgbm"].predict(made[0], features)
    answer = served.predict(raw_plays.head(5000), HISTORY)
    np.testing.assert_array_equal(answer["skip_probability"], expected[:5000])


def test_other_horizons_score_what_they_predict(horizon, plays, raw_plays):
    """second_half: of its plays those without outcome or, with history, all; never the first's."""
    name, fitted, served = horizon
    groups = (*TRACK_GROUPS, AHEAD) if name == "second_half" else TRACK_GROUPS
    some = plays[plays["session_id"].isin(plays["session_id"].unique()[:20])]
    features = build_features(some, name, groups)
    counts = predicted(some, name)
    expected = np.full(len(some), np.nan)
    expected[counts] = FAMILIES["lightgbm"].predict(fitted, features.to_numpy()[counts])
    raw = raw_plays.loc[some.index]
    everything = served.predict(raw, HISTORY)["skip_probability"]
    np.testing.assert_array_equal(everything.astype(float), expected)
    if name == "queued":
        request = requests(plays, 20)
    else:
        request = raw.astype(dict.fromkeys(OUTCOMES, object))
        request.loc[counts, list(OUTCOMES)] = None
    is_open = request[TARGET].isna().to_numpy()
    answer = served.predict(request)["skip_probability"]
    np.testing.assert_array_equal(answer[is_open], expected[is_open])
    assert answer[~is_open].isna().all()


def test_candidates_are_each_scored_against_the_same_history(served, plays):
    """Three tracks for one position, in a request with other sessions, in any order."""
    request = requests(plays, 3)
    session = request["session_id"].unique()[1]
    last = request[(request["session_id"] == session) & request[TARGET].isna()]
    tracks = plays["track_id_clean"].unique()[50:53]
    ranked = pd.concat([request, *(last.assign(track_id_clean=track) for track in tracks)])
    shuffled = ranked.sample(frac=1, random_state=3)
    answer = served.predict(shuffled).set_axis(range(len(shuffled)))
    alone = served.predict(request)["skip_probability"].to_list()
    for place, row in enumerate(shuffled.itertuples()):
        result = answer["skip_probability"][place]
        if row.track_id_clean in tracks and row.session_id == session and pd.isna(row.skip_2):
            one = request.copy()
            one.loc[last.index, "track_id_clean"] = row.track_id_clean
            expected = served.predict(one)["skip_probability"][request.index.get_loc(last.index[0])]
            assert result == expected
        elif pd.isna(row.skip_2):
            assert result == alone[request.index.get_loc(row.Index)]
    assert answer["skip_probability"].notna().sum() == 6


def test_rows_may_come_in_any_order_and_are_answered_in_theirs(served, plays):
    request = requests(plays)
    shuffled = request.sample(frac=1, random_state=1)
    expected = served.predict(request).set_axis(request.index)
    result = served.predict(shuffled).set_axis(shuffled.index)
    pd.testing.assert_frame_equal(result.loc[request.index], expected)


def test_a_large_request_is_read_as_a_small_one(served, plays):
    request = requests(plays, 200)
    assert len(request) > 1000
    some = request[request["session_id"].isin(request["session_id"].unique()[:3])]
    pd.testing.assert_frame_equal(served.predict(request)[: len(some)], served.predict(some))


def test_true_false_0_1_and_the_name_skipped_are_the_same(served, plays):
    request = requests(plays)
    numbers = request.copy()
    for name in OUTCOMES:
        numbers[name] = [None if value is None else int(value) for value in request[name]]
    expected = served.predict(request)
    pd.testing.assert_frame_equal(served.predict(numbers), expected)
    renamed = request.rename(columns={TARGET: "skipped"})
    pd.testing.assert_frame_equal(served.predict(renamed), expected)
    both = request.assign(skipped=numbers[TARGET])
    pd.testing.assert_frame_equal(served.predict(both), expected)


def test_an_unseen_category_and_a_long_session_are_answered(served, plays):
    request = requests(plays, 1)
    strange = request.assign(context_type="aquarium", hist_user_behavior_reason_start="telepathy")
    assert 0 <= served.predict(strange)["skip_probability"].iloc[-1] <= 1
    long = pd.concat([request.iloc[[0]]] * 60).assign(session_position=range(1, 61))
    assert len(served.predict(long)) == 60


def test_a_track_is_known_or_brings_its_features_which_override_the_models(served, plays):
    request = requests(plays, 1)
    known = served.predict(request)
    assert known["track_known"].all()
    renamed = request.assign(track_id_clean="new-" + request["track_id_clean"])
    without = served.predict(renamed)
    assert not without["track_known"].any()
    assert without["skip_probability"].iloc[-1] != known["skip_probability"].iloc[-1]
    tracks = plays.loc[request.index, names((*TRACK[1:], *COUNTS))]
    inline = served.predict(renamed.join(tracks))
    assert inline["skip_probability"].iloc[-1] == known["skip_probability"].iloc[-1]
    other = served.predict(request.join(tracks.assign(us_popularity_estimate=50.0)))
    assert other["skip_probability"].iloc[-1] != known["skip_probability"].iloc[-1]


def test_a_broken_rule_is_http_400_with_its_text(served, plays):
    with pytest.raises(
        MlflowException, match="premium must be true, false, null, 0 or 1"
    ) as caught:
        served.predict(requests(plays, 2).assign(premium=7))
    assert caught.value.get_http_status_code() == 400


def test_candidates_count_with_their_history(served, plays):
    request = requests(plays, 1)
    many = pd.concat([request, *[request.iloc[[-1]]] * (10_000 // len(request))])
    assert len(many) < 1100
    with pytest.raises(MlflowException, match="at most 10000 plays, each candidate counted"):
        served.predict(many)


def test_second_half_needs_the_length(horizon, plays):
    name, _, served = horizon
    request = requests(plays, 2)
    if name == "queued":
        assert served.predict(request)["skip_probability"].notna().sum() == 2
        return
    with pytest.raises(MlflowException, match="session_length must be given for each play"):
        served.predict(request)
    with pytest.raises(MlflowException, match="session_length must be the same for a session"):
        served.predict(request.assign(session_length=3))


def test_explanations_add_up_to_the_answer(each, plays):
    _, _, served = each
    request = requests(plays).sample(frac=1, random_state=5)
    explained = served.unwrap_python_model().explain(request)
    assert list(explained) == [*feature_set("started").names, "base"]
    answer = served.predict(request, HISTORY)["skip_probability"].astype(float)
    np.testing.assert_allclose(1 / (1 + np.exp(-explained.sum(axis=1))), answer, atol=1e-5)
    with pytest.raises(MlflowException, match="track_id_clean must be given"):
        served.unwrap_python_model().explain(request.drop(columns="track_id_clean"))


def test_the_example_is_answered(served):
    assert served.predict(example())["skip_probability"].notna().tolist() == [False, False, True]


def test_the_example_of_each_horizon_is_answered(horizon):
    name, _, served = horizon
    expected = [False, name == "second_half", True]
    assert served.predict(example(name))["skip_probability"].notna().tolist() == expected
