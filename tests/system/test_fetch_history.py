"""`skipcast fetch` of own histories as a user types it, and the remedies of its messages."""

import os
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
import yaml
from harness.archives import write_zip
from harness.exports import evening, write_export
from harness.servers import ROOT, environment

TWO_DAYS = [row for day in range(2) for row in evening(start=86400 * day)]


@pytest.fixture
def project(tmp_path):
    """Return a folder with the parameters, beside one for exports."""
    (tmp_path / "home/exports").mkdir(parents=True)
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


def fetch(project: Path, **changes: object) -> tuple[int, str]:
    """Run the command with values in params.yaml; return the exit code and what it says."""
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["fetch"] |= changes
    (project / "params.yaml").write_text(yaml.safe_dump(params))
    done = subprocess.run(
        ["skipcast", "fetch"], cwd=project, capture_output=True, text=True, check=False,
        env=environment() | {"HOME": str(project.parent / "home")},
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert not done.stdout
    return done.returncode, done.stderr


def tables(project: Path) -> dict[str, pd.DataFrame]:
    return {path.stem: pd.read_parquet(path) for path in (project / "data").iterdir()}


def test_one_summary_of_all_that_was_read(project):
    exports = project.parent / "home/exports"
    write_export(exports / "anna.zip", [*TWO_DAYS, TWO_DAYS[0]])
    write_export(exports / "ben.zip", evening(2022, start=50), 2022)
    code, said = fetch(project, source="~/exports", timezone="Europe/Berlin")
    assert code == 0, said
    assert said.splitlines() == [
        "15 plays, 3 sessions, 2 listeners, 5 tracks, 3 artists, 2024-03-01 to 2024-03-02",
        "Plays of each listener: anna (b65e31341272) 10, ben (10a9e2c9b60f) 5.",
        "Left out: duplicates (1).",
        "20.0% of the plays were cut by the app and have no outcome. Of 0.0%, the start is "
        "unknown.",
    ]
    read = tables(project)
    assert {*read} == {"plays", "tracks", "names"}
    assert len(read["plays"]) == 15
    assert {*read["plays"]["hour_of_day"]} == {13}


def test_a_history_that_is_refused_leaves_what_was_there(project):
    path = write_export(project.parent / "home/my_spotify_data.zip", TWO_DAYS)
    assert fetch(project, source=str(path))[0] == 0
    before = tables(project)
    path.write_bytes(path.read_bytes()[:-30])
    code, said = fetch(project, source=str(path))
    assert code == 1
    assert said.startswith("Error: my_spotify_data.zip must be a whole archive but is cut short")
    after = tables(project)
    assert all(before[name].equals(after[name]) for name in before)


def test_fetch_tracks_is_refused_and_the_remedy_works(project):
    path = str(write_export(project.parent / "home/my_spotify_data.zip", TWO_DAYS))
    code, said = fetch(project, source=path, tracks="~/tracks.csv")
    assert code == 1
    assert said == (
        "Error: fetch.tracks must be null for a listener's own history but got ~/tracks.csv: "
        "nobody has track features for one. Correct params.yaml.\n"
    )
    assert fetch(project, source=path, tracks=None)[0] == 0


def test_rows_takes_the_latest_sessions(project):
    path = str(write_export(project.parent / "home/my_spotify_data.zip", TWO_DAYS))
    code, said = fetch(project, source=path, rows=3)
    assert code == 0
    assert said.startswith("5 plays, 1 session, 1 listener")
    assert tables(project)["plays"]["session_id"].str.endswith("-0000002").all()


def test_the_twin_after_a_history_has_no_names(project):
    path = str(write_export(project.parent / "home/my_spotify_data.zip", TWO_DAYS))
    assert fetch(project, source=path)[0] == 0
    assert len(tables(project)["names"]) > 0
    assert fetch(project, twin_sessions=50)[0] == 0
    read = tables(project)
    assert read["names"].empty
    assert read["plays"][["listener_id", "artist_id", "started_at"]].isna().all(axis=None)


def test_a_zip_in_a_zip_is_refused_and_the_remedy_works(project):
    home = project.parent / "home"
    inner = write_export(home / "anna.zip", TWO_DAYS).read_bytes()
    path = write_zip(home / "family.zip", {"anna.zip": inner})
    code, said = fetch(project, source=str(path))
    assert code == 1
    assert "Unpack the outer one and name the folder that comes out." in said
    shutil.unpack_archive(path, home / "family")
    assert fetch(project, source=str(home / "family"))[0] == 0


@pytest.mark.parametrize("content", [None, b"%PDF-1.7"])
def test_a_folder_without_plays_is_refused(project, content):
    exports = project.parent / "home/exports"
    if content:
        (exports / "ReadMeFirst_ExtendedStreamingHistory.pdf").write_bytes(content)
    code, said = fetch(project, source="~/exports")
    assert code == 1
    assert "must hold plays but holds none" in said
    assert "or a listener's own history: Spotify's zip, its JSON or a folder of them." in said


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read all files")
def test_a_zip_that_may_not_be_read_is_refused(project):
    path = write_export(project.parent / "home/my_spotify_data.zip", TWO_DAYS)
    path.chmod(0)
    code, said = fetch(project, source=str(path))
    assert code == 1
    assert "must be readable but is not: Permission denied" in said
