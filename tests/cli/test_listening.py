"""The command `skipcast listening`, as a person types it."""

import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from harness.own_history import own_history
from harness.servers import ROOT, SKIPCAST

from skipcast.files import write_parquet
from skipcast.parts import write_parts
from skipcast.schema import TRACK, names


@pytest.fixture
def folder(tmp_path):
    """Return a folder with the history of a listener."""
    plays, known = own_history(300)
    write_parts(tmp_path / "data/plays", [plays], made_by="fetch")
    write_parquet(tmp_path / "data/names.parquet", known)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    return tmp_path


def listening(folder, command="listening"):
    return subprocess.run([SKIPCAST, command], cwd=folder, capture_output=True, text=True)


def test_draws_into_the_reports(folder):
    done = listening(folder)
    assert (done.returncode, done.stderr) == (0, "Wrote reports/listening.\n")
    assert len(list((folder / "reports/listening").glob("*.png"))) == 4


def test_draws_ids_where_the_names_are_not_there(folder):
    (folder / "data/names.parquet").unlink()
    done = listening(folder)
    assert done.returncode == 0
    assert "data/names.parquet is not there, so ids stand for names" in done.stderr


def test_plays_of_nobody_known_get_the_remedy(folder, three_plays):
    plays = three_plays.assign(listener_id=None, artist_id=None, started_at=None)
    write_parts(folder / "data/plays", [plays], made_by="fetch")
    done = listening(folder)
    assert done.returncode == 1
    assert "must hold the history of a listener" in done.stderr
    assert "Set fetch.source to your own streaming history" in done.stderr
    assert not (folder / "reports").exists()


def test_figure_has_nothing_to_draw_and_names_the_command_that_has(folder):
    plays = pd.read_parquet(folder / "data/plays")
    tracks = pd.DataFrame(columns=names(TRACK), index=range(plays["track_id_clean"].nunique()))
    tracks["track_id"] = plays["track_id_clean"].unique()
    write_parquet(folder / "data/tracks.parquet", tracks)
    done = subprocess.run([SKIPCAST, "figure"], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 1
    assert "The tracks must have loudness but none has" in done.stderr
    command = re.search("`skipcast (.*)` draws", done.stderr)[1]
    assert listening(folder, command).returncode == 0


def test_git_and_dvc_know_nothing_of_the_figures():
    assert "reports/" in (ROOT / ".gitignore").read_text().splitlines()
    assert "listening" not in Path(ROOT, "dvc.yaml").read_text()
