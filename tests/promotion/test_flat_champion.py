"""A registry whose champion was logged by the flat package: judged against, and rolled back to."""

from pathlib import Path

import flat
import numpy as np
import pytest
from harness.sources import make_sources

from skipcast.artifacts import BestOfFamily, SearchResult
from skipcast.errors import SkipcastError
from skipcast.features.table import feature_table
from skipcast.params import read_params
from skipcast.promotion.answers import score
from skipcast.promotion.contents import label_of
from skipcast.promotion.judge import judge
from skipcast.promotion.ledger import Entry
from skipcast.promotion.registry import Registry
from skipcast.schema import LISTENER_COUNTS, OUTCOMES, names
from skipcast.split import split_sessions

PARAMS = read_params(Path(__file__).parents[2] / "params.yaml")
PLAYS, PROBABILITIES = flat.plays_and_probabilities()
pytestmark = pytest.mark.system  # it starts processes that serve a model


@pytest.fixture(scope="module")
def registry(tracking, tmp_path_factory):
    """Return a registry whose only version, the champion, is of the flat package."""
    folder = flat.unpack(tmp_path_factory.mktemp("flat"))
    registry = Registry("flat")
    registry.client.create_registered_model(registry.name)
    registry.client.create_model_version(registry.name, str(folder), tags={"family": "lightgbm"})
    registry.carry_out(Entry("promoted", 1, None, "the first", "7"))
    return registry


def test_its_probabilities_are_those_of_its_own_code(registry):
    np.testing.assert_array_equal(score(f"models:/{registry.name}/1", PLAYS), PROBABILITIES)


def test_it_is_sent_no_column_that_it_does_not_know(registry):
    columns = dict.fromkeys(names(LISTENER_COUNTS), 0.0)
    newer = PLAYS.assign(listener_id="me", artist_id="a", started_at=1_700_000_000, **columns)
    np.testing.assert_array_equal(score(f"models:/{registry.name}/1", newer), PROBABILITIES)


def test_it_predicts_the_skips_that_there_were_then(registry):
    assert label_of(f"models:/{registry.name}/1") == "brief"


def test_of_a_play_that_the_app_cut_it_says_why_it_does_not_answer(registry):
    cut = PLAYS.astype(dict.fromkeys(OUTCOMES, object))
    cut.loc[0, list(OUTCOMES)] = None
    with pytest.raises(SkipcastError, match="for each play that has ended but got null"):
        score(f"models:/{registry.name}/1", cut)


@pytest.fixture(scope="module")
def judgement(registry, plays, raw_plays, plays_and_tracks, logged_model, tmp_path_factory):
    """Judge a candidate of today against the champion of the flat package."""
    info = logged_model().info
    best = BestOfFamily(run_id=info.run_id, model_uri=info.model_uri, accuracy=1.0, log_loss=0.0)
    result = SearchResult(run_id="search", families={"lightgbm": best}, best="lightgbm")
    features = feature_table(plays, "started", parts=split_sessions(plays, PARAMS.split))
    folder, tracks = tmp_path_factory.mktemp("sources"), plays_and_tracks[1]
    sources = make_sources(folder, raw_plays, features, tracks, PARAMS, parts=2)
    return judge(sources, result, PARAMS, registry)


def test_it_can_be_asked(judgement):
    assert (judgement.champion, judgement.answers.unfit) == (1, None)


def test_a_candidate_is_compared_with_it(judgement):
    assert judgement.comparison is not None


def test_it_is_rolled_back_to(registry, tmp_path):
    (tmp_path / "MLmodel").write_text("flavors: {python_function: {}}")
    registry.client.create_model_version(registry.name, str(tmp_path))
    registry.carry_out(Entry("promoted", 2, 1, "better", "7"))
    assert registry.roll_back().version == 1
    np.testing.assert_array_equal(score(f"models:/{registry.name}@champion", PLAYS), PROBABILITIES)
