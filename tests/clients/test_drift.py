"""The summary of `skipcast predict`: what it counts, and when it warns."""

import json
import subprocess
import sys
from pathlib import Path

import flat
import numpy as np
import pytest
from harness.clients import requests

from skipcast.clients.drift import UNPLACED, stability, summary
from skipcast.clients.summaries import add
from skipcast.column import Known
from skipcast.params import read_params
from skipcast.parts import cut, write_parts
from skipcast.schema import LOG, OUTCOMES, names

PARAMS = Path(__file__).parents[2] / "params.yaml"
HISTORY = "--score-history"
ENDED = [column.name for column in LOG if column.known >= Known.ENDED]


def begun(plays, last):
    """Return each session up to its play number `last`, which has not ended."""
    size = plays.groupby("session_id")["session_position"].transform("size")
    last = np.minimum(last, size)
    cut = plays[plays["session_position"] <= last].astype(dict.fromkeys(ENDED, object))
    cut.loc[cut["session_position"] == last[cut.index], ENDED] = None
    return cut.drop(columns="session_length")


def all_ended(plays):
    return plays


def last_open(plays):
    return begun(plays, 20)


def cut_anywhere(plays):
    """Return sessions as a server sees them: each as far as it has got."""
    ids = plays["session_id"].unique()
    at = dict(zip(ids, np.random.default_rng(0).integers(1, 21, len(ids)), strict=True))
    return begun(plays, plays["session_id"].map(at))


def third_open(plays):
    return begun(plays, 3)


MODES = [
    (all_ended, HISTORY),
    (last_open, HISTORY),
    (last_open, ""),
    (cut_anywhere, HISTORY),
    (cut_anywhere, ""),
    (third_open, ""),
]
every_mode = pytest.mark.parametrize(
    ("mode", "option"), MODES, ids=lambda value: getattr(value, "__name__", value or "open only")
)


@pytest.fixture(scope="module")
def model(logged_model):
    return logged_model("logistic", with_training=True)


@pytest.fixture
def run(tmp_path):
    """Return a function that runs `skipcast predict --summary` on plays as a person does."""

    def run(content, uri, *options):
        (tmp_path / "params.yaml").write_text(PARAMS.read_text())
        content.to_csv(tmp_path / "plays.csv", index=False)
        command = "predict --input plays.csv --output out.csv --summary summary.json"
        program = Path(sys.executable).with_name("skipcast")
        done = subprocess.run(
            [program, *command.split(), "--model", uri, *filter(None, options)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads((tmp_path / "summary.json").read_text()), done.stderr

    return run


def changed(plays):
    """Return plays of other listeners, contexts and tracks."""
    return plays.assign(
        track_id_clean="new-" + plays["track_id_clean"], premium=False, context_type="aquarium"
    )


@pytest.mark.system
def test_the_plays_of_training_are_no_drift(run, model, plays):
    figures, stderr = run(plays[names(LOG)], model.uri, HISTORY)
    assert (figures["plays"], figures["scored"]) == (len(plays), len(plays))
    assert figures["unknown_tracks"] == 0
    assert set(figures["unseen_categories"].values()) == {0}
    mean = model.expected(model.train.features[0]).mean()
    assert figures["mean_probability"] == pytest.approx(mean)
    assert figures["trained_mean_probability"] == pytest.approx(mean)
    assert max(figures["stability"].values()) == 0
    assert figures["warnings"] == []
    assert f"{len(plays)} of {len(plays)} plays scored: out.csv" in stderr
    assert "\x1b[" not in stderr  # no progress bar where there is no terminal


@pytest.mark.system
def test_a_table_in_parts_has_the_summary_of_one_file(run, model, plays, tmp_path):
    log = plays[names(LOG)]
    figures, _ = run(log, model.uri, HISTORY)
    assert len(write_parts(tmp_path / "plays", cut(log, rows=1500), made_by="fetch")) > 1
    of_parts, stderr = run(log, model.uri, HISTORY, "--input", "plays")  # the last one counts
    assert of_parts == approx(figures)
    assert f"{len(plays)} of {len(plays)} plays scored" in stderr


@pytest.mark.system
def test_the_last_plays_of_training_are_no_drift(run, model, plays):
    figures, stderr = run(last_open(plays[names(LOG)]), model.uri)
    assert figures["scored"] == plays["session_id"].nunique()
    assert figures["warnings"] == []
    assert "Warning" not in stderr


@pytest.mark.system
@pytest.mark.parametrize(("mode", "option"), [(all_ended, HISTORY), (last_open, "")])
def test_plays_that_changed_are_warned_of(run, model, plays, mode, option):
    figures, stderr = run(changed(mode(plays[names(LOG)])), model.uri, option)
    assert figures["unknown_tracks"] == 1
    assert figures["unseen_categories"]["context_type"] == 1
    assert figures["stability"]["premium"] > 0.25
    assert "share of unknown tracks must be at most 0.05 (predict.unknown_tracks)" in stderr
    assert "share of unseen categories of context_type must be at most 0.01" in stderr
    assert "population stability index of premium must be at most 0.25" in stderr
    assert all(f"Warning: {warning}" in stderr for warning in figures["warnings"])


def summed(model, plays, option=HISTORY):
    """Return the summary of plays, without the processes of a batch prediction."""
    served = model.served
    answer = served.predict(plays, params={"score_history": bool(option)})
    block = served.unwrap_python_model().summarise(plays, answer)
    return summary(block, read_params(PARAMS).predict)


@every_mode
def test_training_is_no_drift_in_any_mode(model, plays, mode, option):
    assert summed(model, mode(plays[names(LOG)]), option)["warnings"] == []


@every_mode
def test_a_drift_is_warned_of_in_every_mode(model, plays, mode, option):
    warnings = " ".join(summed(model, changed(mode(plays[names(LOG)])), option)["warnings"])
    for figure in ("unknown tracks", "unseen categories of context_type", "index of premium"):
        assert figure in warnings


@every_mode
@pytest.mark.parametrize("count", [1, 2, 5, 20])
def test_a_few_sessions_of_training_are_no_drift(model, plays, mode, option, count):
    ids = plays["session_id"].unique()
    for seed in range(3):
        chosen = np.random.default_rng(seed).choice(ids, count, replace=False)
        few = plays.loc[plays["session_id"].isin(chosen), names(LOG)]
        assert summed(model, mode(few), option)["warnings"] == []


def test_a_drift_of_a_few_sessions_is_warned_of(model, plays):
    ids = plays["session_id"].unique()[:20]
    few = plays.loc[plays["session_id"].isin(ids), names(LOG)]
    warnings = summed(model, few.assign(hist_user_behavior_reason_start="appload"))["warnings"]
    assert any("index of started_by" in warning for warning in warnings)


def test_a_shift_of_the_mean_probability_is_warned_of(model, plays):
    """Skips in all histories raise the probabilities of the last plays."""
    open_ = last_open(plays[names(LOG)])
    known = open_["skip_2"].notna()
    open_.loc[known, [*OUTCOMES]] = [True, True, True, False]
    figures = summed(model, open_, "")
    assert figures["mean_probability"] > figures["trained_mean_probability"] + 0.05
    assert any("shift of the mean probability" in warning for warning in figures["warnings"])


def test_training_has_other_figures_at_other_positions(model, plays):
    first = summed(model, begun(plays[names(LOG)], 1), "")
    last = summed(model, last_open(plays[names(LOG)]), "")
    assert first["trained_mean_probability"] != last["trained_mean_probability"]


def test_blocks_are_added_up(model, plays):
    log, served = plays[names(LOG)], model.served
    is_first = log["session_id"] < log["session_id"].iloc[len(log) // 2]
    blocks = [
        served.unwrap_python_model().summarise(part, served.predict(part, {"score_history": True}))
        for part in (log[is_first], log[~is_first])
    ]
    assert summary(add(*blocks), read_params(PARAMS).predict) == approx(summed(model, log))


def approx(figures):
    """Return figures that are equal up to rounding of sums."""
    return figures | {
        name: pytest.approx(value) for name, value in figures.items() if name != "warnings"
    }


@pytest.fixture(scope="module")
def earlier(model, tmp_path_factory):
    """Return a model as it was logged before positions of training plays were kept."""
    import mlflow

    folder = Path(
        mlflow.artifacts.download_artifacts(
            model.uri, dst_path=str(tmp_path_factory.mktemp("earlier"))
        )
    )
    kept = folder / "artifacts/trained.json"
    trained = json.loads(kept.read_text())
    then = {
        "edges": trained["edges"],
        "counts": np.sum(trained["counts"], axis=0).tolist(),
        "mean_probability": sum(trained["probability"]) / sum(trained["plays"]),
    }
    kept.write_text(json.dumps(then))
    code = folder / "code/skipcast/serving/model.py"
    text = code.read_text()
    for now, before in (
        (
            '"expected": self._trained and expected(self._trained, positions)',
            '"trained": self._trained',
        ),
        ('"sessions": int(scored["session_id"].nunique()),', ""),
        ('"probability_squared": float((probability**2).sum()),', ""),
    ):
        assert now in text
        text = text.replace(now, before)
    code.write_text(text)
    return str(folder)


@pytest.mark.system
def test_an_earlier_model_compares_plays_only_if_all_are_scored(run, earlier, plays):
    """The message names the remedy, which is typed then."""
    content = last_open(plays[names(LOG)])
    figures, stderr = run(content, earlier)
    assert figures["stability"] is figures["trained_mean_probability"] is None
    assert figures["warnings"] == [UNPLACED]
    assert f"Warning: {UNPLACED}" in stderr
    assert HISTORY in UNPLACED
    figures, stderr = run(content, earlier, HISTORY)
    assert max(figures["stability"].values()) < 0.25
    assert figures["warnings"] == []


@pytest.mark.system
def test_an_earlier_model_warns_of_a_drift(run, earlier, plays):
    figures, _ = run(changed(plays[names(LOG)]), earlier, HISTORY)
    assert any("index of premium" in warning for warning in figures["warnings"])


@pytest.mark.system
def test_a_flat_champion_tells_what_it_can(run, tmp_path):
    content, _ = flat.plays_and_probabilities()
    figures, _ = run(content, str(flat.unpack(tmp_path / "flat")), HISTORY)
    assert figures["scored"] == len(content)
    assert figures["stability"] is None
    assert figures["warnings"] == []


def test_a_model_without_training_plays_tells_what_it_can(plays, logged_model):
    model = logged_model("logistic").served
    request = requests(plays, 2)
    block = model.unwrap_python_model().summarise(request, model.predict(request))
    assert block["expected"] is None
    assert block["scored"] == 2


def test_stability_is_the_sum_of_its_formula_over_bins():
    trained, seen = np.array([[30, 70]]), np.array([[60, 40]])
    expected = 0.3 * np.log(0.6 / 0.3) - 0.3 * np.log(0.4 / 0.7)
    assert stability(trained, seen, 100)[0] == pytest.approx(expected)


@pytest.mark.parametrize(("sessions", "floor"), [(10**6, 1e-4), (50, 0.01)])
def test_stability_takes_a_small_share_for_an_empty_bin(sessions, floor):
    expected = (0.5 - floor) * np.log(0.5 / floor) + (0.5 - 1) * np.log(0.5)
    index = stability(np.array([[0, 10]]), np.array([[5, 5]]), sessions)
    assert index[0] == pytest.approx(expected)


def test_counts_of_tracks_are_not_compared(model, plays):
    """A training play knows fewer of them than the same play that is scored later."""
    compared = summed(model, plays[names(LOG)])["stability"]
    assert "track_log_plays" not in compared
    assert "us_popularity_estimate" in compared
