"""A registry whose champion was logged by the flat package: judged against, and rolled back to."""

from pathlib import Path

import flat
import mlflow
import numpy as np
import pytest
from conftest import fit

from skipcast.features.build import ALL, KEY_COLUMNS, build_features
from skipcast.params import read_params
from skipcast.promotion.answers import score
from skipcast.promotion.judge import judge
from skipcast.promotion.registry import Entry, Registry
from skipcast.schema import TARGET
from skipcast.serving.packaging import log_model

PARAMS = read_params(Path(__file__).parents[2] / "params.yaml")
PLAYS, PROBABILITIES = flat.plays_and_probabilities()


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


def test_a_candidate_is_judged_against_it(registry, plays, plays_and_tracks):
    table = plays[list(KEY_COLUMNS)].assign(skipped=plays[TARGET])
    features = table.join(build_features(plays, "started"))
    model = fit("lightgbm", features.iloc[:, 3:].to_numpy(), plays[TARGET].to_numpy())
    with mlflow.start_run() as run:
        info = log_model(
            model, plays_and_tracks[1], family="lightgbm", horizon="started", groups=ALL
        )
    best = {"run_id": run.info.run_id, "model_uri": info.model_uri, "accuracy": 1, "log_loss": 0}
    found = {"run_id": "search", "best": "lightgbm", "families": {"lightgbm": best}}
    judgement = judge(plays, features, found, PARAMS, registry)
    assert judgement.champion == 1
    assert judgement.answers.unfit is None
    assert judgement.comparison is not None


def test_it_is_rolled_back_to(registry, tmp_path):
    registry.client.create_model_version(registry.name, str(tmp_path))
    registry.carry_out(Entry("promoted", 2, 1, "better", "7"))
    assert registry.roll_back().version == 1
    np.testing.assert_array_equal(score(f"models:/{registry.name}@champion", PLAYS), PROBABILITIES)
