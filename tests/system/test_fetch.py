"""`skipcast fetch` as a user types it: places, pointers, and the remedies of its messages."""

import contextlib
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from skipcast.parts import Parts

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


@pytest.fixture
def project(tmp_path, twin):
    """Return a folder with the parameters and, in the home folder, the twin as an archive."""
    (tmp_path / "home").mkdir()
    shutil.make_archive(str(tmp_path / "home/mssd"), "zip", twin)
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


def set_source(project, source, tracks=None, rows=10**6, **others):
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["fetch"] |= {"source": source, "tracks": tracks, "rows": rows, **others}
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


@pytest.mark.skipif(not shutil.which("setpriv"), reason="needs setpriv, which takes rights away")
def test_a_file_that_is_closed_to_this_user_is_named(project):
    set_source(project, "nowhere.zip")
    (project / "params.yaml").chmod(0)
    command = "skipcast fetch"
    if os.geteuid() == 0:  # who may read everything
        command = f"setpriv --bounding-set=-dac_override,-dac_read_search {command}"
    code, said = run(project, command)
    assert code == 1
    assert "params.yaml must be open to this user but is not: Permission denied." in said
    assert "nowhere.zip is neither" in run(project, f"chmod u+r params.yaml; {command}")[1]


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
    code, said = run(project, f"ulimit -d 330000; skipcast run fetch --set {values}")
    assert code == 1
    assert "Error: Memory must suffice for what is computed but ran out: " in said
    assert not (project / "data/plays").exists()


def test_a_terminal_sees_how_far_it_is(project, twin):
    set_source(project, str(twin))
    ours, theirs = pty.openpty()
    process = subprocess.Popen([BIN / "skipcast", "fetch"], cwd=project, stderr=theirs)
    os.close(theirs)
    output = b""
    with contextlib.suppress(OSError):  # Linux's way to say that the other side is closed
        while part := os.read(ours, 4096):
            output += part
    os.close(ours)
    assert process.wait() == 0, output
    for word in (b"Reading", b"Writing", b"100%", b"plays of 300 sessions in 1 part"):
        assert word in output


PROGRAM = """
import os, signal, sys
from skipcast import parts
parts.PART_ROWS = 500
from skipcast.reading import csv_text
csv_text.BLOCK_BYTES = 60_000
from skipcast.cli.main import main

moves, replace = int(sys.argv.pop(1)), os.replace

def move(*paths):
    global moves
    moves -= 1
    if moves == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(*paths)

os.replace = move
main()
"""
"""`skipcast`, but with parts of 500 plays, and killed before the move that the first word counts.

What is written is moved to its place when it is whole: so half of something is there at the kill.
"""


def fetch_until(project, move):
    """Fetch until a kill before a move, or to the end; return the exit code and what is said."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(move), "fetch"], cwd=project, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr


def finished(project):
    """Return when each finished piece and part was made, by its path."""
    data = project / "data"
    pieces, parts = data.glob(".fetch/pieces/*/*/0*"), data.glob(".plays/part-*")
    return {path: path.stat().st_mtime_ns for path in [*pieces, *parts]}


@pytest.mark.parametrize("source", ["folder", "twin"])
def test_after_kills_at_any_moment_what_is_finished_is_kept(project, twin, source):
    fetch = {"source": "twin" if source == "twin" else str(twin), "twin_sessions": 300}
    other = project.parent / "other"
    other.mkdir()
    for folder in (project, other):
        set_source(folder, rows="all", **fetch)
    assert fetch_until(other, 0)[0] == 0
    before, kills = {}, 0
    for move in (1, 3, *[11] * 9):
        code, said = fetch_until(project, move)
        if code == 0:
            break
        assert (code, said) == (-signal.SIGKILL, "")
        kills += 1
        now = finished(project)
        assert now.items() >= before.items()
        before = now
    assert kills >= 4
    assert len([path for path in before if path.name.startswith("part-")]) >= 5
    for path, made in before.items():  # in their place now
        if path.name.startswith("part-"):
            assert (project / "data/plays" / path.name).stat().st_mtime_ns == made
    assert "plays of 300 sessions in 1 file." in said
    left = sorted(path.name for path in (project / "data").iterdir())
    assert left == ["names.parquet", "plays", "tracks.parquet"]
    first, second = (Parts.read(f / "data/plays", made_by="fetch") for f in (other, project))
    assert first.hash == second.hash


def test_a_full_disk_is_one_message_and_what_is_finished_is_kept(project, twin):
    """The disk has no room for the tracks, which are the largest file and so the first one."""
    set_source(project, str(twin / "training_set"), str(twin / "track_features"), rows="all")
    program = f"ulimit -f 100; PYTHONDONTWRITEBYTECODE=1 {sys.executable} -c '{PROGRAM}' 0 fetch"
    code, said = run(project, program)
    assert code == 1
    assert re.fullmatch(r"Error: The disk must have room for .*\n", said), said
    kept = finished(project)
    assert not (project / "data/plays").exists()
    code, said = fetch_until(project, 3)  # killed after the tracks
    assert finished(project).items() > kept.items()
    assert fetch_until(project, 0)[0] == 0
