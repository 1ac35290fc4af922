"""`skipcast fetch` as a user types it: places, pointers, and the remedies of its messages."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


@pytest.fixture
def project(tmp_path, twin):
    """Return a folder with the parameters and, in the home folder, the twin as an archive."""
    (tmp_path / "home").mkdir()
    shutil.make_archive(str(tmp_path / "home/mssd"), "zip", twin)
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


def set_source(project, source, tracks=None):
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["fetch"] |= {"source": source, "tracks": tracks, "rows": 10**6}
    (project / "params.yaml").write_text(yaml.safe_dump(params))


def run(project, command="skipcast fetch"):
    """Run what a user types in a shell; return the exit code and what it says."""
    home = {"HOME": str(project.parent / "home"), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        command, shell=True, cwd=project, env=os.environ | home, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


def fetches_all(project, plays, command="skipcast fetch"):
    code, said = run(project, command)
    assert code == 0, said
    pd.testing.assert_frame_equal(pd.read_parquet(project / "data/plays"), plays)
    return said


def test_home_and_variables_in_both_places(project, plays_and_tracks):
    set_source(project, "~/mssd.zip", "$MUSIC/mssd.zip")
    code, said = run(project)
    assert code == 1
    assert "The variable MUSIC is not set: `export MUSIC=...` sets it." in said
    assert not (project / "data/plays").exists()
    fetches_all(project, plays_and_tracks[0], 'export MUSIC="$HOME"; skipcast fetch')


def test_a_pointer_of_dvc_and_its_remedy(project, plays_and_tracks):
    shutil.move(project.parent / "home/mssd.zip", project)
    store = project.parent / "store"
    for command in ("init --no-scm -q", f"remote add -q -d store {store}", "add -q mssd.zip",
                    "push -q"):  # fmt: skip
        code, said = run(project, f"dvc {command}")
        assert code == 0, said
    (project / "mssd.zip").unlink()
    shutil.rmtree(project / ".dvc/cache")
    set_source(project, "mssd.zip.dvc")
    code, said = run(project)
    assert code == 1
    assert "mssd.zip.dvc must be CSV, as it is or packed" in said
    assert "is a pointer of DVC. Get the file: `dvc pull FILE.dvc`" in said
    set_source(project, "mssd.zip")
    code, said = run(project)
    remedy = re.search(r"`(dvc pull .*)` gets it", said)
    assert remedy, said
    assert run(project, remedy[1])[0] == 0
    fetches_all(project, plays_and_tracks[0])


def test_nothing_of_a_test_set_or_of_copies_is_read(project, twin, plays_and_tracks):
    kit = project.parent / "home/kit"
    shutil.copytree(twin, kit)
    shutil.copy(project.parent / "home/mssd.zip", kit)
    log = (kit / "training_set/log_mini.csv").read_text().splitlines(keepends=True)
    (kit / "test_set").mkdir()
    (kit / "test_set/log_input_20180915_000000000000.csv").write_text("".join(log[:9]))
    (kit / "training_set/.ipynb_checkpoints").mkdir()
    (kit / "training_set/.ipynb_checkpoints/log_mini-checkpoint.csv").write_text("".join(log))
    set_source(project, "~/kit")
    said = fetches_all(project, plays_and_tracks[0])
    assert "Left out: 1 files of the test set" in said
    assert "Left out: mssd.zip where it is unpacked beside itself." in said


def test_a_copy_of_a_log_under_another_name_names_both(project, twin):
    kit = project.parent / "home/kit"
    shutil.copytree(twin, kit)
    log = (kit / "training_set/log_mini.csv").read_text()
    (kit / "copy.csv").write_text(log + "\n")  # not the same bytes
    set_source(project, "~/kit")
    code, said = run(project)
    assert code == 1
    assert "is in copy.csv and in training_set/log_mini.csv" in said


def test_memory_that_runs_out_is_told_and_nothing_is_half_written(project):
    values = "fetch.twin_sessions=60000 --set fetch.source=twin"
    shutil.copy(ROOT / "params.yaml", project)
    code, said = run(project, f"ulimit -d 500000; skipcast run fetch --set {values}")
    assert code == 1
    assert "Error: Memory must suffice for what is computed but ran out: Unable to alloc" in said
    assert not (project / "data/plays").exists()
