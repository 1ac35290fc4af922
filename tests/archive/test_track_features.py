"""Track features from files: those of the twin, and what may be wrong with them."""

import shutil
import subprocess

import pyarrow as pa
import pytest

from skipcast.archive.track_features import beside, read_track_features
from skipcast.errors import SkipcastError
from skipcast.schema import TRACK_INPUTS


@pytest.fixture(scope="module")
def features(twin):
    return read_track_features(twin / "track_features")


def test_plays_get_the_features_of_their_tracks(features, plays_and_tracks):
    tracks = plays_and_tracks[1].sample(50, random_state=0)
    plays = pa.table({"track_id_clean": [*tracks["track_id"], "nobody's"]})
    given = features.add(plays).to_pandas()
    assert given.loc[50, list(TRACK_INPUTS)].isna().all()
    for name in TRACK_INPUTS:
        assert given[name].iloc[:50].tolist() == tracks[name].tolist()


def test_tracks_that_are_there_are_known(features, plays_and_tracks):
    ids = pa.array([plays_and_tracks[1]["track_id"].iloc[0], "nobody's"])
    assert features.knows(ids).tolist() == [True, False]
    assert len(features) == len(plays_and_tracks[1])


@pytest.fixture
def folder(twin, tmp_path):
    return shutil.copytree(twin / "track_features", tmp_path / "track_features")


def test_a_date_of_release_stands_for_its_year(folder, features, plays_and_tracks):
    (path,) = folder.iterdir()
    path.write_text(path.read_text().replace("release_year", "release_date_estimate", 1))
    plays = pa.table({"track_id_clean": plays_and_tracks[1]["track_id"].iloc[:9]})
    years = read_track_features(folder).add(plays)["release_year"]
    assert years == features.add(plays)["release_year"]


def test_a_track_that_comes_twice_is_named(folder):
    (path,) = folder.iterdir()
    header, first, *_ = path.read_text().splitlines()
    (folder / "tf_more.csv").write_text(f"{header}\n{first}\n")
    with pytest.raises(SkipcastError, match=f"must come once but '{first.split(',')[0]}' comes tw"):
        read_track_features(folder)


def test_a_column_that_is_missing_is_named(folder):
    (path,) = folder.iterdir()
    path.write_text(path.read_text().replace("tempo", "speed", 1))
    with pytest.raises(SkipcastError, match=r"tf_mini\.csv must have .* but lacks tempo"):
        read_track_features(folder)


def test_files_of_plays_are_no_track_features(twin):
    with pytest.raises(SkipcastError, match="must name track features, files with a column track_"):
        read_track_features(twin / "training_set")


def test_a_place_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SkipcastError, match=r"--tracks must name a file .* Correct it"):
        read_track_features(tmp_path / "none")


def test_those_beside_a_test_set_are_found(folder, monkeypatch):
    kit = folder.parent
    assert beside(kit / "test_set") == folder
    (kit / "test_set").mkdir()
    assert beside(kit) == beside(kit / "test_set") == folder
    monkeypatch.chdir(kit / "test_set")
    assert beside(kit.__class__()) == folder


def test_an_archive_beside_a_test_set_is_found(folder):
    kit = folder.parent
    archive = kit / "20181120_track_features.tar.gz"
    subprocess.run(["tar", "-czf", archive, "track_features"], cwd=kit, check=True)
    shutil.rmtree(folder)
    (kit / "track_features.txt").write_text("no archive")
    assert beside(kit / "test_set") == archive
    assert len(read_track_features(archive)) > 0


def test_nothing_beside_a_test_set_is_no_error(tmp_path):
    assert beside(tmp_path / "test_set") is None
