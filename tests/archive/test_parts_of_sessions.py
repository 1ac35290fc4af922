"""Samples of more than one part: in the order of the files, and from where an attempt ended."""

import errno
import gzip
import itertools
import random
import shutil
from pathlib import Path

import pandas as pd
import pytest
from harness.archives import write_tar, write_zip

from skipcast.archive import cutting, joining, work
from skipcast.archive.exploding import Sample, explode
from skipcast.archive.pieces import Pieces
from skipcast.archive.sample import _wanted, describe, fetch_sample
from skipcast.archive.work import alone_in
from skipcast.errors import SkipcastError
from skipcast.parts import PART_ROWS
from skipcast.reading import csv_text
from skipcast.workers import Workers, workers

LOG_CSV = "training_set/log_mini.csv"
KEYS = ["session_id", "session_position"]
ROWS = 500  # of a part


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Read some 400 rows at a time and write parts of 500."""
    monkeypatch.setattr(csv_text, "BLOCK_BYTES", 60_000)
    for module in (cutting, joining):
        monkeypatch.setattr(module, "PART_ROWS", ROWS)


@pytest.fixture
def place(tmp_path):
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def fetch(place, source, tracks=None, rows=None, *, seed=0, processes=1):
    folders = (place / "plays", place / ".fetch")
    sample = Sample(rows, seed)
    return fetch_sample(source, tracks, sample, *folders, open_workers=lambda _: workers(processes))


def sessions_of(twin):
    """Return the header of the twin's log, and the lines of each session by its id."""
    header, *lines = (twin / LOG_CSV).read_text().splitlines()
    sessions: dict[str, list[str]] = {}
    for line in lines:
        sessions.setdefault(line.split(",")[0], []).append(line)
    return header, sessions


def write_log(path: Path, header: str, lines: list[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


@pytest.fixture
def three_files(twin, tmp_path):
    """Return a folder with the sessions of the twin in three files, in another order."""
    header, sessions = sessions_of(twin)
    ids = random.Random(3).sample(list(sessions), len(sessions))
    for number in range(3):
        lines = [line for id_ in ids[number::3] for line in sessions[id_]]
        write_log(tmp_path / f"three/log_{number}.csv", header, lines)
    return tmp_path / "three"


def test_parts_are_whole_sessions_in_the_order_of_the_files(three_files, twin, place):
    parts = list(fetch(place, three_files, twin).publish())
    assert all(ROWS <= len(part) < ROWS + 20 for part in parts[:-1])
    in_files = [
        line.split(",")[0]
        for path in sorted(three_files.iterdir())
        for line in path.read_text().splitlines()[1:]
    ]
    ids = list(dict.fromkeys(in_files))
    for part in parts:
        own, ids = set(ids[: part["session_id"].nunique()]), ids[part["session_id"].nunique() :]
        assert set(part["session_id"]) == own
        pd.testing.assert_frame_equal(part, part.sort_values(KEYS, ignore_index=True))
        lengths = part.groupby("session_id")["session_length"]
        assert (lengths.size() == lengths.first()).all()
    assert ids == []


@pytest.mark.parametrize("rows", [None, 1300])
def test_parts_together_are_the_sample_at_once(three_files, twin, place, plays_and_tracks, rows):
    fetched = fetch(place, three_files, twin, rows)
    plays = fetched.publish().whole().sort_values(KEYS, ignore_index=True)
    expected, tracks = plays_and_tracks
    if rows:
        assert rows <= len(plays) < rows + 20
        expected = expected[expected["session_id"].isin(plays["session_id"])]
        tracks = tracks[tracks["track_id"].isin(plays["track_id_clean"])]
    pd.testing.assert_frame_equal(plays, expected.reset_index(drop=True))
    pd.testing.assert_frame_equal(fetched.tracks, tracks.reset_index(drop=True))


@pytest.mark.parametrize("rows", [None, 1300])
def test_two_processes_make_the_same_as_one(three_files, twin, tmp_path, monkeypatch, rows):
    for module in (cutting, joining):  # the other processes know nothing of smaller parts
        monkeypatch.setattr(module, "PART_ROWS", PART_ROWS)
    hashes = [
        fetch(tmp_path / str(count), three_files, twin, rows, processes=count).publish().hash
        for count in (1, 2)
    ]
    assert hashes[0] == hashes[1]


def test_what_was_left_out_is_counted(three_files, twin, place, plays_and_tracks):
    plays = plays_and_tracks[0]
    fetched = fetch(place, three_files, twin, 1300)
    taken = fetched.publish().whole()
    n, all_ = taken["session_id"].nunique(), plays["session_id"].nunique()
    assert describe(fetched, 1300) == [
        f"{len(taken):,} plays of {n} sessions in 3 parts, {len(fetched.tracks):,} tracks (twin: "
        f"synthetic data), of {len(plays):,} plays of {all_} sessions in 3 files.",
        f"Left out: {len(plays) - len(taken):,} plays of {all_ - n} sessions, as fetch.rows is "
        "1,300; `all` takes them, too.",
    ]
    assert describe(fetch(place, three_files, twin, 10**6), 10**6)[1:] == [
        "These are all there are: fewer than 1,000,000."
    ]


class _KilledError(BaseException):
    """Ends an attempt where a kill would."""


@pytest.fixture
def written(monkeypatch):
    """Return the pieces that are written, and a list with how many may be before a kill."""
    log: list[tuple[str, int]] = []
    allowed = [10**6]
    write = Pieces.write

    def counted(self, number, content, state):
        if len(log) >= allowed[0]:
            raise _KilledError
        write(self, number, content, state)
        log.append((self.name, number))

    monkeypatch.setattr(Pieces, "write", counted)
    return log, allowed


@pytest.mark.parametrize(
    ("kind", "rows"),
    [("folder", None), ("csv.gz", None), ("zip", None), ("tar", None), ("tar.gz", None),
     ("folder", 1300), ("tar.gz", 1300)],
)  # fmt: skip
def test_after_a_kill_no_finished_piece_is_made_again(
    twin, three_files, tmp_path, place, written, kind, rows
):
    files = {path.name: path.read_bytes() for path in sorted(three_files.iterdir())}
    source = tmp_path / f"source.{kind}"
    if kind == "folder":
        source = three_files
    elif kind == "csv.gz":
        source.write_bytes(gzip.compress((twin / LOG_CSV).read_bytes()))
    elif kind == "zip":
        write_zip(source, files)
    else:
        write_tar(source, files, compressed=kind == "tar.gz")
    expected = fetch(tmp_path / "other", source, twin, rows).publish().whole()
    log, allowed = written
    log.clear()
    for kills in itertools.count():
        allowed[0] = len(log) + kills  # the first time, before any is finished
        try:
            fetched = fetch(place, source, twin, rows)
            break
        except _KilledError:
            continue
    assert len(log) == len(set(log))
    assert kills >= 3
    pd.testing.assert_frame_equal(fetched.publish().whole(), expected)


def test_after_a_kill_no_finished_part_is_made_again(three_files, twin, place, monkeypatch):
    made: list[joining.Part] = []
    table = joining._table  # noqa: SLF001 (what takes the time)

    def killed_at_third(part):
        made.append(part)
        if len(made) == 3:
            raise _KilledError
        return table(part)

    monkeypatch.setattr(joining, "_table", killed_at_third)
    with pytest.raises(_KilledError):
        fetch(place, three_files, twin)
    count = len(fetch(place, three_files, twin).publish())
    assert made[2] == made[3]
    assert len(set(made)) == len(made) - 1 == count


@pytest.mark.parametrize(
    ("rows", "again"), [(None, {"log_1.csv"}), (1300, {f"log_{n}.csv" for n in range(3)})]
)
def test_of_all_plays_only_a_changed_file_is_read_again(
    three_files, twin, place, written, rows, again
):
    """Which of some plays are taken depends on all files: then all are read again."""
    log, _ = written
    fetch(place, three_files, twin, rows)
    log.clear()
    changed = three_files / "log_1.csv"
    changed.write_text(changed.read_text() + "\n")  # an empty line is no row
    fetch(place, three_files, twin, rows)
    assert {name for name, _ in log if name.startswith("log_")} == again


@pytest.mark.parametrize("change", ["seed", "rows", "code"])
def test_of_another_run_nothing_is_kept(three_files, twin, place, written, monkeypatch, change):
    log, _ = written
    fetch(place, three_files, twin, 1300)
    first = [*log]
    log.clear()
    if change == "code":
        monkeypatch.setattr(work, "version", lambda _: "other")
    rows, seed = (1301 if change == "rows" else 1300), int(change == "seed")
    fetch(place, three_files, twin, rows, seed=seed)
    assert {name for name, _ in log} == {name for name, _ in first}


def test_the_parts_of_a_file_that_is_gone_are_not_used(three_files, twin, place):
    fetch(place, three_files, twin)
    gone = {line.split(",")[0] for line in (three_files / "log_0.csv").read_text().splitlines()}
    (three_files / "log_0.csv").unlink()
    assert gone.isdisjoint(fetch(place, three_files, twin).publish().whole()["session_id"])


def test_a_file_that_changes_while_it_is_read_is_named(three_files, twin, place, monkeypatch):
    write = Pieces.write

    def changed(self, number, content, state):
        write(self, number, content, state)
        (three_files / "log_2.csv").write_text("still being copied")

    monkeypatch.setattr(Pieces, "write", changed)
    with pytest.raises(SkipcastError, match=r"log_2\.csv must stay as it is while it is read"):
        fetch(place, three_files / "log_2.csv", twin)


@pytest.mark.parametrize("name", ["log_0.csv", "log_2.csv"])
def test_a_file_that_vanishes_while_files_are_read_is_named(
    three_files, twin, place, monkeypatch, name
):
    write = Pieces.write

    def vanish(self, number, content, state):
        write(self, number, content, state)
        (three_files / name).unlink(missing_ok=True)

    monkeypatch.setattr(Pieces, "write", vanish)
    with pytest.raises(SkipcastError, match=rf"{name} must be readable but is not: No such file"):
        fetch(place, three_files, twin)


def test_an_archive_is_read_once(twin, tmp_path, place):
    source = write_tar(
        tmp_path / "mssd.tar.gz",
        {path.name: path.read_bytes() for path in twin.rglob("*.csv")},
        compressed=True,
    )
    steps: list[int] = []
    _, wanted = _wanted(source, None)
    explode(wanted, Sample(None, 0), place, Workers({}), steps.append)
    assert sum(steps) == source.stat().st_size


def test_sessions_in_any_order_of_rows_are_found(twin, tmp_path, place, plays_and_tracks):
    header, sessions = sessions_of(twin)
    lines = [line for session in sessions.values() for line in session]
    random.Random(0).shuffle(lines)
    source = write_log(tmp_path / "log.csv", header, lines)
    # The last row must be the last of its session, as `_check_ends_whole` cannot know better.
    last = next(line for line in lines if line.split(",")[1] == line.split(",")[2])
    write_log(source, header, [*(line for line in lines if line != last), last])
    plays = fetch(place, source, twin).publish().whole().sort_values(KEYS, ignore_index=True)
    pd.testing.assert_frame_equal(plays, plays_and_tracks[0])


def test_too_many_sessions_at_a_time_are_refused_and_the_remedy_works(
    twin, tmp_path, place, plays_and_tracks, monkeypatch
):
    monkeypatch.setattr(cutting, "CARRY_ROWS", 1000)
    header, sessions = sessions_of(twin)
    lines = sorted(
        (line for session in sessions.values() for line in session),
        key=lambda line: int(line.split(",")[1]),
    )
    source = write_log(tmp_path / "log.csv", header, lines)
    with pytest.raises(SkipcastError, match=r"log\.csv must have the plays of a session close"):
        fetch(place, source, twin)
    by_session = sorted(lines, key=lambda line: (line.split(",")[0], int(line.split(",")[1])))
    write_log(source, header, by_session)
    plays = fetch(place, source, twin).publish().whole()
    assert len(plays) == len(plays_and_tracks[0])


@pytest.mark.parametrize("rows", [None, 10**6, 1300])
def test_a_session_that_comes_again_far_below_is_named(twin, tmp_path, place, rows):
    header, sessions = sessions_of(twin)
    lines = [line for session in sessions.values() for line in session]
    sample = fetch(tmp_path / "other", twin, None, rows).publish().whole()
    first = sample["session_id"][0]
    source = write_log(tmp_path / "log.csv", header, [*lines, *sessions[first]])
    with pytest.raises(SkipcastError, match=f"one run of rows but {first} comes back later in log"):
        fetch(place, source, twin, rows)


@pytest.mark.parametrize("rows", [None, 10**6])
def test_a_session_in_two_files_is_named_with_both(three_files, twin, place, rows):
    header, sessions = sessions_of(twin)
    lines = (three_files / "log_0.csv").read_text().splitlines()
    id_ = lines[-1].split(",")[0]
    write_log(three_files / "log_3.csv", header, sessions[id_])
    with pytest.raises(
        SkipcastError, match=rf"must be in one file but {id_} is in log_0\.csv and in log_3\.csv"
    ):
        fetch(place, three_files, twin, rows)


@pytest.mark.parametrize("rows", [None, 10**6])
@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda fields: fields[-1].pop(), "must hold rows of as many fields"),
        (lambda fields: fields.pop(3), "session_position must count 1, 2, 3"),
        (lambda fields: fields.pop(), "must be the number of plays but is"),
        (lambda fields: fields[3].__setitem__(2, "99"), "must be the number of plays but is"),
        (lambda fields: fields[3].__setitem__(18, ""), "context_type must be text but got null"),
        (
            lambda fields: fields[3].__setitem__(0, ""),
            "session_id must be text that is not empty",
        ),
    ],
    ids=["row cut", "gap", "no last play", "length", "no value", "no session"],
)
def test_a_session_that_is_not_whole_is_named_with_its_file(
    three_files, twin, place, rows, change, match
):
    """It is in the middle of the second of three files."""
    path = three_files / "log_1.csv"
    header, *lines = path.read_text().splitlines()
    ids = list(dict.fromkeys(line.split(",")[0] for line in lines))
    middle = [line.split(",") for line in lines if line.split(",")[0] == ids[50]]
    before = [line for line in lines if line.split(",")[0] in ids[:50]]
    after = [line for line in lines if line.split(",")[0] in ids[51:]]
    change(middle)
    write_log(path, header, [*before, *map(",".join, middle), *after])
    with pytest.raises(SkipcastError, match=match) as refused:
        fetch(place, three_files, twin, rows)
    assert "log_1.csv" in str(refused.value)


@pytest.mark.parametrize("file", ["rows.parquet", "sessions.npy", "state.json"])
@pytest.mark.parametrize("how", ["cut short", "gone"])
def test_a_piece_that_the_disk_damaged_is_named_and_the_remedy_works(
    three_files, twin, place, plays_and_tracks, file, how
):
    fetch(place, three_files, twin)
    shutil.rmtree(place / ".plays")
    for piece in place.glob(f".fetch/*/*/0*/{file}"):
        piece.unlink() if how == "gone" else piece.write_bytes(piece.read_bytes()[:20])
    typed = set()
    while error := _error(place, three_files, twin):
        assert "must be as an earlier attempt wrote it but is damaged" in error
        remedy = error.split("`")[1].removeprefix("rm -r ")
        assert remedy not in typed
        typed.add(remedy)
        shutil.rmtree(remedy)
    assert len(typed) >= 3  # a remedy for each log
    assert fetch(place, three_files, twin).publish().rows == len(plays_and_tracks[0])


def _error(place, source, tracks):
    try:
        fetch(place, source, tracks)
    except SkipcastError as error:
        return str(error)
    return None


def test_a_place_that_knows_no_locks_will_do(place, monkeypatch):
    def flock(*_):
        raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr(work.fcntl, "flock", flock)
    with alone_in(place):
        pass


def test_two_at_a_time_are_refused(place):
    with (
        alone_in(place),
        pytest.raises(SkipcastError, match="one `skipcast fetch` at a time but another one does"),
        alone_in(place),
    ):
        pass
    with alone_in(place):
        pass
