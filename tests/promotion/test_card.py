"""The model card, of a judgement written by hand."""

from dataclasses import replace
from pathlib import Path

import pytest
from judgements import RECEIPT, RESULT, WHO, judgement

from skipcast.params import read_params
from skipcast.promotion.card import About, card
from skipcast.schema import TRACK_GROUPS

PARAMS = read_params(Path(__file__).parents[2] / "params.yaml")
ABOUT = About(
    version=4, decision="promoted", receipt=RECEIPT, result=RESULT,
    settings={"num_leaves": "31"}, commit="abc",
)  # fmt: skip


def real(about: About) -> About:
    return replace(about, receipt=RECEIPT.model_copy(update={"synthetic": False}))


@pytest.mark.parametrize(
    "line",
    [
        "# skipcast, version 4",
        "lightgbm; promoted: there is no champion to compare with.",
        "**Trained and tested on synthetic data (the twin).**",
        "| training_set | 4 | `-7` |",
        "| lightgbm | 0.7500 | 0.5000 |",
        "This model: lightgbm, run `run` (num_leaves 31).",
        "| position | 1 | 2 | 0.7500 (0.7000..0.8000) | 0.7500 | 0.7500 |",
        "| `fast` | 0.500 |",
        "mlflow models serve -m models:/skipcast@champion --env-manager local -p 5001",
        "- best that can be seen: accuracy 0.7778, log loss 0.4749",
    ],
)
def test_holds(line):
    assert line in card(judgement(), PARAMS, ABOUT).splitlines()


def test_ends_with_one_newline_and_has_no_empty_lines_in_a_row():
    text = card(judgement(), PARAMS, ABOUT)
    assert text.endswith(".\n")
    assert "\n\n\n" not in text


def test_a_baseline_without_probabilities_has_empty_cells():
    rows = card(judgement(), PARAMS, ABOUT).splitlines()
    (row,) = [row for row in rows if row.startswith("| same as the last play |")]
    assert row.endswith(" |  |  |  |  |")


def test_the_champion_before_has_a_row():
    assert "| champion before, version 3 |" in card(judgement(champion=3), PARAMS, ABOUT)
    assert "champion before" not in card(judgement(), PARAMS, ABOUT)


def test_families_have_the_scores_of_the_challenge_where_these_rank_them():
    best = RESULT.candidate.model_copy(update={"maa": 0.54, "fpa": 0.76})
    result = RESULT.model_copy(update={"families": {"lightgbm": best}, "ranked_by": "maa"})
    lines = card(judgement(), PARAMS, replace(ABOUT, result=result)).splitlines()
    assert "| family | accuracy | log loss | MAA | FPA |" in lines
    assert "| lightgbm | 0.7500 | 0.5000 | 0.5400 | 0.7600 |" in lines
    assert "| family | accuracy | log loss |" in card(judgement(), PARAMS, ABOUT).splitlines()


def test_every_listener_has_a_row():
    text = card(judgement(listeners=True), PARAMS, ABOUT)
    cells = ("0.5000 (0.4000..0.6000)", *["0.7500 (0.7000..0.8000)"] * 2, "0.7000 (0.6000..0.8000)")
    last = "same outcome as this track's last time"
    assert f"| `{WHO}` | 4 | {' | '.join(cells)} | {last} |" in text
    assert "By listener" not in card(judgement(), PARAMS, ABOUT)


@pytest.mark.parametrize("listeners", [False, True])
def test_the_baselines_are_those_that_the_data_have(listeners):
    text = card(judgement(listeners=listeners), PARAMS, ABOUT)
    assert ("\n| same outcome as this track's last time |" in text) is listeners
    assert "\n| rate by reason_start |" in text


def test_of_real_data_nothing_says_synthetic():
    text = card(judgement(), PARAMS, real(ABOUT))
    assert "ynthetic" not in text
    assert "the dataset has its own terms" in text


def own(about: About, *, synthetic: bool) -> About:
    receipt = RECEIPT.model_copy(update={"listeners": True, "synthetic": synthetic})
    return replace(about, receipt=receipt)


@pytest.mark.parametrize("synthetic", [False, True])
def test_of_listeners_own_histories_nothing_says_that_of_the_dataset(synthetic):
    text = card(judgement(listeners=True), PARAMS, own(ABOUT, synthetic=synthetic))
    assert "istory" in text
    assert "of each listener, the last 15% of the sessions test" in text
    assert "`skipcast refresh` brings that up to date" in text
    for words in ("Music Streaming Sessions", "2018", "No model can pass these limits"):
        assert words not in text
    assert ("ynthetic" in text) is synthetic


@pytest.mark.parametrize(
    ("by", "words"), [("listener", "Split by listeners"), ("session", "Split by whole sessions")]
)
def test_the_split_is_that_of_the_params(by, words):
    split = PARAMS.split.model_copy(update={"by": by})
    params = PARAMS.model_copy(update={"split": split})
    assert words in card(judgement(listeners=True), params, own(ABOUT, synthetic=True))


@pytest.mark.parametrize(
    ("skip", "words"),
    [("brief", "(`skip_2`): played only briefly."), ("any", "(`skip_3`): ended by the listener.")],
)
def test_says_what_counts_as_a_skip(skip, words):
    text = card(judgement(skip=skip), PARAMS, ABOUT)
    assert f"A skip is `features.skip: {skip}` {words}" in text
    assert ("No model can pass these limits" in text) is (skip == "brief")


def test_a_missing_commit_is_called_missing():
    assert "Code: commit `missing`." in card(judgement(), PARAMS, replace(ABOUT, commit=None))


def test_no_session_of_the_data_is_in_it():
    assert "s-1" not in card(judgement(), PARAMS, ABOUT)


def test_says_what_track_history_was_counted_from():
    without = tuple(group for group in TRACK_GROUPS if group != "track_history")
    features = PARAMS.features.model_copy(update={"groups": without})
    sentence = "`track_history` is counted from the training sessions alone"
    assert sentence in card(judgement(), PARAMS, ABOUT)
    assert sentence not in card(
        judgement(), PARAMS.model_copy(update={"features": features}), ABOUT
    )
