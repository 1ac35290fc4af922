import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skipcast import features
from skipcast.features import LookAheadError, Past, Present, build_features, predicted
from skipcast.schema import HORIZONS, LOG, TRACK_INPUTS, names

HORIZON_NAMES = sorted(HORIZONS)


def test_values_of_a_session_of_three_plays(three_plays):
    table = build_features(three_plays, "started")
    assert table.dtypes.unique().tolist() == [np.float32]
    np.testing.assert_array_equal(table["position"], [1, 2, 3])
    np.testing.assert_array_equal(table["previous_skipped"], [np.nan, 1, 0])
    np.testing.assert_array_equal(table["mode"], [0, 1, 1])
    np.testing.assert_array_equal(table["previous_mode"], [np.nan, 0, 1])
    np.testing.assert_array_equal(table["tempo"], np.float32([0.1, 0.2, 0.3]))
    np.testing.assert_array_equal(table["previous_tempo"], np.float32([np.nan, 0.1, 0.2]))


def test_second_half_sees_outcomes_of_the_first_half_only(plays):
    """Session of 4: plays 3 and 4 see the outcome of play 2, but each the track before it."""
    one = plays.head(4).assign(session_id="s", session_position=[1, 2, 3, 4], session_length=4)
    one["skip_2"] = [False, True, False, False]
    table = build_features(one, "second_half")
    np.testing.assert_array_equal(table["previous_skipped"][2:], [1, 1])
    np.testing.assert_array_equal(table["previous_tempo"][1:], np.float32(one["tempo"][:3]))
    np.testing.assert_array_equal(predicted(one, "second_half"), [False, False, True, True])
    odd = one.head(3).assign(session_length=3)
    np.testing.assert_array_equal(predicted(odd, "second_half"), [False, True, True])
    np.testing.assert_array_equal(
        build_features(odd, "second_half")["previous_skipped"][1:], [0, 0]
    )


def test_names_order_and_docstrings():
    table = features.FEATURES
    assert [f.__name__ for f in table] == list(features.NAMES)
    assert len(set(features.NAMES)) == len(table) == 2 * len(TRACK_INPUTS) + 2
    assert all((f.__doc__ and "NaN" in f.__doc__) or f is features.position for f in table)


def spoil(plays, rows, columns, seed):
    """Return `plays` with other values in `columns` of `rows`, drawn from other plays."""
    rng = np.random.default_rng(seed)
    spoilt = plays.copy()
    for column in columns:
        values = spoilt[column].to_numpy(copy=True)
        if values.dtype == bool:
            values[rows] = ~values[rows]
        else:
            values[rows] = rng.permutation(plays[column].to_numpy())[: rows.sum()]
        spoilt[column] = values
    return spoilt


@pytest.mark.parametrize("horizon", HORIZON_NAMES)
@settings(max_examples=15, deadline=None)
@given(position=st.integers(1, 20), seed=st.integers(0, 2**32 - 1))
def test_blind_to_what_is_not_yet_known(plays, horizon, position, seed):
    """Change all that a play at `position` cannot know: its features stay, bit for bit."""
    before = build_features(plays, horizon)
    here = (plays["session_position"] == position).to_numpy() & predicted(plays, horizon)
    later = (plays["session_position"] > position).to_numpy()
    now = (plays["session_position"] == position).to_numpy()
    unknown_now = [c for c in names(LOG) if c not in HORIZONS[horizon] and c != "session_length"]
    changed = spoil(plays, now, unknown_now, seed)
    if horizon == "second_half":  # plays from the half on are all unknown, to each other too
        changed = spoil(changed, predicted(plays, horizon), unknown_now, seed)
    always = {"session_id", "session_position", "session_length"}
    rest = [c for c in plays if c not in always and (horizon != "second_half" or c in unknown_now)]
    changed = spoil(changed, later, rest, seed)
    if horizon != "second_half":
        changed["session_length"] = 99
    after = build_features(changed, horizon)
    np.testing.assert_array_equal(before[here].to_numpy(), after[here].to_numpy())


@pytest.mark.parametrize("horizon", HORIZON_NAMES)
@pytest.mark.parametrize(
    "column", ["skip_1", "skip_2", "not_skipped", "hist_user_behavior_reason_end"]
)
def test_a_planted_leak_is_caught(plays, monkeypatch, horizon, column):
    def leak(now, before):
        return now[column]

    monkeypatch.setattr(features, "FEATURES", (*features.FEATURES, leak))
    with pytest.raises(LookAheadError, match=f"must not read {column}"):
        build_features(plays, horizon)


def test_the_two_views_are_all_that_a_feature_gets(three_plays):
    present, past = Present(three_plays, "started"), Past(three_plays, "started")
    np.testing.assert_array_equal(past["skip_2"], [np.nan, 1, 0])
    public = [name for name in dir(present) + dir(past) if not name.startswith("_")]
    assert public == []


def test_order_of_sessions_and_other_sessions_change_nothing(plays):
    everything = build_features(plays, "started")
    by_session = [plays.loc[rows] for rows in plays.groupby("session_id").groups.values()]
    shuffled = build_features(pd.concat(by_session[::-1]), "started")
    pd.testing.assert_frame_equal(shuffled.loc[plays.index], everything)
    alone = build_features(by_session[5], "started")
    pd.testing.assert_frame_equal(alone, everything.loc[by_session[5].index])


def test_nan_only_at_first_plays(plays):
    table = build_features(plays, "started")
    first = (plays["session_position"] == 1).to_numpy()
    assert not table[~first].isna().any().any()
    assert table.columns[table.isna().any()].str.startswith("previous_").all()


def test_does_not_change_what_it_is_given(three_plays):
    copy = three_plays.copy(deep=True)
    build_features(three_plays, "started")
    pd.testing.assert_frame_equal(three_plays, copy)


def test_importing_features_imports_no_store_or_tracker():
    program = "import sys, skipcast.features; print(sorted(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    for heavy in ("psycopg2", "mlflow", "optuna", "dvc", "sklearn", "lightgbm"):
        assert f"'{heavy}'" not in run.stdout
