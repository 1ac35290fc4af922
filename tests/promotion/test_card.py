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
