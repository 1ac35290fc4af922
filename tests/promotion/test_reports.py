"""Numbers and figures of a promotion, of a judgement written by hand."""

import json

import pandas as pd
import pytest
from judgements import RESULT, SCORE, judgement
from matplotlib import pyplot

from skipcast.artifacts import Candidate, Champion, Ends
from skipcast.promotion import reports
from skipcast.promotion.ledger import Entry

ENTRY = Entry("promoted", 4, None, "better")
NOBODY = Champion(family=None, version=None)


def metrics(champion=None):
    return reports.metrics(judgement(champion), ENTRY, NOBODY, RESULT)


def test_metrics_name_candidate_decision_and_champion():
    made = metrics()
    assert made.candidate == Candidate(family="lightgbm", version=4)
    assert (made.decision, made.champion) == ("promoted", NOBODY)


def test_metrics_hold_the_search_on_validation_and_the_rest_on_test():
    made = metrics()
    assert made.families["lightgbm"].accuracy == RESULT.candidate.accuracy
    assert made.test["candidate"]["auc"] == SCORE.value
    assert made.interval["candidate"]["auc"] == Ends(low=SCORE.low, high=SCORE.high)
    assert made.best_of_family["lightgbm"]["auc"] == SCORE.value


@pytest.mark.parametrize(
    ("champion", "roles"), [(None, ["candidate"]), (3, ["candidate", "champion"])]
)
def test_metrics_have_the_champion_before_where_it_was_scored(champion, roles):
    assert list(metrics(champion).test) == list(metrics(champion).interval) == roles


def test_a_baseline_without_probabilities_has_its_accuracy_alone():
    assert list(metrics().baselines["repeat_last"]) == ["accuracy"]


def test_curves_start_and_end_at_the_corners():
    roc = reports.curves(judgement())["roc"]
    assert roc.iloc[-1].tolist() == [1, 1]
    assert len(roc) == reports.ROC_POINTS
    assert roc["false_positive_rate"].is_monotonic_increasing


def test_the_evaluation_counts_plays_and_sessions_and_knows_no_champion():
    evaluation = reports.evaluation(judgement())
    assert (evaluation["plays"], evaluation["sessions"]) == (4, 2)
    assert evaluation["difference"] is None


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
