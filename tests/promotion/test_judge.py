"""Promotions on a real MLflow store, with models that are scored in processes of their own."""

from contextlib import contextmanager
from pathlib import Path

import mlflow
import numpy as np
import pytest
from conftest import fit
from mlflow import MlflowClient

from skipcast.artifacts import METRICS
from skipcast.errors import SkipcastError
from skipcast.evaluation.scores import HeldOut, scores
from skipcast.evaluation.split import split_sessions
from skipcast.features.build import ALL, KEY_COLUMNS, build_features
from skipcast.files import read_json
from skipcast.models.families import FAMILIES
from skipcast.params import read_params
from skipcast.promotion.answers import score
from skipcast.promotion.judge import judge
from skipcast.promotion.publish import conclude
from skipcast.promotion.registry import Registry
from skipcast.schema import TARGET
from skipcast.serving.packaging import log_model

DEFAULTS = Path(__file__).parents[2] / "params.yaml"
FEATURES = {"horizon": "started", "groups": ALL}
RECEIPT = {
    "synthetic": True,
    "tables": {name: {"rows": 1, "hash": "77"} for name in ("training_set", "track_features")},
}


@pytest.fixture(scope="module")
def params():
    """Few sessions need wide limits."""
    defaults = read_params(DEFAULTS)
    wide = {"model": "promoted", "max_ece": 0.5, "slice_plays": 10_000, "samples": 200}
    return defaults.model_copy(update={"promote": defaults.promote.model_copy(update=wide)})


@pytest.fixture(scope="module")
def features(plays):
    table = plays[list(KEY_COLUMNS)].assign(skipped=plays[TARGET])
    return table.join(build_features(plays, "started"))


@pytest.fixture(scope="module")
def candidates(features, plays, plays_and_tracks, tracking):
    """What a search finds: a good LightGBM, and a logistic model that learned the opposite."""
    matrix, skipped = features.iloc[:, 3:].to_numpy(), plays[TARGET].to_numpy()
    models = {
        "lightgbm": fit("lightgbm", matrix, skipped, num_leaves=4, min_child_samples=400),
        "logistic": fit("logistic", matrix, ~skipped),
    }
    found = {}
    for family, model in models.items():
        with mlflow.start_run() as run:
            info = log_model(model, plays_and_tracks[1], family=family, **FEATURES)
        found[family] = {
            "run_id": run.info.run_id,
            "model_uri": info.model_uri,
            "accuracy": 0.7,
            "log_loss": 0.5,
        }
    return models, found


@pytest.fixture(scope="module")
def promotion(candidates, features, plays, plays_and_tracks, params):
    """Return a function that promotes a family."""

    def run(family, params=params):
        registry = Registry(params.promote.model)
        found = {"run_id": "parent", "best": family, "families": candidates[1]}
        judgement = judge(plays, features, found, params, registry)
        entry = conclude(
            judgement, registry, params, plays_and_tracks[1], found=found, receipt=RECEIPT
        )
        return judgement, entry

    return run


def answer(model_uri, plays):
    model = mlflow.pyfunc.load_model(model_uri)
    return model.predict(plays, params={"score_history": True})["skip_probability"]


def test_first_better_worse_back_and_unfit(promotion, candidates, plays, params):
    """One registry's life: who is champion after each step, with what the ledger says."""
    registry = Registry(params.promote.model)
    judgement, first = promotion("logistic")
    assert (first.decision, first.version, first.champion) == ("promoted", 1, None)
    assert "no champion" in first.reason
    assert registry.champion() == 1
    check_judgement(judgement, candidates[0]["logistic"], plays, params)
    check_reports(judgement, registry, candidates[1]["logistic"])

    _, better = promotion("lightgbm")
    assert (better.decision, better.version, better.champion) == ("promoted", 2, 1)
    assert "accuracy is higher by" in better.reason
    assert better.champion_scores["accuracy"][0] == first.scores["accuracy"][0]
    assert registry.champion() == 2

    _, worse = promotion("logistic")
    assert (worse.decision, worse.version, worse.champion) == ("refused", 1, 2)
    assert "neither is better" in worse.reason
    assert registry.champion() == 2
    assert read_json(METRICS, made_by="promote")["champion"] == {
        "family": "lightgbm",
        "version": 2,
    }

    assert len(registry.client.search_model_versions(f"name = '{registry.name}'")) == 2

    one = plays[plays["session_id"] == plays["session_id"].iloc[0]].astype({TARGET: object})
    served = f"models:/{registry.name}@champion"
    before = answer(served, one)
    assert registry.roll_back().version == 1
    after = answer(served, one)
    assert np.abs(before - after).max() > 0.1

    with without(folder_of(candidates[1]["logistic"]) / "MLmodel"):
        judgement, unfit = promotion("lightgbm")
    assert (unfit.decision, unfit.version, unfit.champion) == ("promoted", 2, 1)
    assert "version 1, champion until now, could not be scored" in unfit.reason
    assert judgement.comparison is None
    assert registry.champion() == 2
    assert registry.client.get_model_version(registry.name, "1").status == "READY"

    assert [entry.decision for entry in registry.history()] == [
        "promoted",
        "rolled back",
        "refused",
        "promoted",
        "promoted",
    ]
    assert registry.history()[0] == unfit


def folder_of(found):
    """Where MLflow has put a model."""
    model = MlflowClient().get_logged_model(found["model_uri"].removeprefix("models:/"))
    return Path(model.artifact_location.removeprefix("file://"))


@contextmanager
def without(path):
    """Take a file away for a while."""
    hidden = path.with_name("hidden")
    path.rename(hidden)
    try:
        yield
    finally:
        hidden.rename(path)


def check_judgement(judgement, model, plays, params):
    """The candidate's scores are those of its own probabilities, of the test sessions alone."""
    test = plays[split_sessions(plays["session_id"], params.split) == "test"]
    matrix = build_features(plays, "started").loc[test.index].to_numpy()
    expected = FAMILIES["logistic"].predict(model, matrix)
    np.testing.assert_allclose(judgement.answers.candidate, expected, atol=1e-6)
    held_out = HeldOut.of(test, "started", seed=0, samples=200)
    assert judgement.scores["candidate"] == scores(held_out, judgement.answers.candidate)
    assert set(judgement.scores) == {
        "majority", "repeat_last", "last_outcome", "recipe", "logistic", "lightgbm", "candidate"
    }  # fmt: skip
    assert set(judgement.answers.explained) == {"logistic", "lightgbm"}


def check_reports(judgement, registry, found):
    """The card, the figures and the curves are here, in the ledger, and beside the model."""
    metrics = read_json(METRICS, made_by="promote")
    assert (
        metrics["test"]["candidate"]["accuracy"] == judgement.scores["candidate"]["accuracy"].value
    )
    card = Path("reports/model_card.md").read_text()
    for text in ("version 1", "synthetic", "`77`", "`started_by`", "position | 11-20", "Licences"):
        assert text in card
    assert not [i for i in judgement.answers.plays["session_id"].unique() if i in card]
    figures = {path.name for path in Path("reports/figures").glob("*.png")}
    assert len(figures) == 9
    run = registry.client.get_model_version(registry.name, "1").tags["decision_run"]
    logged = {Path(f.path).name for f in registry.client.list_artifacts(run, "figures")}
    assert logged == figures
    assert (folder_of(found) / "model_card.md").read_text() == card


def test_too_good_is_refused_and_changes_nothing_but_the_ledger(promotion, params):
    strict = params.promote.model_copy(update={"model": "strict", "too_good": 0.6})
    _, entry = promotion("lightgbm", params.model_copy(update={"promote": strict}))
    assert entry.decision == "refused"
    assert "probably a feature knows how the play ended" in entry.reason
    assert "started_by" in entry.reason
    assert Registry("strict").champion() is None
    assert read_json(METRICS, made_by="promote")["champion"] == {"family": None, "version": None}


def test_bad_input_is_told_before_anything_is_scored(plays, features, candidates, params):
    found = {"run_id": "parent", "best": "lightgbm", "families": candidates[1]}
    registry = Registry("nobody")
    few = plays["session_id"].isin(plays["session_id"].unique()[:60])
    with pytest.raises(SkipcastError, match=r"test sessions must be 30 or more.* fetch.rows"):
        judge(plays[few], features[few], found, params, registry)
    skipped = plays.assign(**{TARGET: True})
    with pytest.raises(SkipcastError, match="must have skipped ones and others"):
        judge(skipped, features, found, params, registry)
    with pytest.raises(SkipcastError, match=r"features.parquet must hold the plays"):
        judge(plays[few], features, found, params, registry)
    assert registry.champion() is None


def test_a_model_is_judged_by_the_code_that_it_brings(candidates, plays, tmp_path):
    """Change all features in a copy: its answers change although this package stays."""
    uri = candidates[1]["lightgbm"]["model_uri"]
    folder = mlflow.artifacts.download_artifacts(uri, dst_path=str(tmp_path / "model"))
    code = next((tmp_path / "model").rglob("code/skipcast/features/build.py"))
    changed = code.read_text().replace(" = feature.compute", " = -feature.compute")
    assert changed != code.read_text()
    code.write_text(changed)
    matrix = build_features(plays, "started").to_numpy()
    own = FAMILIES["lightgbm"].predict(candidates[0]["lightgbm"], matrix)
    assert np.abs(score(folder, plays) - own).max() > 0.1
