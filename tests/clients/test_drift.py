"""The summary of `skipcast predict`: what it counts, and when it warns."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from harness.clients import requests

from skipcast.clients.drift import stability
from skipcast.schema import LOG, names

PARAMS = Path(__file__).parents[2] / "params.yaml"


@pytest.fixture(scope="module")
def model(logged_model):
    logged = logged_model("logistic", with_training=True)
    return logged.uri, logged.expected(logged.train.features).mean()


@pytest.fixture
def run(model, tmp_path, monkeypatch):
    """Return a function that runs `skipcast predict --summary` on plays as a person does."""

    def run(content):
        (tmp_path / "params.yaml").write_text(PARAMS.read_text())
        content.to_csv(tmp_path / "plays.csv", index=False)
        command = (
            "predict --input plays.csv --output out.csv --score-history --summary summary.json"
        )
        program = Path(sys.executable).with_name("skipcast")
        done = subprocess.run(
            [program, *command.split(), "--model", model[0]],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads((tmp_path / "summary.json").read_text()), done.stderr

    return run


@pytest.mark.system
def test_the_plays_of_training_are_no_drift(run, model, plays):
    summary, stderr = run(plays[names(LOG)])
    assert (summary["plays"], summary["scored"]) == (len(plays), len(plays))
    assert summary["unknown_tracks"] == 0
    assert set(summary["unseen_categories"].values()) == {0}
    assert summary["mean_probability"] == pytest.approx(model[1])
    assert summary["trained_mean_probability"] == pytest.approx(model[1])
    assert max(summary["stability"].values()) == 0
    assert summary["warnings"] == []
    assert f"{len(plays)} of {len(plays)} plays scored: out.csv" in stderr
    assert "\x1b[" not in stderr  # no progress bar where there is no terminal


@pytest.mark.system
def test_plays_that_changed_are_warned_of(run, plays):
    changed = plays[names(LOG)].assign(
        track_id_clean="new-" + plays["track_id_clean"], premium=False, context_type="aquarium"
    )
    summary, stderr = run(changed)
    assert summary["unknown_tracks"] == 1
    assert summary["unseen_categories"]["context_type"] == 1
    assert summary["stability"]["premium"] > 0.25
    assert "share of unknown tracks must be at most 0.05 (predict.unknown_tracks)" in stderr
    assert "share of unseen categories of context_type must be at most 0.01" in stderr
    assert "population stability index of premium must be at most 0.25" in stderr
    assert len(summary["warnings"]) == stderr.count("Warning: ")


def test_a_model_without_training_plays_tells_what_it_can(plays, logged_model):
    model = logged_model("logistic").served
    request = requests(plays, 2)
    block = model.unwrap_python_model().summarise(request, model.predict(request))
    assert block["trained"] is None
    assert block["scored"] == 2


def test_stability_is_the_sum_of_its_formula_over_bins():
    trained, seen = np.array([[30, 70]]), np.array([[60, 40]])
    expected = 0.3 * np.log(0.6 / 0.3) - 0.3 * np.log(0.4 / 0.7)
    assert stability(trained, seen)[0] == pytest.approx(expected)


def test_stability_takes_a_small_share_for_an_empty_bin():
    expected = (0.5 - 1e-4) * np.log(0.5 / 1e-4) + (0.5 - 1) * np.log(0.5)
    assert stability(np.array([[0, 10]]), np.array([[5, 5]]))[0] == pytest.approx(expected)
