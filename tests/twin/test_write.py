import errno
import hashlib
from pathlib import Path

import pandas as pd
import pytest
from pyarrow import csv

from skipcast.errors import SkipcastError
from skipcast.schema import MSSD_LOG, SYNTHETIC_PREFIX, TRACK, names
from skipcast.sessions import check_positions
from skipcast.twin import write
from skipcast.twin.write import write_twin

LOG_CSV, TRACK_CSV = "training_set/log_mini.csv", "track_features/tf_mini.csv"


@pytest.fixture(scope="module")
def plays(twin):
    return pd.read_csv(twin / LOG_CSV)


@pytest.fixture(scope="module")
def tracks(twin):
    return pd.read_csv(twin / TRACK_CSV)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Return the twin of 100 sessions in files that are named as the full set's."""
    folder = tmp_path_factory.mktemp("twin") / "parts"
    write_twin(folder, sessions=100, seed=0, parts=True)
    return folder


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_log_has_the_official_columns_in_official_order(plays):
    assert list(plays) == names(MSSD_LOG)


def test_the_track_table_has_the_official_columns_in_official_order(tracks):
    assert list(tracks) == names(TRACK)


def test_files_have_no_quotes(twin):
    assert not [path for path in twin.rglob("*.csv") if b'"' in path.read_bytes()]


def test_the_log_has_the_number_of_sessions_that_was_asked_for(plays):
    assert plays["session_id"].nunique() == 300


def test_ids_say_that_they_are_synthetic(plays, tracks):
    assert plays["session_id"].str.startswith(SYNTHETIC_PREFIX).all()
    assert tracks["track_id"].str.startswith(SYNTHETIC_PREFIX).all()


def test_the_track_table_holds_each_played_track_and_no_other(plays, tracks):
    assert set(tracks["track_id"]) == set(plays["track_id_clean"])


def test_the_track_table_holds_each_track_once(tracks):
    assert tracks["track_id"].is_unique


def test_the_oracle_lies_beside_every_play(twin, plays):
    oracle = pd.read_parquet(twin / "oracle.parquet")
    keys = ["session_id", "session_position"]
    assert oracle[keys].equals(plays[keys])


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_twin(tmp_path / name, sessions=50, seed=7)
    assert digests(tmp_path / "a") == digests(tmp_path / "b")


def test_another_seed_gives_other_files(tmp_path):
    for name, seed in (("a", 7), ("b", 8)):
        write_twin(tmp_path / name, sessions=50, seed=seed)
    one, other = (set(digests(tmp_path / name).values()) for name in ("a", "b"))
    assert one.isdisjoint(other)


def test_chunks_do_not_share_draws(tmp_path, monkeypatch):
    monkeypatch.setattr(write, "CHUNK", 20)
    write_twin(tmp_path / "a", sessions=40, seed=0)
    log = csv.read_csv(tmp_path / "a" / LOG_CSV).to_pandas()
    check_positions(log["session_id"].array, log["session_position"].to_numpy())
    chunk = log["session_id"].str[-2:].astype(int) // 20
    one, other = (set(log.loc[chunk == i, "track_id_clean"]) for i in (0, 1))
    assert one != other


def test_logs_in_parts_are_named_as_the_full_set(parts):
    logs = sorted(path.name for path in (parts / "training_set").iterdir())
    assert len(logs) == 30
    assert logs[0] == "log_0_20180715_000000000000.csv"
    assert logs[-1] == "log_9_20180717_000000000000.csv"


def test_track_tables_in_parts_are_named_as_the_full_set(parts):
    tables = sorted(path.name for path in (parts / "track_features").iterdir())
    assert tables == ["tf_000000000000.csv", "tf_000000000001.csv"]


def test_parts_share_no_session(parts):
    logs = [pd.read_csv(path) for path in (parts / "training_set").iterdir()]
    ids = pd.concat([log["session_id"].drop_duplicates() for log in logs])
    assert len(ids) == 100
    assert ids.is_unique


def test_parts_share_no_track(parts):
    tables = [pd.read_csv(path) for path in (parts / "track_features").iterdir()]
    assert pd.concat(tables)["track_id"].is_unique


def test_the_parts_of_the_track_table_hold_each_played_track(parts):
    tables = [pd.read_csv(path) for path in (parts / "track_features").iterdir()]
    logs = [pd.read_csv(path) for path in (parts / "training_set").iterdir()]
    assert set(pd.concat(tables)["track_id"]) == set(pd.concat(logs)["track_id_clean"])


def test_fewer_sessions_than_parts_leave_no_empty_file(tmp_path):
    write_twin(tmp_path / "twin", sessions=3, seed=0, parts=True)
    assert len(list((tmp_path / "twin" / "training_set").iterdir())) == 3


@pytest.mark.parametrize("sessions", [0, -1])
def test_no_sessions_are_an_error(tmp_path, sessions):
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


def test_the_same_plays_in_more_files(tmp_path, monkeypatch):
    monkeypatch.setattr(write, "CHUNK", 20)
    for name, file_sessions in (("one", None), ("three", 40)):
        write_twin(tmp_path / name, sessions=100, seed=0, file_sessions=file_sessions)
    logs = sorted((tmp_path / "three/training_set").iterdir())
    assert [path.name for path in logs] == [f"log_mini_000{n}.csv" for n in range(3)]
    one, *three = (path.read_text().splitlines() for path in (tmp_path / "one" / LOG_CSV, *logs))
    assert one == [one[0], *(line for lines in three for line in lines[1:])]
    for name in (TRACK_CSV, "oracle.parquet"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "three" / name).read_bytes()


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch):
    def full(*_args, **_kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(write, "_write_tracks", full)
    with pytest.raises(SkipcastError, match="No space left on device"):
        write_twin(tmp_path / "twin", sessions=10, seed=0)
    assert list(tmp_path.iterdir()) == []
