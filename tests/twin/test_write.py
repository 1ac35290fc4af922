import errno
import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyarrow import csv

from skipcast.errors import SkipcastError
from skipcast.schema import LOG, SYNTHETIC_PREFIX, TRACK, names
from skipcast.sessions import check_positions
from skipcast.twin import catalogue, write
from skipcast.twin.listeners import read_habits
from skipcast.twin.write import write_twin


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("twin") / "made"
    write_twin(folder, sessions=3_000, seed=0)
    return folder


@pytest.fixture(scope="module")
def plays(folder):
    return pd.read_csv(folder / "training_set" / "log_mini.csv")


@pytest.fixture(scope="module")
def tracks(folder):
    return pd.read_csv(folder / "track_features" / "tf_mini.csv")


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_official_columns_in_official_order_without_quotes(folder, plays, tracks):
    assert list(plays) == names(LOG)
    assert list(tracks) == names(TRACK)
    for path in folder.rglob("*.csv"):
        assert b'"' not in path.read_bytes()


def test_every_session_is_whole(plays):
    check_positions(plays["session_id"].array, plays["session_position"].to_numpy())
    sizes = plays.groupby("session_id").size()
    assert len(sizes) == 3_000
    assert sizes.between(10, 20).all()
    assert (plays.groupby("session_id")["session_length"].first() == sizes).all()


def test_outcomes_nest(plays):
    assert not (plays["skip_1"] & ~plays["skip_2"]).any()
    assert not (plays["skip_2"] & ~plays["skip_3"]).any()
    assert not (plays["skip_3"] & plays["not_skipped"]).any()


def test_pauses_are_first_none_or_long_and_short_is_long(plays):
    first = (plays["session_position"] == 1).astype(int)
    total = first + plays["no_pause_before_play"] + plays["long_pause_before_play"]
    assert (total == 1).all()
    assert (plays["short_pause_before_play"] <= plays["long_pause_before_play"]).all()


def test_start_restates_how_the_play_before_ended(plays):
    before = plays["hist_user_behavior_reason_end"].shift(1)
    start = plays["hist_user_behavior_reason_start"]
    later = plays["session_position"] > 1
    pairs = {"fwdbtn": "fwdbtn", "trackdone": "trackdone", "backbtn": "backbtn"}
    for ended, starts in ({**pairs, "endplay": "clickrow"}).items():
        assert (start[later & (before == ended)] == starts).mean() > 0.9


def test_ids_say_that_they_are_synthetic(plays, tracks):
    assert plays["session_id"].str.startswith(SYNTHETIC_PREFIX).all()
    assert tracks["track_id"].str.startswith(SYNTHETIC_PREFIX).all()


def test_track_table_holds_exactly_what_is_played_once_each(plays, tracks):
    assert tracks["track_id"].is_unique
    assert set(tracks["track_id"]) == set(plays["track_id_clean"])
    assert tracks.notna().all().all()


def test_oracle_is_calibrated_and_lies_beside_every_play(folder, plays):
    oracle = pd.read_parquet(folder / "oracle.parquet")
    assert list(oracle) == ["session_id", "session_position", "probability"]
    assert (oracle["session_id"] == plays["session_id"]).all()
    assert (oracle["session_position"] == plays["session_position"]).all()
    tenth = (oracle["probability"] * 10).astype(int)
    gap = oracle["probability"].groupby(tenth).mean() - plays["skip_2"].groupby(tenth).mean()
    assert gap.abs().max() < 0.03
    assert 0.80 < ((oracle["probability"] > 0.5) == plays["skip_2"]).mean() < 0.84


def test_same_seed_same_bytes(tmp_path):
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        write_twin(tmp_path / name, sessions=50, seed=seed)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert set(digests(tmp_path / "a").values()).isdisjoint(digests(tmp_path / "c").values())


def test_chunks_do_not_share_draws(tmp_path, monkeypatch):
    monkeypatch.setattr(write, "CHUNK", 20)
    write_twin(tmp_path / "a", sessions=40, seed=0)
    log = csv.read_csv(tmp_path / "a" / "training_set" / "log_mini.csv").to_pandas()
    check_positions(log["session_id"].array, log["session_position"].to_numpy())
    one, two = (log[log["session_id"].str[-2:].astype(int) // 20 == i] for i in (0, 1))
    assert set(one["track_id_clean"]) != set(two["track_id_clean"])


def test_parts_are_named_as_the_full_set_and_share_no_session(tmp_path):
    write_twin(tmp_path / "twin", sessions=100, seed=0, parts=True)
    logs = sorted((tmp_path / "twin" / "training_set").iterdir())
    assert len(logs) == 30
    assert logs[0].name == "log_0_20180715_000000000000.csv"
    assert logs[-1].name == "log_9_20180717_000000000000.csv"
    frames = [pd.read_csv(path) for path in logs]
    ids = pd.concat([frame["session_id"].drop_duplicates() for frame in frames])
    assert len(ids) == 100
    assert ids.is_unique
    tables = sorted((tmp_path / "twin" / "track_features").iterdir())
    assert [path.name for path in tables] == ["tf_000000000000.csv", "tf_000000000001.csv"]
    known = pd.concat([pd.read_csv(path)["track_id"] for path in tables])
    assert known.is_unique
    assert set(known) == {track for frame in frames for track in frame["track_id_clean"]}


def test_fewer_sessions_than_parts_leave_no_empty_file(tmp_path):
    write_twin(tmp_path / "twin", sessions=3, seed=0, parts=True)
    assert len(list((tmp_path / "twin" / "training_set").iterdir())) == 3


@pytest.mark.parametrize("sessions", [0, -1])
def test_no_sessions_is_an_error(tmp_path, sessions):
    with pytest.raises(SkipcastError, match=f"must be positive but got {sessions}"):
        write_twin(tmp_path / "twin", sessions=sessions, seed=0)
    assert not (tmp_path / "twin").exists()


def test_an_existing_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(SkipcastError, match="must be new or empty but got"):
        write_twin(tmp_path, sessions=10, seed=0)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_empty_folder_will_do(tmp_path):
    (tmp_path / "twin").mkdir()
    write_twin(tmp_path / "twin", sessions=10, seed=0)
    assert (tmp_path / "twin" / "oracle.parquet").is_file()


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(write, "_write_tracks", full)
    with pytest.raises(SkipcastError, match="No space left on device"):
        write_twin(tmp_path / "twin", sessions=10, seed=0)
    assert list(tmp_path.iterdir()) == []


def test_habits_are_shares_where_they_should_be():
    habits = read_habits()
    for name in ("end_shares", "first_start_shares", "start_shares", "lengths", "contexts"):
        np.testing.assert_allclose(getattr(habits, name).sum(axis=-1), 1.0, atol=1e-3)


def test_loadings_leave_room_for_what_is_the_features_own():
    assert all(np.square(loading).sum() <= 1 for loading in catalogue.LOADINGS.values())
    assert set(catalogue.LOADINGS) == set(names(TRACK)) - {"track_id"}
