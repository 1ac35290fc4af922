"""The stage `features` on parts: in one, in many, after a kill, and with parts that are wrong."""

import shutil
from contextlib import nullcontext
from pathlib import Path

import pandas as pd
import pytest

from skipcast.artifacts import FEATURES, LISTENER_TABLE, PLAYS, TRACK_TABLE, TRACKS
from skipcast.cli import data
from skipcast.cli import features as stage
from skipcast.errors import SkipcastError
from skipcast.files import hash_file, write_parquet
from skipcast.overrides import override
from skipcast.parts import Draft, Parts, cut, write_parts

ROOT = Path(__file__).parents[2]
SMALL = 700  # plays of a part of 300 sessions


@pytest.fixture
def project(plays_and_tracks, tmp_path, monkeypatch):
    """Return what puts the plays into a project, in parts of so many rows, and loads them."""

    def make(rows):
        folder = tmp_path / f"of {rows}"
        folder.mkdir()
        monkeypatch.chdir(folder)
        shutil.copy(ROOT / "params.yaml", ".")
        override(["load.into=none"])
        plays, tracks = plays_and_tracks
        write_parts(PLAYS, cut(plays, rows), made_by="fetch")
        write_parquet(TRACKS, tracks)
        data.load()

    return make


def test_one_part_and_many_give_the_same(project):
    found = []
    for rows in (10**6, SMALL):
        project(rows)
        stage.features()
        tables = {path: hash_file(path) for path in (TRACK_TABLE, LISTENER_TABLE)}
        found.append((Parts.read(FEATURES, made_by="features"), tables, Path.cwd()))
    (one, tables_of_one, place), (many, tables_of_many, _) = found
    assert (len(one), len(many) > 5) == (1, True)
    whole = pd.read_parquet(place / FEATURES)
    pd.testing.assert_frame_equal(many.whole(), whole)
    assert tables_of_one == tables_of_many


class Killed(BaseException):
    """As a signal: no code handles it."""


@pytest.fixture
def run_stage(monkeypatch):
    """Return what runs the stage, killed before a part if asked to; it returns what was written."""
    write = Draft.write

    def run(killed_before=None):
        written = []

        def watched(draft, number, table):
            if number == killed_before:
                raise Killed
            write(draft, number, table)
            written.append(number)

        ends = nullcontext() if killed_before is None else pytest.raises(Killed)
        with monkeypatch.context() as patch, ends:
            patch.setattr(Draft, "write", watched)
            stage.features()
        return written

    return run


def test_after_a_kill_it_goes_on_with_the_parts_that_were_finished(project, run_stage):
    project(SMALL)
    assert run_stage(killed_before=3) == [0, 1, 2]
    assert not FEATURES.exists()
    again = run_stage()
    assert again == list(range(3, len(Parts.read(FEATURES, made_by="features"))))
    assert [path.name for path in Path("data").iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("changed", ["params", "cut"])
def test_parts_of_other_params_or_of_another_cut_are_made_again(project, run_stage, changed):
    project(SMALL)
    run_stage(killed_before=2)
    if changed == "params":
        override(["load.into=none", "split.seed=7"])
    else:
        plays = Parts.read(PLAYS, made_by="fetch").whole()
        write_parts(PLAYS, cut(plays, SMALL + 200), made_by="fetch")
        data.load()
    assert run_stage()[:2] == [0, 1]


def test_a_missing_part_is_named_with_what_makes_it(project):
    project(SMALL)
    (PLAYS / "part-00002.parquet").unlink()
    with pytest.raises(SkipcastError, match=r"part-00002.parquet must be there .*--force fetch`"):
        stage.features()
    assert not FEATURES.exists()


@pytest.mark.parametrize("name", ["tracks.parquet", "plays/part-00000.parquet"])
def test_what_an_older_version_has_written_is_told_before_it_is_loaded(project, name):
    """Its hash is right, as nothing has changed since; a column is missing."""
    project(SMALL)
    if name == "tracks.parquet":
        write_parquet(TRACKS, pd.read_parquet(TRACKS).drop(columns="tempo"))
    else:
        older = Parts.read(PLAYS, made_by="fetch").whole().drop(columns="listener_id")
        write_parts(PLAYS, cut(older, SMALL), made_by="fetch")
    match = rf"{name} must have all columns .* lacks \w+\. `dvc repro --force fetch` makes it again"
    with pytest.raises(SkipcastError, match=match):
        data.load()


def test_a_session_that_is_in_two_parts_is_named(project, plays_and_tracks):
    project(SMALL)
    plays = plays_and_tracks[0].sort_values(["session_id", "session_position"], ignore_index=True)
    write_parts(PLAYS, [plays[:5], plays[5:]], made_by="fetch")
    data.load()
    with pytest.raises(SkipcastError, match=r"must count 1, 2, 3, .* in session"):
        stage.features()


def test_a_session_that_is_not_whole_is_named(project, plays_and_tracks):
    project(SMALL)
    plays = plays_and_tracks[0]
    broken = plays.drop(index=plays.index[plays["session_id"] == plays["session_id"].iloc[-1]][1])
    write_parts(PLAYS, cut(broken, SMALL), made_by="fetch")
    data.load()
    with pytest.raises(SkipcastError, match=r"must count 1, 2, 3, .* in session"):
        stage.features()


def test_a_part_ends_with_the_first_session_that_makes_it_long_enough(project, plays_and_tracks):
    project(SMALL)
    longest = int(plays_and_tracks[0]["session_position"].max())
    rows = [part.rows for part in Parts.read(PLAYS, made_by="fetch").manifest.parts]
    assert all(SMALL <= count < SMALL + longest for count in rows[:-1])
