import gc
import subprocess
import sys
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from harness.feature_checks import CHECKS, check_blind_at
from hypothesis import given, settings
from hypothesis import strategies as st

from skipcast.errors import SkipcastError
from skipcast.features import feature_set as module
from skipcast.features.build import GROUPS, build_features, feature_set, predicted
from skipcast.features.columns import Columns
from skipcast.features.groups.context import AT_HALF
from skipcast.features.groups.track_history import RATES_NEAR
from skipcast.features.session_rows import SessionRows
from skipcast.features.views import Past
from skipcast.schema import AHEAD, HORIZONS, TRACK_GROUPS, Group

HORIZON_NAMES = sorted(HORIZONS)
ALL = (*TRACK_GROUPS, AHEAD)


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("horizon", HORIZON_NAMES)
def test_all_groups_conform(plays, horizon, check):
    check(feature_set(horizon, ALL), plays)


@pytest.mark.parametrize("horizon", HORIZON_NAMES)
@settings(max_examples=10, deadline=None)
@given(position=st.integers(1, 20), seed=st.integers(0, 2**32 - 1))
def test_all_groups_are_blind_to_any_future(plays, horizon, position, seed):
    check_blind_at(feature_set(horizon, ALL), plays, position, seed)


def test_the_type_names_exactly_the_groups():
    assert get_args(Group) == tuple(GROUPS)


def test_groups_come_in_their_own_order_whatever_is_asked():
    turned = feature_set("started", ("taste", "track")).names
    assert list(turned) == list(feature_set("started", ("track", "taste")).names)


def test_queued_lacks_what_is_known_only_at_the_start():
    started, queued = (set(feature_set(horizon).names) for horizon in ("started", "queued"))
    assert queued < started
    assert started - queued == {
        "context_type",
        "context_switch",
        "started_by",
        "no_pause",
        "short_pause",
        "long_pause",
        "shuffle",
        "shuffle_changed",
    }


def test_second_half_knows_the_length_and_little_of_the_context():
    started, second_half = (set(feature_set(h).names) for h in ("started", "second_half"))
    blocks = (AT_HALF, RATES_NEAR)
    own = {feature.name for block in blocks for feature in block.features}
    assert second_half - started == {"length", *own}
    assert {"hour_sin", "premium", "shuffle"}.isdisjoint(second_half)


def test_only_the_horizon_that_knows_tracks_to_come_looks_ahead():
    ahead = {horizon: list(feature_set(horizon, ("ahead",)).names) for horizon in HORIZONS}
    assert ahead["started"] == ahead["queued"] == []
    assert "same_as_next" in ahead["second_half"]


def test_plays_are_computed_in_chunks_without_a_trace(plays, monkeypatch):
    whole = build_features(plays, "started")
    monkeypatch.setattr(module, "CHUNK", 64)
    pd.testing.assert_frame_equal(build_features(plays, "started"), whole, check_exact=True)


@pytest.mark.parametrize("horizon", HORIZON_NAMES)
def test_what_a_chunk_needs_is_freed_with_it(plays, horizon):
    """And does not wait for the garbage collector, which counts objects, large or small."""
    gc.collect()
    gc.disable()
    try:
        feature_set(horizon, ALL).build(plays)
        left = {type(one) for one in gc.get_objects()} & {Columns, Past, SessionRows}
    finally:
        gc.enable()
    assert not left


def test_all_plays_are_predicted_from_all_before(three_plays):
    assert predicted(three_plays, "started").tolist() == [True] * 3


@pytest.mark.parametrize(
    ("length", "expected"), [(3, [False, True, True]), (4, [False, False, True])]
)
def test_second_half_predicts_what_is_behind_the_middle(three_plays, length, expected):
    three_plays["session_length"] = length
    assert predicted(three_plays, "second_half").tolist() == expected


def test_a_session_longer_than_any_in_the_data(plays):
    long = pd.concat([plays.head(10)] * 30, ignore_index=True)
    long["session_id"], long["session_position"] = "s", np.arange(1, 301)
    table = build_features(long, "started")
    assert np.isfinite(table["skip_rate"]).all()
    assert table["position"].tolist() == list(range(1, 301))


@pytest.mark.parametrize("positions", [[2, 1, 3], [1, 1, 2], [1, 3, 4]])
def test_refuses_plays_out_of_order_twice_or_missing(three_plays, positions):
    with pytest.raises(SkipcastError, match="session_position must count"):
        build_features(three_plays.assign(session_position=positions), "started")


def test_importing_features_imports_no_store_or_tracker():
    program = "import sys, skipcast.features.build; print(sorted(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    for heavy in ("psycopg2", "mlflow", "optuna", "dvc", "sklearn", "lightgbm"):
        assert f"'{heavy}'" not in run.stdout
