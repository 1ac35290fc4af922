"""Runs the examples of docs/extending.md; they must pass the checks that ours pass."""

import json
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from harness.family_checks import CHECKS as FAMILY_CHECKS
from harness.family_checks import datasets
from harness.feature_checks import CHECKS as FEATURE_CHECKS

from skipcast.errors import SkipcastError
from skipcast.evaluation.bootstrap import number_keys
from skipcast.evaluation.held_out import JudgedPlays, tally
from skipcast.evaluation.metrics import METRICS
from skipcast.evaluation.scores import scores
from skipcast.evaluation.slices import ALL, Coded
from skipcast.features.build import GROUPS, build_features
from skipcast.features.feature_set import FeatureSet
from skipcast.features.table import join_tracks
from skipcast.parts import write_parts
from skipcast.schema import HORIZONS, TRACK_GROUPS

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/extending.md").read_text(encoding="utf-8")


def example(name):
    """Return what the page's example defines."""
    code = re.search(rf"<!-- example: {name} -->\n```python\n(.*?)```", PAGE, re.DOTALL)[1]
    namespace = {"__name__": name}
    exec(compile(code, f"docs/extending.md ({name})", "exec"), namespace)
    return SimpleNamespace(**namespace)


@pytest.mark.parametrize("check", FEATURE_CHECKS)
@pytest.mark.parametrize("horizon", HORIZONS)
def test_the_group_conforms_alone(plays, horizon, check):
    check(FeatureSet(HORIZONS[horizon], (example("group").HEARING,)), plays)


def test_the_group_stands_beside_ours(three_plays):
    groups = (*(GROUPS[group] for group in TRACK_GROUPS), example("group").HEARING)
    table = FeatureSet(HORIZONS["started"], groups).build(three_plays)
    ours = build_features(three_plays, "started")
    assert list(table) == [
        *ours,
        "energy_now",
        "loudness_minus_usual",
        "lowest_energy",
        "highest_energy",
    ]
    pd.testing.assert_frame_equal(table[ours.columns], ours, check_exact=True)


def test_the_group_has_the_values_that_its_meanings_say(three_plays):
    three_plays["energy"] = [0.5, 0.25, 0.75]
    three_plays["loudness"] = [-9.6, -3.6, -10.6]
    table = FeatureSet(HORIZONS["started"], (example("group").HEARING,)).build(three_plays)
    np.testing.assert_allclose(table["loudness_minus_usual"], [0, 6, -1], atol=1e-6)
    np.testing.assert_array_equal(table["lowest_energy"], [np.nan, 0.5, 0.25])
    np.testing.assert_array_equal(table["highest_energy"], [np.nan, 0.5, 0.5])


def test_the_feature_of_two_columns(three_plays):
    three_plays["energy"], three_plays["valence"] = 0.5, [0.0, 0.5, np.nan]
    table = FeatureSet(HORIZONS["queued"], ((example("feature").mood,),)).build(three_plays)
    np.testing.assert_array_equal(table["mood"], [0.25, 0.5, np.nan])


@pytest.fixture(scope="module")
def data(plays):
    return datasets(plays)


@pytest.mark.parametrize("check", FAMILY_CHECKS)
def test_the_family_conforms(data, tmp_path, check):
    check(example("family").NaiveBayes(), data, tmp_path)


def test_the_metric_is_estimated_with_its_interval(monkeypatch):
    """Errors of 0.2 and 0.4 in each of 50 sessions of two plays."""
    monkeypatch.setitem(METRICS, "absolute_error", example("metric").ABSOLUTE_ERROR)
    skipped, probability = np.tile([True, False], 50), np.tile([0.8, 0.4], 50)
    sessions, whole = np.arange(100) // 2, {ALL[0]: Coded(ALL[1:], np.zeros(100, int))}
    plays = JudgedPlays(skipped, sessions, number_keys(50, seed=0), whole, challenge=False)
    interval = scores(tally(plays, {"it": probability}, samples=9), "it")["absolute_error"]
    assert (interval.low, interval.value, interval.high) == pytest.approx((0.3, 0.3, 0.3))


def test_the_stage_reads_a_table_and_writes_a_file(three_plays, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_parts(Path("data/plays"), [three_plays], made_by="fetch")
    example("stage").count()
    counts = json.loads(Path("data/counts.json").read_text())
    assert counts == {"plays": 3, "sessions": 1, "skipped": pytest.approx(2 / 3)}


@pytest.fixture
def tracks(track_table):
    return track_table.head(2)


def test_the_source_gives_plays_from_which_features_are_made(tracks):
    sessions = pd.DataFrame({"session_id": ["a", "b"], "letters": ["SLS", "LL"]})
    plays = join_tracks(*example("source").read_letters(sessions, tracks))
    table = build_features(plays, "started")
    np.testing.assert_array_equal(table["previous_skipped"], [np.nan, 1, 0, np.nan, 0])


def test_the_source_refuses_what_the_checks_refuse(tracks):
    sessions = pd.DataFrame({"session_id": ["a", "a"], "letters": ["SLS", "LL"]})
    with pytest.raises(SkipcastError, match="session_position must count"):
        example("source").read_letters(sessions, tracks)


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`((?:src|tests)/[\w/]+\.py)`", PAGE))))
def test_each_file_that_the_page_names_is_there(path):
    assert "NAME" in path or (ROOT / path).is_file()
