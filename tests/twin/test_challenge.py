import hashlib

import pandas as pd
import pytest

from skipcast.archive.source import TEST_FILE
from skipcast.errors import SkipcastError
from skipcast.schema import MSSD_LOG, names
from skipcast.sessions import check_positions
from skipcast.twin import challenge
from skipcast.twin.challenge import write_test_set
from skipcast.twin.write import write_twin


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    """Return the starter kit of 60 training and 100 test sessions."""
    folder = tmp_path_factory.mktemp("twin") / "kit"
    write_twin(folder, sessions=60, seed=3, parts=True)
    write_test_set(folder, sessions=100, seed=3)
    return folder


def read(kit, kind):
    paths = sorted((kit / "test_set").glob(f"log_{kind}_*.csv"))
    return pd.concat([pd.read_csv(path) for path in paths], ignore_index=True)


@pytest.fixture(scope="module")
def halves(kit):
    return read(kit, "prehistory"), read(kit, "input")


def test_the_files_are_pairs_of_days_that_a_training_log_is_not_made_of(kit):
    found = sorted(path.name for path in (kit / "test_set").iterdir())
    days = ("20180715", "20180716", "20180717")
    assert found == [f"log_{k}_{d}_000000000000.csv" for k in ("input", "prehistory") for d in days]
    assert all(TEST_FILE.search(name) for name in found)


def test_columns_are_those_of_the_challenge(halves):
    prehistory, second = halves
    assert list(prehistory) == names(MSSD_LOG)
    assert list(second) == ["session_id", "track_id_clean", "session_position", "session_length"]


def test_halves_make_whole_sessions_cut_in_the_middle(halves):
    prehistory, second = halves
    assert (prehistory["session_position"] <= prehistory["session_length"] // 2).all()
    assert (second["session_position"] > second["session_length"] // 2).all()
    whole = pd.concat([prehistory, second]).sort_values(["session_id", "session_position"])
    check_positions(whole["session_id"].array, whole["session_position"].to_numpy())
    sizes = whole.groupby("session_id")["session_length"].agg(["size", "first"])
    assert len(sizes) == 100
    assert (sizes["size"] == sizes["first"]).all()


def test_the_truth_has_a_line_per_session_as_long_as_its_second_half(kit, halves):
    lines = (kit / "truth.txt").read_text().splitlines()
    second = halves[1]
    assert [len(line) for line in lines] == second.groupby("session_id", sort=False).size().tolist()
    rate = "".join(lines).count("1") / len(second)
    assert 0.4 < rate < 0.65


def test_the_truth_is_the_outcomes_of_the_second_halves(tmp_path, monkeypatch):
    logs = []
    make = challenge.make_sessions

    def note(*arguments):
        made = make(*arguments)
        logs.append(made[0].to_pandas())
        return made

    monkeypatch.setattr(challenge, "make_sessions", note)
    write_test_set(tmp_path, sessions=5, seed=0)
    log = pd.concat(logs)
    second = log[log["session_position"] > log["session_length"] // 2]
    outcomes = second.groupby("session_id", sort=False)["skip_2"]
    expected = ["".join(str(int(skip)) for skip in own) for _, own in outcomes]
    assert (tmp_path / "truth.txt").read_text().splitlines() == expected


def test_sessions_are_others_than_those_of_the_training_log(kit, halves):
    logs = pd.concat([pd.read_csv(path) for path in (kit / "training_set").iterdir()])
    assert set(logs["session_id"]).isdisjoint(halves[0]["session_id"])
    known = halves[1]["track_id_clean"].isin(logs["track_id_clean"])
    assert known.mean() > 0.1, "the tracks must be those of the same twin"


def test_the_same_seed_gives_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(challenge, "CHUNK", 5)

    def digests(folder, seed):
        write_test_set(folder, sessions=30, seed=seed)
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]

    one, again, other = (digests(tmp_path / n, s) for n, s in (("a", 1), ("b", 1), ("c", 2)))
    assert one == again
    assert set(one).isdisjoint(other)


def test_fewer_sessions_than_days_leave_no_empty_file(tmp_path):
    write_test_set(tmp_path, sessions=1, seed=0)
    assert len(list((tmp_path / "test_set").iterdir())) == 2


@pytest.mark.parametrize("name", ["test_set", "truth.txt"])
def test_what_is_there_is_left_alone(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(SkipcastError, match=f"must have no {name} but"):
        write_test_set(tmp_path, sessions=5, seed=0)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_no_sessions_are_an_error(tmp_path):
    with pytest.raises(SkipcastError, match="must be positive but got 0"):
        write_test_set(tmp_path / "kit", sessions=0, seed=0)
    assert not (tmp_path / "kit").exists()


def test_a_failure_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(challenge, "make_sessions", full)
    with pytest.raises(SkipcastError, match="No space left on device"):
        write_test_set(tmp_path / "kit", sessions=5, seed=0)
    assert list((tmp_path / "kit").iterdir()) == []
