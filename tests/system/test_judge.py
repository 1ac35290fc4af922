"""Promotions on a real MLflow store, with models that are scored in processes of their own."""

import json
import re
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from harness.models import fit, log
from harness.searches import DEFAULTS
from harness.sources import make_sources
from mlflow import MlflowClient

from skipcast.artifacts import (
    REPORTS,
    BestOfFamily,
    Champion,
    LoadReceipt,
    Metrics,
    Promotion,
    SearchResult,
    TableFingerprint,
)
from skipcast.errors import SkipcastError
from skipcast.evaluation.baselines import BASELINES
from skipcast.evaluation.held_out import JudgedPlays, tally
from skipcast.evaluation.scores import scores
from skipcast.features.build import build_features
from skipcast.features.table import feature_columns, feature_table, with_label
from skipcast.mlflow_store.trust import TAG
from skipcast.models.families import FAMILIES
from skipcast.params import read_params
from skipcast.processes import ProcessKilledError
from skipcast.promotion.answers import score
from skipcast.promotion.contents import label_of
from skipcast.promotion.judge import Judgement, judge
from skipcast.promotion.ledger import Entry
from skipcast.promotion.publish import conclude
from skipcast.promotion.registry import Registry
from skipcast.schema import TARGET
from skipcast.split import split_sessions

RECEIPT = LoadReceipt(
    into="postgres",
    database="embedded",
    schema="skipcast",
    synthetic=True,
    listeners=False,
    tables={n: TableFingerprint(rows=1, hash="77") for n in ("training_set", "track_features")},
)


@pytest.fixture(scope="module")
def params():
    """Few sessions need wide limits."""
    defaults = read_params(DEFAULTS)
    wide = {"model": "promoted", "max_ece": 0.5, "slice_plays": 10_000, "samples": 200}
    return defaults.model_copy(update={"promote": defaults.promote.model_copy(update=wide)})


@pytest.fixture(scope="module")
def registry(params):
    return Registry(params.promote.model)


@pytest.fixture(scope="module")
def features(feature_files):
    return pd.read_parquet(feature_files[0])


@pytest.fixture(scope="module")
def models(plays):
    """A good LightGBM, and a logistic model that learned the opposite."""
    matrix, skipped = build_features(plays, "started").to_numpy(), plays[TARGET].to_numpy()
    return {
        "lightgbm": fit("lightgbm", matrix, skipped, num_leaves=4, min_child_samples=400),
        "logistic": fit("logistic", matrix, ~skipped),
    }


@pytest.fixture(scope="module")
def families(models, track_table, tracking):
    """The best of each family, as a search has logged them."""
    assert tracking
    infos = {f: log(model, track_table, family=f) for f, model in models.items()}
    return {
        family: BestOfFamily(
            run_id=info.run_id, accuracy=0.7, log_loss=0.5, model_uri=info.model_uri
        )
        for family, info in infos.items()
    }


@dataclass(frozen=True)
class Step:
    """A promotion, and what there was right after it."""

    judgement: Judgement
    entry: Entry
    champion: int | None
    metrics: Metrics
    promotion: Promotion
    card: str
    figures: set[str]


@pytest.fixture(scope="module")
def sources_of(plays_and_tracks, params, tmp_path_factory):
    """Return a function that writes plays and features as a promotion reads them."""

    def write(plays, features, **more):
        folder, tracks = tmp_path_factory.mktemp("sources"), plays_and_tracks[1]
        return make_sources(folder, plays, features, tracks, params, **more)

    return write


@pytest.fixture(scope="module")
def promote(families, features, raw_plays, plays_and_tracks, params, sources_of):
    """Return a function that promotes a family's model."""
    sources = sources_of(raw_plays, features)

    def run(family, params=params):
        registry = Registry(params.promote.model)
        result = SearchResult(run_id="parent", families=families, best=family)
        judgement = judge(sources, result, params, registry)
        tracks = plays_and_tracks[1]
        entry = conclude(judgement, registry, params, tracks, result=result, receipt=RECEIPT)
        return Step(
            judgement,
            entry,
            registry.champion(),
            Metrics.read(),
            Promotion.read(),
            (REPORTS / "model_card.md").read_text(),
            {path.name for path in (REPORTS / "figures").glob("*.png")},
        )

    return run


# One registry's life, in this order: each step begins where the one before has ended.


@pytest.fixture(scope="module")
def first(promote):
    """The opposite model is the first candidate."""
    return promote("logistic")


@pytest.fixture(scope="module")
def better(promote, first):
    """The good model follows."""
    assert first.champion == 1
    return promote("lightgbm")


@pytest.fixture(scope="module")
def worse(promote, better):
    """The opposite model comes again."""
    assert better.champion == 2
    return promote("logistic")


@pytest.fixture(scope="module")
def rolled_back(worse, registry, raw_plays):
    """Version 1 is champion again; what the champion answered before and answers after."""
    assert worse.champion == 2
    first = raw_plays["session_id"] == raw_plays["session_id"].iloc[0]
    one = raw_plays[first].astype({TARGET: object})
    before = champion_answer(registry, one)
    entry = registry.roll_back()
    return entry, before, champion_answer(registry, one)


@pytest.fixture(scope="module")
def unfit(promote, rolled_back, families, registry):
    """The good model comes when a file of the champion's model is damaged."""
    assert rolled_back[0].version == 1
    file = folder_of(families["logistic"]) / "artifacts/model.json"
    with unrecorded(registry, 1), without(file):
        file.write_text("damaged")
        return promote("lightgbm")


@contextmanager
def unrecorded(registry, version):
    """Let the ledger not hold what the files of a version are, as of old."""
    run_id = registry.client.get_model_version(registry.name, str(version)).tags[TAG]
    registry.client.delete_model_version_tag(registry.name, str(version), TAG)
    try:
        yield
    finally:
        registry.client.set_model_version_tag(registry.name, str(version), TAG, run_id)


@contextmanager
def telling(best, **changes):
    """Let a model tell other things of itself; None: nothing, as models did once."""
    file = folder_of(best) / "artifacts/model.json"
    about = json.loads(file.read_text()) | changes
    with without(file):
        file.write_text(json.dumps({name: v for name, v in about.items() if v is not None}))
        yield


@contextmanager
def deadly(path):
    """Let a model's code kill its process for a while, as a system does that runs out of memory."""
    code = path.read_text()
    path.write_text("import os\nos.kill(os.getpid(), 9)\n" + code)
    try:
        yield
    finally:
        path.write_text(code)


def champion_answer(registry, plays):
    model = mlflow.pyfunc.load_model(f"models:/{registry.name}@champion")
    return model.predict(plays, params={"score_history": True})["skip_probability"]


def folder_of(best):
    """Where MLflow has put a model."""
    model = MlflowClient().get_logged_model(best.model_uri.removeprefix("models:/"))
    return Path(model.artifact_location.removeprefix("file://"))


@contextmanager
def without(path):
    """Take a file away for a while."""
    with tempfile.TemporaryDirectory(dir=".") as folder:
        hidden = path.rename(Path(folder, "hidden"))
        try:
            yield
        finally:
            hidden.replace(path)


def test_the_first_candidate_is_promoted_as_there_is_no_champion(first):
    entry = first.entry
    assert (entry.decision, entry.version, entry.champion) == ("promoted", 1, None)
    assert "no champion" in entry.reason
    assert first.champion == 1


@pytest.fixture(scope="module")
def expected_scores(models, plays, params):
    """The scores of the opposite model's own probabilities of the test sessions."""
    test = plays[split_sessions(plays, params.split) == "test"]
    matrix = build_features(plays, "started").loc[test.index].to_numpy()
    probability = FAMILIES["logistic"].predict(models["logistic"], matrix)
    judged = JudgedPlays.of(test, "started", seed=params.promote.seed)
    return scores(tally(judged, {"it": probability}, samples=200), "it")


def close(one, other, digits=1e-6):
    """Whether two models' scores and their intervals are the same up to rounding."""
    ends = [[(i.value, i.low, i.high) for i in of.values()] for of in (one, other)]
    return list(one) == list(other) and np.allclose(*ends, atol=digits)


def test_the_candidates_scores_are_those_of_its_models_probabilities(first, expected_scores):
    assert close(first.judgement.scores["candidate"], expected_scores)


@pytest.fixture(scope="module")
def judge_parts(better, families, params, sources_of, raw_plays, features):
    """Return a function that judges the worse model on plays in so many parts."""

    def run(parts):
        sources = sources_of(raw_plays, features, parts=parts)
        assert len(sources) == parts
        result = SearchResult(run_id="parent", families=families, best="logistic")
        judgement = judge(sources, result, params, Registry(params.promote.model))
        assert judgement.champion == better.champion
        return judgement

    return run


@pytest.fixture(scope="module")
def at_once(judge_parts):
    return judge_parts(1)


@pytest.mark.parametrize("parts", [3, 12])
def test_in_parts_a_judgement_is_the_same(judge_parts, at_once, parts):
    """The candidate, the champion, families, baselines, the sample that is explained: all of it."""
    one, other = judge_parts(parts), at_once
    assert list(one.scores) == list(other.scores)
    assert all(close(one.scores[name], other.scores[name], 1e-12) for name in one.scores)
    assert close({"it": one.comparison.accuracy}, {"it": other.comparison.accuracy}, 1e-12)
    assert one.plays_in == other.plays_in
    one_session, other_session = (j.answers.session["session_id"].unique() for j in (one, other))
    assert one_session == other_session
    for family, explained in one.answers.explained.items():
        np.testing.assert_array_equal(explained.values, other.answers.explained[family].values)
    assert one.verdict.passed == other.verdict.passed


def test_baselines_and_families_are_scored_beside_the_candidate(first):
    assert set(first.judgement.scores) == {
        "majority", "repeat_last", "last_outcome", "start_rate", "recipe",
        "logistic", "lightgbm", "candidate",
    }  # fmt: skip


def test_the_candidate_and_the_best_booster_are_explained(first):
    assert set(first.judgement.answers.explained) == {"logistic", "lightgbm"}


def test_the_metrics_are_the_judgements(first):
    accuracy = first.judgement.scores["candidate"]["accuracy"].value
    assert first.metrics.test["candidate"]["accuracy"] == accuracy


@pytest.mark.parametrize(
    "text", ["version 1", "synthetic", "`77`", "`started_by`", "position | 11-20", "Licences"]
)
def test_the_card_tells_version_data_features_slices_and_licences(first, text):
    assert text in first.card


def test_the_card_names_no_session(first, raw_plays):
    sessions = raw_plays["session_id"].unique()
    assert not [session for session in sessions if session in first.card]


def test_the_figures_are_in_the_ledger_too(first, registry):
    run = registry.client.get_model_version(registry.name, "1").tags["decision_run"]
    logged = {Path(f.path).name for f in registry.client.list_artifacts(run, "figures")}
    assert len(first.figures) == 9
    assert logged == first.figures


def test_the_card_is_beside_the_model(first, families):
    assert (folder_of(families["logistic"]) / "model_card.md").read_text() == first.card


def test_a_better_candidate_is_promoted(better):
    entry = better.entry
    assert (entry.decision, entry.version, entry.champion) == ("promoted", 2, 1)
    assert "accuracy is higher by" in entry.reason
    assert better.champion == 2


def test_a_promotion_that_is_repeated_compares_with_the_champion_that_was_replaced(
    better, judge_plays, registry
):
    """Else the metrics would differ where a kill at its end has it repeated."""
    again = judge_plays(registry=registry)
    assert (again.kept, again.champion, again.rival) == (True, 2, 1)
    assert again.scores["champion"] == better.judgement.scores["champion"]


def test_the_champion_is_scored_as_it_was_as_a_candidate(better, first):
    scored, before = better.entry.champion_scores, first.entry.scores
    assert scored["accuracy"][0] == before["accuracy"][0]


@pytest.mark.parametrize("family", ["lightgbm", "logistic"])
def test_a_model_has_its_test_scores_beside_the_data_set(better, families, registry, family):
    model = registry.client.get_logged_model(families[family].model_uri.removeprefix("models:/"))
    accuracy = better.judgement.scores[family]["accuracy"].value
    latest = [m for m in model.metrics if m.key == "accuracy"][-1]
    assert (latest.dataset_name, latest.value) == ("test", accuracy)


def test_models_are_found_by_their_test_scores(better, families, registry):
    good = families["lightgbm"].model_uri.removeprefix("models:/")
    experiment = registry.client.get_logged_model(good).experiment_id
    found = registry.client.search_logged_models(
        [experiment], "metrics.accuracy > 0.6", datasets=[{"dataset_name": "test"}]
    )
    ids = {model.model_id for model in found}
    assert good in ids
    assert families["logistic"].model_uri.removeprefix("models:/") not in ids


def test_the_run_of_a_decision_has_the_candidates_scores_and_the_baselines(better, registry):
    run_id = registry.client.get_model_version(registry.name, "2").tags["decision_run"]
    metrics = registry.client.get_run(run_id).data.metrics
    scores = better.judgement.scores
    assert metrics["accuracy"] == scores["candidate"]["accuracy"].value
    assert metrics["repeat_last_accuracy"] == scores["repeat_last"]["accuracy"].value


def test_the_run_of_a_decision_names_the_test_sessions(better, registry):
    run_id = registry.client.get_model_version(registry.name, "2").tags["decision_run"]
    (named,) = registry.client.get_run(run_id).inputs.dataset_inputs
    assert (named.dataset.name, named.tags[0].value) == ("test", "testing")


def test_a_worse_candidate_is_refused(worse):
    entry = worse.entry
    assert (entry.decision, entry.version, entry.champion) == ("refused", 1, 2)
    assert "neither is better" in entry.reason
    assert worse.champion == 2


def test_the_metrics_name_the_champion_that_stays(worse):
    assert worse.promotion.champion == Champion(family="lightgbm", version=2)


@pytest.mark.usefixtures("worse")
def test_a_model_that_comes_again_is_no_new_version(registry):
    assert len(registry.client.search_model_versions(f"name = '{registry.name}'")) == 2


def test_a_rollback_changes_what_is_served(rolled_back):
    entry, before, after = rolled_back
    assert entry.version == 1
    assert np.abs(before - after).max() > 0.1


def test_a_champion_whose_process_is_killed_stays(promote, rolled_back, families, registry):
    """It might have answered: nothing is known of it."""
    code = folder_of(families["logistic"]) / "served_model.py"
    killed = pytest.raises(ProcessKilledError, match="was killed by SIGKILL")
    with unrecorded(registry, 1), deadly(code), killed:
        promote("lightgbm")
    assert registry.champion() == rolled_back[0].version


def test_a_champion_that_cannot_be_scored_gives_way(unfit):
    entry = unfit.entry
    assert (entry.decision, entry.version, entry.champion) == ("promoted", 2, 1)
    assert "version 1, champion until now, could not be scored" in entry.reason
    assert unfit.champion == 2


def test_a_champion_that_cannot_be_scored_is_not_compared_with(unfit):
    assert unfit.judgement.comparison is None


@pytest.mark.usefixtures("unfit")
def test_a_version_that_gave_way_stays_in_the_registry(registry):
    assert registry.client.get_model_version(registry.name, "1").status == "READY"


def test_the_ledger_holds_all_steps_the_last_first(unfit, registry):
    history = registry.history()
    steps = [entry.decision for entry in history]
    assert steps == ["promoted", "rolled back", "refused", "promoted", "promoted"]
    assert history[0] == unfit.entry


@pytest.fixture
def champion_of_another_label(unfit, families, registry):
    """The champion, the good model, predicts other skips."""
    assert unfit.champion == 2
    with unrecorded(registry, 2), telling(families["lightgbm"], skip="any"):
        yield


@pytest.mark.usefixtures("champion_of_another_label")
def test_a_champion_of_another_label_is_not_compared_with(judge_plays, registry):
    judgement = judge_plays(best="logistic", registry=registry)
    assert judgement.comparison is None
    assert judgement.answers.unfit == "it predicts features.skip any, not brief"


@pytest.fixture(params=["queued", "second_half"])
def champion_of_another_horizon(request, unfit, families, registry):
    """The champion, the good model, knows other things of a play."""
    assert unfit.champion == 2
    with unrecorded(registry, 2), telling(families["lightgbm"], horizon=request.param):
        yield request.param


def test_a_champion_of_another_horizon_is_told_before_anything_is_scored(
    judge_plays, registry, champion_of_another_horizon
):
    theirs = f"must be of the candidate's horizon, started, .* is of {champion_of_another_horizon}"
    with pytest.raises(SkipcastError, match=theirs):
        judge_plays(best="logistic", registry=registry)


def test_a_champion_of_another_horizon_gives_way_by_hand(
    judge_plays, registry, champion_of_another_horizon
):
    judgement = judge_plays(best="logistic", registry=registry, with_champion=False)
    assert judgement.comparison is None
    unfit = f"it is of the horizon {champion_of_another_horizon}, not started"
    assert judgement.answers.unfit == unfit


def test_a_champion_that_names_no_label_predicts_brief_skips(unfit, families):
    assert unfit.champion == 2
    with telling(families["lightgbm"], skip=None):
        assert label_of("models:/promoted/2") == "brief"


@pytest.fixture(params=["MLmodel", "artifacts/classifier", "code", "."])
def champion_without_file(request, unfit, families):
    """The champion, the good model, has lost a file, or all."""
    assert unfit.champion == 2
    with without((folder_of(families["lightgbm"]) / request.param).resolve()):
        yield


@pytest.mark.usefixtures("champion_without_file")
def test_a_champion_whose_files_are_gone_is_not_passed_over(judge_plays, registry):
    with pytest.raises(SkipcastError, match=r"champion, .* is gone.*`skipcast promote --without"):
        judge_plays(best="logistic", registry=registry)


@pytest.mark.usefixtures("champion_without_file")
def test_a_champion_whose_files_are_gone_gives_way_by_hand(judge_plays, registry):
    judgement = judge_plays(best="logistic", registry=registry, with_champion=False)
    assert (judgement.champion, judgement.comparison) == (2, None)
    assert judgement.answers.unfit == "its files are gone or were changed"


def test_a_champion_that_was_changed_is_not_compared_with_nor_passed_over(
    judge_plays, registry, unfit, families
):
    code = folder_of(families["lightgbm"]) / "code/skipcast/schema.py"
    with without(code):
        code.write_text("raise SystemExit")
        with pytest.raises(SkipcastError, match=r"schema\.py was changed\. .*promote --without"):
            judge_plays(best="logistic", registry=registry)
        judgement = judge_plays(best="logistic", registry=registry, with_champion=False)
    assert (judgement.champion, judgement.comparison) == (2, None)


def test_a_candidate_that_was_changed_is_not_promoted_again(judge_plays, registry, unfit, families):
    code = folder_of(families["lightgbm"]) / "code/skipcast/schema.py"
    with without(code):
        code.write_text("raise SystemExit")
        with pytest.raises(SkipcastError, match=r"best model of .*schema\.py was changed\. Bring"):
            judge_plays(best="lightgbm", registry=registry)


@pytest.mark.usefixtures("unfit")
def test_a_champion_whose_files_are_there_does_not_give_way_by_hand(judge_plays, registry):
    with pytest.raises(SkipcastError, match=r"version 2 can be compared with\. Leave it"):
        judge_plays(best="logistic", registry=registry, with_champion=False)


def test_a_candidate_that_is_not_in_the_store_is_told(judge_plays, families):
    with (
        without(folder_of(families["logistic"]) / "MLmodel"),
        pytest.raises(SkipcastError, match=r"best logistic model of data/refit\.json must be in"),
    ):
        judge_plays()


LEAK = "context_switch"  # a column of the start, which no rule reads


@pytest.fixture(scope="module")
def leaking(plays, track_table, raw_plays, params, tracking, sources_of):
    """What promotes a model of plays whose start knows their end, in most of them.

    It takes the plays, raw and with counts, whose outcomes may be others, and the name of the
    registered model.
    """
    assert tracking

    def run(outcomes, name):
        rng = np.random.default_rng(0)
        told = np.where(rng.random(len(plays)) < 0.95, outcomes, ~outcomes).astype(np.int64)
        known, raw = (p.assign(**{TARGET: outcomes, LEAK: told}) for p in (plays, raw_plays))
        parts = split_sessions(plays, params.split)
        table = feature_table(known, "started", parts=parts)
        matrix = table[feature_columns(table)].to_numpy()
        model = fit("lightgbm", matrix, outcomes, num_leaves=4)
        info = log(model, track_table, family="lightgbm")
        best = BestOfFamily(
            run_id=info.run_id, accuracy=0.7, log_loss=0.5, model_uri=info.model_uri
        )
        result = SearchResult(run_id="parent", families={"lightgbm": best}, best="lightgbm")
        return judge(sources_of(raw, table), result, params, Registry(name))

    return run


@pytest.fixture(scope="module")
def too_good(leaking, plays):
    """The judgement on a model that has learned from a leak."""
    return leaking(plays[TARGET].to_numpy(), "leak")


def test_a_candidate_with_a_leak_is_refused_with_what_may_leak(too_good):
    verdict = too_good.verdict
    assert not verdict.passed
    assert "probably a feature knows how the play ended" in verdict.reason
    assert f"comes from {LEAK}" in verdict.reason


def test_the_refusal_names_the_best_rule_and_its_accuracy(too_good):
    simple = [n for n in too_good.answers.baselines if BASELINES[n].kind != "model"]
    best = max(simple, key=lambda n: too_good.scores[n]["accuracy"].value)
    accuracy = too_good.scores[best]["accuracy"].value
    assert f"({BASELINES[best].label}, accuracy {accuracy:.4f})" in too_good.verdict.reason


@pytest.fixture(scope="module")
def hardly_skips(plays):
    """Outcomes of which 1 in 12 is a skip."""
    return plays[TARGET].to_numpy() & (np.random.default_rng(1).random(len(plays)) < 1 / 6)


def test_a_leak_is_seen_where_hardly_a_play_is_skipped(leaking, hardly_skips):
    judgement = leaking(hardly_skips, "hardly")
    assert judgement.scores["majority"]["accuracy"].value > 0.88
    assert "probably a feature knows" in judgement.verdict.reason


def test_a_candidate_that_is_too_good_makes_no_champion(promote, params):
    """The limit is so low that any model is above it."""
    strict = params.promote.model_copy(update={"model": "strict", "too_good_share": 1e-9})
    step = promote("lightgbm", params.model_copy(update={"promote": strict}))
    assert step.entry.decision == "refused"
    assert step.champion is None
    assert step.promotion.champion == Champion(family=None, version=None)


@pytest.fixture
def judge_plays(families, features, raw_plays, params, sources_of):
    """Return a function that judges what it gets of plays and features, for a new registry."""

    def run(
        plays=raw_plays, features=features, *, best="lightgbm", registry=None, with_champion=True
    ):
        sources = sources_of(plays, features)
        searched = families if registry is None else {best: families[best]}
        result = SearchResult(run_id="parent", families=searched, best=best)
        registry = registry or Registry("nobody")
        return judge(sources, result, params, registry, with_champion=with_champion)

    return run


@pytest.fixture
def few(raw_plays):
    """The plays of 60 sessions."""
    return raw_plays["session_id"].isin(raw_plays["session_id"].unique()[:60])


def test_few_test_sessions_are_told_before_anything_is_scored(
    judge_plays, raw_plays, features, few
):
    with pytest.raises(SkipcastError, match=r"test sessions must be 30 or more.* fetch.rows"):
        judge_plays(raw_plays[few], features[few.to_numpy()])


def test_as_many_more_plays_as_the_message_tells_are_enough(judge_plays, raw_plays, features, few):
    with pytest.raises(SkipcastError) as told:
        judge_plays(raw_plays[few], features[few.to_numpy()])
    more = int(re.search(r"About ([\d,]+) more plays", str(told.value))[1].replace(",", ""))
    enough = raw_plays["session_id"] <= raw_plays["session_id"].iloc[few.sum() + more]
    assert enough.sum() < len(raw_plays)
    assert judge_plays(raw_plays[enough], features[enough.to_numpy()]).scores


def test_the_larger_share_that_the_message_names_is_enough(
    judge_plays, plays, raw_plays, features, params
):
    some = raw_plays["session_id"].isin(raw_plays["session_id"].unique()[:90])
    with pytest.raises(SkipcastError) as told:
        judge_plays(raw_plays[some], features[some.to_numpy()])
    share = float(re.search(r"split\.test, which is 0\.15, to ([\d.]+)\.", str(told.value))[1])
    split = params.split.model_copy(update={"test": share})
    parts = split_sessions(raw_plays[some], split)
    table = feature_table(plays[some], "started", parts=parts)
    assert judge_plays(raw_plays[some], table).scores


def test_plays_with_one_outcome_are_told_before_anything_is_scored(
    judge_plays, raw_plays, features
):
    with pytest.raises(SkipcastError, match="must have skipped ones and others"):
        judge_plays(raw_plays.assign(**{TARGET: True}), features.assign(skipped=True))


def test_features_of_another_label_are_told_before_anything_is_scored(judge_plays, raw_plays):
    other = with_label(raw_plays, "any")
    with pytest.raises(
        SkipcastError, match=r"features must hold the plays and the skips of \S*/data/plays but"
    ):
        judge_plays(other)


def test_features_of_other_plays_are_told_before_anything_is_scored(judge_plays, raw_plays, few):
    with pytest.raises(
        SkipcastError,
        match=r"data/features must hold the plays and the skips of .* part 0 holds others",
    ):
        judge_plays(raw_plays[few])


def test_a_model_is_judged_by_the_code_that_it_brings(models, families, plays, raw_plays, tmp_path):
    """Change all features in a copy: its answers change although this package stays."""
    uri = families["lightgbm"].model_uri
    folder = mlflow.artifacts.download_artifacts(uri, dst_path=str(tmp_path / "model"))
    code = next((tmp_path / "model").rglob("code/skipcast/features/feature_set.py"))
    changed = code.read_text().replace(" = block.compute", " = -block.compute")
    assert changed != code.read_text()
    code.write_text(changed)
    matrix = build_features(plays, "started").to_numpy()
    own = FAMILIES["lightgbm"].predict(models["lightgbm"], matrix)
    assert np.abs(score(folder, raw_plays) - own).max() > 0.1


@pytest.mark.parametrize("family", ["lightgbm", "logistic"])
@pytest.mark.parametrize("content", [b"", b"damaged"])
def test_a_damaged_model_of_a_family_is_told(judge_plays, families, family, content):
    file = folder_of(families[family]) / "artifacts/classifier"
    other = {"lightgbm": "logistic", "logistic": "lightgbm"}[family]
    with without(file):
        file.write_bytes(content)
        with pytest.raises(SkipcastError, match=f"The best {family} model must be whole but .*Rem"):
            judge_plays(best=other)
