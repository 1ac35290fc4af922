import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import oracle_query

from skipcast.database.server import connect
from skipcast.database.tables import load_tables
from skipcast.errors import SkipcastError
from skipcast.features import build as features
from skipcast.features.build import GROUPS, build_features, features_of, predicted
from skipcast.features.columns import Columns
from skipcast.features.feature import Feature, reads
from skipcast.features.groups.signals import skipped
from skipcast.features.views import LookAheadError, Past, Present
from skipcast.schema import HORIZONS, LOG, TRACK, TRACK_INPUTS, names

HORIZON_NAMES = sorted(HORIZONS)


def built(plays, horizon="started"):
    return build_features(plays, horizon)


def equal(column, expected):
    np.testing.assert_array_equal(column.to_numpy(), np.float32(expected))


NAN = np.nan
BY_HAND = {  # of three plays: skipped at once, listened to the end, skipped
    "tempo": [0.1, 0.2, 0.3],
    "mode": [0, 1, 1],
    "position": [1, 2, 3],
    "hour_sin": [0, 0, 0],
    "hour_cos": [-1, -1, -1],
    "day_of_week": [6, 6, 6],
    "context_type": [3, 3, 3],
    "started_by": [7, 9, 0],
    "depth_1": [NAN, 0, 4],
    "depth_2": [NAN, NAN, 0],
    "previous_skipped": [NAN, 1, 0],
    "streak": [NAN, 1, -1],
    "skip_rate": [0.517, (1 + 1.034) / 3, (1 + 1.034) / 4],
    "skip_rate_half_life_1": [NAN, 1, 1 / 3],
    "plays_since_skip": [NAN, 1, 2],
    "plays_since_full_listen": [NAN, NAN, 1],
    "previous_started_by": [NAN, 7, 9],
    "previous_ended_by": [NAN, 9, 0],
    "forward_rate": [NAN, 1, 0.5],
    "back_rate": [NAN, 0, 0],
    "done_rate": [NAN, 0, 0.5],
    "context_switches": [0, 0, 1],
    "plays_since_context_switch": [NAN, NAN, 1],
    "shuffle_changed": [NAN, 1, 0],
    "previous_tempo": [NAN, 0.1, 0.2],
    "change_of_tempo": [NAN, 0.1, 0.3 - 0.2],
    "release_year_minus_skipped": [NAN, 0.1, 0.2],
    "release_year_minus_listened": [NAN, NAN, 0.3 - 0.2],
    "same_track_skipped": [NAN, NAN, 1],
}


@pytest.mark.parametrize("name", BY_HAND)
def test_values_of_a_session_of_three_plays(three_plays, name):
    three_plays["track_id_clean"] = ["a", "b", "a"]
    three_plays["context_switch"] = [0, 1, 0]
    three_plays["hist_user_behavior_is_shuffle"] = [False, True, True]
    three_plays["not_skipped"] = [False, True, False]
    column = built(three_plays)[name]
    assert column.dtype == np.float32
    np.testing.assert_allclose(column, BY_HAND[name], rtol=2e-5, atol=1e-6)


def test_distance_and_cosine_by_hand(three_plays):
    three_plays["tempo"] = [100.0, 100.0, 129.8]
    for name in ("acoustic_vector_0", "acoustic_vector_1"):
        three_plays[name] = [1.0, 1.0, 1.0]
    for other in TRACK_INPUTS:
        if other not in ("tempo", "mode", "acoustic_vector_0", "acoustic_vector_1"):
            three_plays[other] = 0.0
    three_plays["acoustic_vector_1"] = [0.0, 1.0, 0.0]
    table = built(three_plays)
    one_sd = np.sqrt(1 / 15)  # in one of fifteen features
    for name in ("skipped", "listened", "last_skipped", "last_listened"):
        assert table[f"distance_to_{name}"][2] == pytest.approx(one_sd, rel=1e-6)
    assert table["cosine_to_skipped"][2] == pytest.approx(1)
    assert table["cosine_to_listened"][2] == pytest.approx(np.sqrt(0.5))


def test_second_half_sees_outcomes_of_the_first_half_only(plays):
    """Session of 4: plays 3 and 4 see the outcome of play 2, but each the track before it."""
    one = plays.head(4).assign(session_id="s", session_position=[1, 2, 3, 4], session_length=4)
    one["skip_2"] = [False, True, False, False]
    table = built(one, "second_half")
    equal(table["previous_skipped"][2:], [1, 1])
    equal(table["streak"][2:], [1, 1])
    equal(table["previous_tempo"][1:], one["tempo"][:3])
    equal(table["length"], [4] * 4)
    assert predicted(one, "second_half").tolist() == [False, False, True, True]
    odd = one.head(3).assign(session_length=3)
    assert predicted(odd, "second_half").tolist() == [False, True, True]
    equal(built(odd, "second_half")["previous_skipped"][1:], [0, 0])


def test_same_track_in_the_second_half_looks_past_plays_not_yet_ended(plays):
    one = plays.head(4).assign(session_id="s", session_position=[1, 2, 3, 4], session_length=4)
    one["track_id_clean"] = ["a", "b", "a", "a"]
    one["skip_2"] = [True, False, False, False]
    equal(built(one, "second_half")["same_track_skipped"][2:], [1, 1])
    equal(built(one, "started")["same_track_skipped"], [NAN, NAN, 1, 0])


def test_every_horizon_computes_what_it_knows_and_nothing_else():
    started = {feature.name for feature in features_of("started")}
    assert started - {f.name for f in features_of("queued")} == {
        "context_type",
        "context_switch",
        "started_by",
        "no_pause",
        "short_pause",
        "long_pause",
        "shuffle",
        "shuffle_changed",
    }
    second_half = {feature.name for feature in features_of("second_half")}
    assert second_half - started == {"length"}
    assert {"hour_sin", "premium", "shuffle"}.isdisjoint(second_half)


def test_names_are_unique_and_each_has_a_meaning():
    every = [feature for group in GROUPS.values() for feature in group]
    assert len({feature.name for feature in every}) == len(every)
    assert all(feature.meaning.endswith(".") for feature in every)


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
@settings(max_examples=10, deadline=None)
@given(position=st.integers(1, 20), seed=st.integers(0, 2**32 - 1))
def test_blind_to_what_is_not_yet_known(plays, horizon, position, seed):
    """Change all that a play at `position` cannot know: its features stay, bit for bit."""
    now = (plays["session_position"] == position).to_numpy()
    later = (plays["session_position"] > position).to_numpy()
    here = now & predicted(plays, horizon)
    unknown = [name for name in names(LOG) if name not in HORIZONS[horizon].known]
    if horizon == "second_half":  # of the whole second half only tracks, in whatever order
        changed = spoil(plays, predicted(plays, horizon), unknown, seed)
    else:
        changed = spoil(plays, now, [n for n in unknown if n != "session_length"], seed)
        fixed = {"session_id", "session_position", "session_length"}
        changed = spoil(changed, later, [name for name in plays if name not in fixed], seed)
        changed["session_length"] = 99
    before, after = built(plays, horizon)[here], built(changed, horizon)[here]
    np.testing.assert_array_equal(before.to_numpy(), after.to_numpy())


@pytest.mark.parametrize("horizon", HORIZON_NAMES)
def test_the_blindness_test_sees_a_planted_leak(plays, monkeypatch, horizon):
    """A feature that went around the views would change with what is not yet known."""
    leak = Feature("leak", "A leak.", frozenset(), lambda now, before: now._columns["skip_2"])
    monkeypatch.setitem(GROUPS, "taste", (*GROUPS["taste"], leak))
    features.features_of.cache_clear()
    features.feature_names.cache_clear()
    features.blocks_of.cache_clear()
    try:
        with pytest.raises(AssertionError, match="not equal"):
            test_blind_to_what_is_not_yet_known.hypothesis.inner_test(plays, horizon, 12, 0)
    finally:
        features.features_of.cache_clear()
        features.feature_names.cache_clear()
        features.blocks_of.cache_clear()


@pytest.mark.parametrize(
    "name", sorted(set(names(LOG)) - HORIZONS["started"].known - {"session_length"})
)
def test_a_feature_cannot_declare_what_is_known_only_afterwards(name):
    with pytest.raises(LookAheadError, match=name):
        reads(name)


@pytest.mark.parametrize("name", names(LOG))
def test_a_feature_cannot_read_what_it_does_not_declare(three_plays, name):
    present = Present(Columns(three_plays), frozenset({"tempo"}))
    with pytest.raises(LookAheadError, match=name):
        present[name]
    with pytest.raises(LookAheadError, match=name):
        present.matrix(("tempo", name))


def test_the_past_never_shows_the_present(three_plays):
    past = Past(Columns(three_plays), HORIZONS["started"])
    np.testing.assert_array_equal(past["skip_2"], [NAN, 1, 0])
    np.testing.assert_array_equal(past.totals((skipped,)), [[0, 1, 1]])
    np.testing.assert_array_equal(past.since(skipped), [NAN, 1, 2])


@pytest.mark.parametrize("horizon", HORIZON_NAMES)
def test_order_of_sessions_and_other_sessions_change_nothing(plays, horizon):
    everything = built(plays, horizon)
    sessions = [plays.loc[rows] for rows in plays.groupby("session_id").groups.values()]
    shuffled = built(pd.concat(sessions[::-1]), horizon)
    pd.testing.assert_frame_equal(shuffled.loc[plays.index], everything, check_exact=True)
    for session in sessions[::40]:
        expected = everything.loc[session.index]
        pd.testing.assert_frame_equal(built(session, horizon), expected, check_exact=True)


def test_chunks_change_nothing(plays, monkeypatch):
    whole = built(plays)
    monkeypatch.setattr(features, "CHUNK", 64)
    pd.testing.assert_frame_equal(built(plays), whole, check_exact=True)


def test_arrays_give_what_a_frame_gives(plays):
    arrays = {name: plays[name].to_numpy() for name in plays}
    pd.testing.assert_frame_equal(built(arrays), built(plays), check_exact=True)


@pytest.mark.parametrize("horizon", HORIZON_NAMES)
def test_nan_only_where_the_meaning_says_so(plays, horizon):
    table = built(plays, horizon)[predicted(plays, horizon)]
    may = {f.name for f in features_of(horizon) if "NaN" in f.meaning and "never" not in f.meaning}
    group_taste = {feature.name for feature in GROUPS["taste"]}  # its module says it for all
    assert set(table.columns[table.isna().any()]) <= may | group_taste


def test_an_unseen_category_is_missing_and_nothing_breaks(three_plays):
    three_plays["context_type"] = ["radio", "aquarium", None]
    three_plays["hist_user_behavior_reason_start"] = "telepathy"
    three_plays["date"] = ["2018-07-15", "yesterday", None]
    table = built(three_plays)
    equal(table["context_type"], [3, NAN, NAN])
    equal(table["started_by"], [NAN] * 3)
    equal(table["day_of_week"], [6, NAN, NAN])


def test_a_session_longer_than_any_in_the_data(plays):
    long = pd.concat([plays.head(10)] * 30, ignore_index=True)
    long["session_id"], long["session_position"] = "s", np.arange(1, 301)
    table = built(long)
    assert np.isfinite(table["skip_rate"]).all()
    equal(table["position"], np.arange(1, 301))


@pytest.mark.parametrize("positions", [[2, 1, 3], [1, 1, 2], [1, 3, 4]])
def test_refuses_plays_out_of_order_twice_or_missing(three_plays, positions):
    with pytest.raises(SkipcastError, match="session_position must count"):
        built(three_plays.assign(session_position=positions))


def test_no_plays_give_no_rows(three_plays):
    assert built(three_plays.head(0)).shape == (0, len(features_of("started")))


def test_does_not_change_what_it_is_given(three_plays):
    copy = three_plays.copy(deep=True)
    built(three_plays)
    pd.testing.assert_frame_equal(three_plays, copy)


def test_importing_features_imports_no_store_or_tracker():
    program = "import sys, skipcast.features.build; print(sorted(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    for heavy in ("psycopg2", "mlflow", "optuna", "dvc", "sklearn", "lightgbm"):
        assert f"'{heavy}'" not in run.stdout


def test_the_data_dictionary_in_the_docs_is_current():
    from skipcast.features.dictionary import data_dictionary

    page = (Path(__file__).parents[2] / "docs/features.md").read_text()
    assert data_dictionary() in page, "run `python -m skipcast.dictionary`"


# The oracle: the same in SQL, by another hand, on a thousand sessions.


@pytest.fixture(scope="module")
def oracle(postgres, tmp_path_factory):
    """Return a thousand sessions and what SQL makes of them."""
    from skipcast.archive.sample import read_subset
    from skipcast.twin.write import write_twin

    folder = tmp_path_factory.mktemp("oracle") / "mssd"
    write_twin(folder, sessions=1000, seed=11)
    plays, tracks = read_subset(folder, None, rows=10**6, seed=0)
    groups = ("outcomes", "behaviour", "previous_track")
    wanted = [feature.name for group in groups for feature in GROUPS[group]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", postgres)
        with connect() as connection, connection.cursor() as cursor:
            load_tables(connection, plays, tracks, schema="oracle")
            cursor.execute(oracle_query(wanted, "oracle"))
            rows = cursor.fetchall()
    joined = plays.merge(tracks, left_on="track_id_clean", right_on="track_id", how="left")
    return joined[names(LOG + TRACK[1:])], pd.DataFrame(rows, columns=wanted, dtype=np.float64)


def test_sql_window_functions_give_the_same(oracle):
    plays, expected = oracle
    assert plays["session_id"].nunique() == 1000
    table = build_features(plays, "started", ("outcomes", "behaviour", "previous_track"))
    assert list(table) == list(expected)
    for name in expected:
        np.testing.assert_allclose(
            table[name], expected[name].astype(np.float32), rtol=1e-5, atol=1e-6, err_msg=name
        )


def test_the_views_have_no_public_way_to_the_present_outcome():
    """What is public of `now` is reading declared columns."""
    public = [name for name in dir(Present) if not re.match("_", name)]
    assert public == ["matrix", "rows"]
