"""Numbers and figures of a promotion, of a judgement written by hand."""

import json

import pandas as pd
import pytest
from judgements import RESULT, SCORE, WHO, WITHOUT_LISTENERS, judgement
from matplotlib import pyplot

from skipcast.artifacts import Candidate, Champion
from skipcast.evaluation.baselines import BASELINES
from skipcast.promotion import reports
from skipcast.promotion.ledger import Entry

ENTRY = Entry("promoted", 4, None, "better")
NOBODY = Champion(family=None, version=None)


def metrics(champion=None):
    return reports.metrics(judgement(champion), RESULT)


def test_a_promotion_names_candidate_decision_and_champion():
    made = reports.promotion(judgement(), ENTRY, NOBODY)
    assert made.candidate == Candidate(family="lightgbm", version=4)
    assert (made.decision, made.champion) == ("promoted", NOBODY)


@pytest.mark.parametrize("skip", ["brief", "any"])
def test_promotion_and_evaluation_name_what_counts_as_a_skip(skip):
    judged = judgement(skip=skip)
    assert reports.promotion(judged, ENTRY, NOBODY).skip == skip
    assert reports.evaluation(judged)["skip"] == skip


def test_metrics_hold_the_search_on_validation_and_the_rest_on_test():
    made = metrics()
    assert made.validation["lightgbm"].accuracy == RESULT.candidate.accuracy
    assert set(made.test) == {"candidate", "lightgbm", *WITHOUT_LISTENERS}
    assert made.test["candidate"]["auc"] == made.test["lightgbm"]["auc"] == SCORE.value


def test_metrics_hold_the_ends_of_the_candidates_intervals():
    made = metrics()
    assert made.test_low["candidate"]["auc"] == SCORE.low
    assert made.test_high["candidate"]["auc"] == SCORE.high


@pytest.mark.parametrize(
    ("champion", "roles"), [(None, ["candidate"]), (3, ["candidate", "champion"])]
)
def test_metrics_have_the_champion_before_where_it_was_scored(champion, roles):
    made = metrics(champion)
    assert [name for name in made.test if name in ("candidate", "champion")] == roles
    assert list(made.test_low) == list(made.test_high) == roles


def test_metrics_have_the_baselines_that_the_data_have():
    made = reports.metrics(judgement(listeners=True), RESULT)
    assert set(made.test) == {"candidate", "lightgbm", *BASELINES}


def test_a_baseline_without_probabilities_has_its_accuracy_alone():
    assert list(metrics().test["repeat_last"]) == ["accuracy"]


def test_curves_start_and_end_at_the_corners():
    roc = reports.curves(judgement())["roc"]
    assert roc.iloc[-1].tolist() == [1, 1]
    assert len(roc) == reports.ROC_POINTS
    assert roc["false_positive_rate"].is_monotonic_increasing


def test_the_evaluation_counts_plays_and_sessions_and_knows_no_champion():
    evaluation = reports.evaluation(judgement())
    assert (evaluation["plays"], evaluation["sessions"]) == (4, 2)
    assert evaluation["difference"] is None


def test_the_evaluation_has_the_scores_of_each_listener():
    (scores,) = reports.evaluation(judgement(listeners=True))["listeners"].values()
    assert (scores["plays"], scores["sessions"], scores["best_rule"]) == (4, 2, "track_last")
    assert scores["skip_rate"] == {"value": 0.5, "low": 0.4, "high": 0.6}
    assert reports.evaluation(judgement())["listeners"] == {}


def test_the_listeners_are_a_table(tmp_path):
    reports.write(tmp_path, {}, judgement(listeners=True), card="# card\n")
    (row,) = pd.read_csv(tmp_path / "curves/listeners.csv").to_dict("records")
    assert (row["listener"], row["plays"], row["best_rule"]) == (WHO, 4, "track_last")
    assert (row["accuracy"], row["accuracy_low"], row["rule_accuracy_high"]) == (0.75, 0.7, 0.8)


def test_writes_card_numbers_curves_and_figures(tmp_path):
    figure = pyplot.figure()
    reports.write(tmp_path, {"roc.png": figure}, judgement(), card="# card\n")
    files = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert files == {
        "curves/accuracy_by_position.csv", "curves/reliability.csv", "curves/roc.csv",
        "evaluation.json", "figures/roc.png", "model_card.md",
    }  # fmt: skip
    assert json.loads((tmp_path / "evaluation.json").read_text())["plays"] == 4
    assert pd.read_csv(tmp_path / "curves/reliability.csv")["plays"].sum() == 4
