"""A model in a process of its own: it runs the code that it brings, whatever is imported here."""

import shutil
import subprocess
import sys
from pathlib import Path

import flat
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from harness.clients import requests

from skipcast.clients import batch
from skipcast.clients.model_process import ModelProcess
from skipcast.errors import SkipcastError
from skipcast.features.build import feature_set
from skipcast.processes import ProcessKilledError
from skipcast.schema import ANSWER, TRACK_GROUPS, names

ROOT = next(p for p in Path(__file__).parents if (p / "pyproject.toml").exists())
PLAYS, PROBABILITIES = flat.plays_and_probabilities()
pytestmark = pytest.mark.system  # it starts processes that serve a model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Return the folder of a champion of the flat package."""
    return flat.unpack(tmp_path_factory.mktemp("flat"))


@pytest.fixture(scope="module")
def explainer(model):
    with ModelProcess(str(model), "explain") as process:
        yield process


def block(plays):
    return pa.RecordBatch.from_pandas(plays, preserve_index=False)


def test_scores_a_flat_champion_with_the_bits_that_it_gave_then(model):
    with ModelProcess(str(model), "score", history=True) as process:
        answer, summary = process.score(block(PLAYS))
    assert answer["skip_probability"].to_pylist() == PROBABILITIES
    assert answer.schema.names == names(ANSWER)
    assert answer["history_until"].null_count == len(PLAYS)  # newer than the champion
    assert summary is None


def test_summarises_a_flat_champions_plays(model):
    with ModelProcess(str(model), "score", history=True, summary=True) as process:
        _, summary = process.score(block(PLAYS))
    assert (summary["plays"], summary["scored"]) == (len(PLAYS), len(PLAYS))


def test_scores_a_file_by_a_flat_champion(model, tmp_path):
    PLAYS.to_parquet(tmp_path / "plays.parquet")
    target = tmp_path / "out.parquet"
    batch.predict(tmp_path / "plays.parquet", target, str(model), history=True)
    assert pd.read_parquet(target)["skip_probability"].tolist() == PROBABILITIES


def test_explains_a_flat_champions_probabilities(explainer):
    contributions = explainer.explain(PLAYS)
    groups = [
        group for group in TRACK_GROUPS if group != "track_history"
    ]  # newer than the champion
    assert list(contributions) == [*feature_set("started", groups).names, "base"]
    np.testing.assert_allclose(
        1 / (1 + np.exp(-contributions.sum(axis=1))), PROBABILITIES, atol=1e-6
    )


def test_explains_on_after_a_session_that_the_model_refuses(explainer):
    with pytest.raises(SkipcastError, match="track_id_clean must be given for each play"):
        explainer.explain(PLAYS.drop(columns="track_id_clean"))
    assert len(explainer.explain(PLAYS.head(1))) == 1


def test_explains_plays_with_other_columns_and_mixed_types(explainer):
    keys = ["session_id", "session_position", "track_id_clean"]
    mixed = PLAYS[keys].head(3).assign(skip_2=[True, 0, None])
    assert len(explainer.explain(mixed)) == 3


def test_says_why_a_model_does_not_load(tmp_path):
    match = "must score the plays but does not: No such artifact"
    with (
        ModelProcess(str(tmp_path / "none"), "score") as process,
        pytest.raises(SkipcastError, match=match),
    ):
        process.score(block(PLAYS))


def requirement(model, folder, line):
    """Return a copy of the model whose code notes whether scikit-learn can be imported."""
    flat.unpack(folder)
    requirements = folder / "requirements.txt"
    requirements.write_text(requirements.read_text() + line)
    code = folder / "served_model.py"
    check = "import importlib.util, pathlib\n"
    note = (
        f"pathlib.Path({str(folder / 'note')!r}).write_text(str(sys.modules.get('sklearn', 0)))\n"
    )
    code.write_text("import sys\n" + check + note + code.read_text())
    with ModelProcess(str(folder), "score") as process:
        process.score(block(requests(PLAYS.assign(session_length=20), 1)))
    return (folder / "note").read_text()


def test_scikit_learn_is_there_for_a_model_that_requires_it(model, tmp_path):
    assert requirement(model, tmp_path, "\nscikit-learn==1.0\n") == "0"
    assert requirement(model, tmp_path, "") == "None"


def test_says_at_once_why_a_model_that_is_to_explain_does_not_load(tmp_path):
    match = "must explain the plays but does not: No such artifact"
    with (
        ModelProcess(str(tmp_path / "none"), "explain") as process,
        pytest.raises(SkipcastError, match=match),
    ):
        process.load()


@pytest.fixture(scope="module")
def deadly(tmp_path_factory):
    """Return a model whose process is killed when it is loaded, as where memory runs out."""
    folder = flat.unpack(tmp_path_factory.mktemp("deadly"))
    code = folder / "served_model.py"
    code.write_text("import os\nos.kill(os.getpid(), 9)\n" + code.read_text())
    return folder


KILLED = "but its process was killed by SIGKILL: most often, memory ran out. Run the command again"


def test_a_process_that_was_killed_is_called_killed(deadly):
    with (
        ModelProcess(str(deadly), "score") as process,
        pytest.raises(ProcessKilledError, match=f"{deadly} must score the plays {KILLED}"),
    ):
        process.score(block(PLAYS))


def test_a_process_that_explains_and_was_killed_is_called_killed(deadly):
    with (
        ModelProcess(str(deadly), "explain") as process,
        pytest.raises(ProcessKilledError, match=f"{deadly} must explain the plays {KILLED}"),
    ):
        process.load()


def test_the_command_says_that_a_process_was_killed_and_writes_nothing(deadly, tmp_path):
    PLAYS.to_parquet(tmp_path / "plays.parquet")
    shutil.copy(ROOT / "params.yaml", tmp_path)
    program = Path(sys.executable).with_name("skipcast")
    command = [program, "predict", "--input", "plays.parquet", "--output", "out.csv"]
    done = subprocess.run(
        [*command, "--model", deadly], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert KILLED in done.stderr
    assert "LOKY_MAX_CPU_COUNT=1 before it lets fewer processes compute at once" in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["params.yaml", "plays.parquet"]
