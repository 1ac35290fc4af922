import mlflow
import pytest
from conftest import fit
from mlflow import MlflowClient

from skipcast.errors import SkipcastError
from skipcast.features import ALL, build_features
from skipcast.metrics import evaluate
from skipcast.models import FAMILIES
from skipcast.params import Features
from skipcast.promote import promote, score
from skipcast.schema import TARGET
from skipcast.serving import log_model

NAME = "skipcast-test"
FEATURES = Features(horizon="started", groups=ALL)


@pytest.fixture(scope="module")
def features(plays):
    return build_features(plays, "started").to_numpy()


def candidate(features, skipped, tracks, family="lightgbm"):
    few = {} if family == "logistic" else {"num_leaves": 4, "min_child_samples": 400}
    model = fit(family, features, skipped, **few)
    with mlflow.start_run() as run:
        info = log_model(model, tracks, family=family, features=FEATURES)
    return model, info.model_uri, run.info.run_id


@pytest.fixture(scope="module")
def good(features, plays, plays_and_tracks, tracking):
    return candidate(features, plays[TARGET].to_numpy(), plays_and_tracks[1])


@pytest.fixture(scope="module")
def bad(features, plays, plays_and_tracks, tracking):
    """A model that learned the opposite."""
    return candidate(features, ~plays[TARGET].to_numpy(), plays_and_tracks[1], "logistic")


@pytest.fixture
def champion():
    client = MlflowClient()
    return lambda: int(client.get_model_version_by_alias(NAME, "champion").version)


def test_first_better_worse_and_again(good, bad, plays, champion):
    """One registry, four promotions: who is champion after each, and with which scores."""

    def run(model, family):
        return promote(model[1], model[2], family=family, name=NAME, plays=plays)

    first = run(bad, "logistic")
    assert (first.version, first.family, first.reason) == (1, "logistic", "the first")
    assert champion() == 1

    better = run(good, "lightgbm")
    assert (better.version, better.family) == (2, "lightgbm")
    assert better.scores["accuracy"] > first.scores["accuracy"]
    assert champion() == 2

    worse = run(bad, "logistic")
    assert (worse.version, worse.family) == (2, "lightgbm")
    assert worse.scores == better.scores
    assert "version 1 is not more accurate" in worse.reason
    assert champion() == 2

    again = run(good, "lightgbm")
    assert (again.version, again.reason) == (2, "it is the champion already")
    versions = MlflowClient().search_model_versions(f"name = '{NAME}'")
    assert sorted(int(version.version) for version in versions) == [1, 2]


def test_score_is_that_of_the_models_own_probabilities(good, features, plays):
    probability = FAMILIES["lightgbm"].predict(good[0], features)
    assert score(good[1], plays) == evaluate(plays[TARGET].to_numpy(), probability)


def test_a_model_is_judged_by_the_code_that_it_brings(good, features, plays, tmp_path):
    """Change a copy's features: its answers change although this process's package stays."""
    folder = mlflow.artifacts.download_artifacts(good[1], dst_path=str(tmp_path / "model"))
    code = next((tmp_path / "model").rglob("code/skipcast/features.py"))
    changed = code.read_text().replace(" = feature.compute", " = -feature.compute")
    assert changed != code.read_text()
    code.write_text(changed)
    assert score(folder, plays)["accuracy"] < score(good[1], plays)["accuracy"] - 0.05


def test_a_model_that_is_not_there_is_told(tracking, plays):
    with pytest.raises(SkipcastError, match="models:/nobody/1 must score the test sessions"):
        score("models:/nobody/1", plays)
