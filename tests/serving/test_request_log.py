"""What the served model logs, and what its log tells when it is read."""

import json
import tracemalloc

import numpy as np
import pandas as pd
import pytest

from skipcast.schema import TARGET
from skipcast.serving import request_log
from skipcast.serving.histogram import BINS, count
from skipcast.serving.histories import arrange
from skipcast.serving.log_reader import Log, read_log
from skipcast.serving.request_log import RequestLog, bins_of

FEATURES = np.array([[0.5, np.nan]], np.float32)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "log"


def make(folder, *, version="1") -> RequestLog:
    return RequestLog(
        folder, megabytes=1, version=version, features=["a", "b"], edges=[[0.25, 0.75], []]
    )


def ask(log, outcomes, *, tracks=None, probability=0.7, session="s") -> None:
    """Log a request: outcomes of plays, None for the open ones, which are at one position."""
    is_open = np.array([outcome is None for outcome in outcomes])
    ended = int((~is_open).sum())
    columns = {
        "session_id": np.array([session] * len(outcomes), object),
        "session_position": np.minimum(np.arange(len(outcomes)) + 1.0, ended + 1),
        "track_id_clean": np.array(tracks or [f"t{i}" for i in range(len(outcomes))], object),
        TARGET: np.array([np.nan if o is None else o for o in outcomes]),
    }
    write(log, columns, is_open, probability)


def write(log, columns, is_open, probability=0.5) -> None:
    """Log a request of rows that may come in any order."""
    ids, positions = columns["session_id"], columns["session_position"]
    must_have_ended = np.zeros(len(ids), bool)
    log.write(
        columns,
        arrange(
            *(ids, pd.factorize(ids)[0], positions, is_open),
            must_have_ended=must_have_ended,
            limit=10_000,
        ),
        probability=np.where(is_open, probability, np.nan),
        is_open=is_open,
        known=np.ones(len(ids), bool),
        features=np.repeat(FEATURES, int(is_open.sum()), axis=0),
    )


def told(log: Log) -> list[tuple[int, float | None]]:
    """Return position and outcome of each answer."""
    return [
        (int(position), None if np.isnan(skipped) else skipped)
        for position, skipped in zip(log.answers["position"], log.answers["skipped"], strict=True)
    ]


def test_an_answer_gets_what_a_later_request_tells(folder):
    log = make(folder)
    ask(log, [None])
    ask(log, [1, None])
    ask(log, [1, 0, 1, None])
    assert told(read_log(folder)) == [(1, 1.0), (2, 0.0), (4, None)]


def test_an_outcome_that_comes_many_plays_later_is_joined(folder):
    log = make(folder)
    ask(log, [None])
    ask(log, [0] * 400 + [None])
    assert told(read_log(folder))[0] == (1, 0.0)


def test_it_does_not_matter_which_process_answers(folder):
    one, other = make(folder), make(folder)
    for turn in range(2):  # the same session once more, as when plays are replayed
        for i in range(12):
            ask(one if (i + turn) % 3 else other, [i % 2] * i + [None])
        ask(one, [1] * 12)
    log = read_log(folder)
    assert len(log.answers) == 24
    assert log.answers["skipped"].notna().all()


def test_of_several_candidates_the_one_that_was_played_gets_the_outcome(folder):
    log = make(folder)
    ask(log, [1, None, None, None], tracks=["x", "a", "b", "c"])
    ask(log, [1, 0, None], tracks=["x", "b", "y"])
    assert told(read_log(folder)) == [(2, None), (2, 0.0), (2, None), (3, None)]


def test_of_several_answers_before_an_outcome_the_last_counts(folder):
    log = make(folder)
    ask(log, [None], probability=0.1)
    ask(log, [None], probability=0.9)
    ask(log, [1, None])
    answers = read_log(folder).answers.dropna(subset="skipped")
    assert answers["probability"].tolist() == [0.9]


def test_each_version_keeps_its_own_answers(folder):
    one, two = make(folder, version="1"), make(folder, version="2")
    ask(one, [None])
    ask(two, [None])
    ask(two, [1, None])
    answers = read_log(folder).answers
    assert answers.dropna(subset="skipped")["version"].tolist() == ["1", "2"]


def test_an_outcome_that_is_null_is_none(folder):
    log = make(folder)
    ask(log, [None])
    columns = {
        "session_id": np.array(["s", "s"], object),
        "session_position": np.array([1.0, 2.0]),
        "track_id_clean": np.array(["t0", "t1"], object),
        TARGET: np.array([np.nan, np.nan]),  # the app cut the first
    }
    write(log, columns, np.array([False, True]))
    assert told(read_log(folder)) == [(1, None), (2, None)]


def test_rows_of_many_sessions_in_any_order_are_told_apart(folder):
    """Also open plays before one that has ended, which the horizon second_half allows."""
    rows = [("a", 1, 1), ("a", 2, None), ("a", 3, 0), ("a", 4, None), ("b", 1, None)]
    before = [("a", 1, None), ("a", 2, None), ("a", 3, None), ("b", 1, None)]
    log = make(folder)
    for request in (before, rows[3:] + rows[:3]):
        ids, positions, outcomes = zip(*request, strict=True)
        columns = {
            "session_id": np.array(ids, object),
            "session_position": np.array(positions, float),
            "track_id_clean": np.array(ids, object),
            TARGET: np.array([np.nan if o is None else o for o in outcomes]),
        }
        write(log, columns, np.isnan(columns[TARGET]))
    answers = read_log(folder).answers
    assert answers["session"].nunique() == 2
    assert sorted(answers["position"]) == [1, 1, 1, 2, 2, 3, 4]
    told_of = answers.dropna(subset="skipped")
    assert sorted(zip(told_of["position"], told_of["skipped"], strict=True)) == [(1, 1.0), (3, 0.0)]


def test_a_line_that_was_cut_off_is_left_out_and_counted(folder):
    log = make(folder)
    ask(log, [None])
    ask(log, [1, None])
    (file,) = folder.glob("*.jsonl")
    file.write_bytes(file.read_bytes()[:-20])  # a kill, then the next process
    ask(make(folder), [1, 1, None])
    read = read_log(folder)
    assert told(read) == [(1, 1.0), (3, None)]
    assert read.broken == 1


def test_a_file_without_its_first_line_is_left_out_and_counted(folder):
    ask(make(folder), [None])
    (file,) = folder.glob("*.jsonl")
    file.write_bytes(b"\0" * 30 + b"\n" + file.read_bytes().partition(b"\n")[2])
    assert (len(read_log(folder).answers), read_log(folder).broken) == (0, 2)


def test_the_log_holds_no_id_and_no_value(folder):
    log = make(folder)
    ask(log, [None], session="alice-2018", tracks=["track-of-alice"], probability=0.25)
    ask(log, [1, None], session="alice-2018", tracks=["track-of-alice", "other"])
    (file,) = folder.glob("*.jsonl")
    lines = [json.loads(line) for line in file.read_text().splitlines() if line]
    keys = set().union(*lines)
    assert keys == {
        *("version", "features", "at", "session", "position", "check", "probability"),
        *("known", "bins", "last", "outcomes"),
    }
    for text in ("alice", "track-of", "other", "0.5"):
        assert text not in file.read_text()
    assert file.stat().st_mode & 0o077 == 0


def test_another_salt_gives_other_hashes(folder, tmp_path):
    hashes = []
    for place in (folder, tmp_path / "other"):
        ask(make(place), [None])
        hashes.append(read_log(place).answers["session"].iloc[0])
    assert hashes[0] != hashes[1]


@pytest.mark.parametrize("text", ["\ud800", "é" * 9000, "", 'a\nb"c'])
def test_any_id_can_be_logged(folder, text):
    ask(make(folder), [None], session=text, tracks=[text])
    assert len(read_log(folder).answers) == 1


def test_bins_are_those_of_the_histogram():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(500, 3)).astype(np.float32)
    values[::7, 1], values[3] = np.nan, np.inf
    edges = [[-1.0, 0.0, 1.0], [0.5], []]
    edges[1] = [float(np.float32(values[1, 1]))]  # a value that is an edge
    padded = np.full((BINS - 1, 3), np.inf, np.float32)
    for column, inner in zip(padded.T, edges, strict=True):
        column[: len(inner)] = inner
    bins = bins_of(values, padded)
    counted = [np.bincount(column, minlength=BINS + 1) for column in bins.T]
    assert np.array_equal(counted, count(values, edges))


def test_only_the_newest_bytes_are_read_where_that_is_asked_for(folder):
    log = make(folder)
    for i in range(200):
        ask(log, [None], session=f"s{i}")
    read = read_log(folder, most=2000)
    assert 5 < len(read.answers) < 30
    assert read.broken == 0
    assert pd.Index(read.answers["at"]).is_monotonic_increasing


def test_memory_and_disk_stay_within_their_limits_whoever_asks(folder, monkeypatch):
    monkeypatch.setattr(request_log, "REMEMBERED", 50)
    log = make(folder)  # of a megabyte
    tracemalloc.start()
    before = 0
    for i in range(1200):
        ask(log, [1] * 20 + [None] * 9, session=f"s{i}" * 100)
        before = before or tracemalloc.get_traced_memory()[0] * (i == 200)
    growth = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert growth < 20_000
    assert 500_000 < sum(path.stat().st_size for path in folder.iterdir()) <= 1_000_000


def test_a_folder_without_files_has_no_answers(tmp_path):
    assert read_log(tmp_path).answers.empty
