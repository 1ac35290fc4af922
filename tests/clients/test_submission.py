"""Submissions: answers of a model to a test set of the twin, and the check by hand-made files."""

import os
import pty
import re
import shutil
import subprocess
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from harness.models import log
from harness.servers import ROOT, SKIPCAST

from skipcast.archive import half_sessions
from skipcast.archive.challenge import find_pairs
from skipcast.archive.track_features import read_track_features
from skipcast.clients import batch, submission
from skipcast.clients.submission import check, submit
from skipcast.errors import SkipcastError
from skipcast.evaluation.challenge import decide
from skipcast.schema import AHEAD, TRACK_GROUPS
from skipcast.twin.challenge import write_test_set

SESSIONS = 60
TRUTH = "11111\n0000011\n"


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    """Return a folder with a test set of the tracks of the twin; do not change it."""
    folder = tmp_path_factory.mktemp("kit")
    write_test_set(folder, sessions=SESSIONS, seed=7)
    return folder


@pytest.fixture(scope="module")
def model(logged_model):
    return logged_model(horizon="second_half")


@pytest.fixture(scope="module")
def submitted(kit, model):
    """Return the lines of a submission and what the command counts."""
    target = kit / "submission.txt"
    return submit(kit, target, model.uri), target


def run(folder, *options):
    command = [SKIPCAST, "submit", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.mark.system
def test_a_submission_is_what_the_model_answers_for_each_session(kit, model, submitted):
    rows = pd.concat(t.to_pandas() for pair in find_pairs(kit) for t in pair.read())
    expected = []
    for _, session in rows.groupby("session_id", sort=False):
        answer = model.served.predict(session.reset_index(drop=True))
        probability = answer["skip_probability"].dropna().to_numpy(float)
        assert len(probability) == -(-len(session) // 2)
        skipped = decide(probability, np.zeros(len(probability), int))
        expected.append("".join(str(int(skip)) for skip in skipped))
    assert submitted[1].read_text().splitlines() == expected


@pytest.mark.system
def test_a_submission_counts_sessions_and_plays(kit, submitted):
    lines = (kit / "truth.txt").read_text().split()
    counted = submitted[0]
    assert (counted.pairs, counted.sessions) == (3, SESSIONS)
    assert counted.plays == sum(map(len, lines))


@pytest.mark.system
def test_small_blocks_and_first_halves_in_another_order_give_the_same(
    kit, model, submitted, tmp_path, monkeypatch
):
    monkeypatch.setattr(batch, "BLOCK", 40)
    monkeypatch.setattr(half_sessions, "STEP", 50)
    for path in (kit / "test_set").iterdir():
        header, *rows = path.read_text().splitlines()
        rows = rows[::-1] if "prehistory" in path.name else rows
        (tmp_path / path.name).write_text("\n".join([header, *rows]) + "\n")
    submit(tmp_path, tmp_path / "again.txt", model.uri)
    assert (tmp_path / "again.txt").read_bytes() == submitted[1].read_bytes()


@pytest.mark.system
def test_the_command_answers_and_checks_and_shows_progress(kit, model, tmp_path):
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    ours, theirs = pty.openpty()
    options = ["--test-set", kit, "--output", "out.txt", "--model", model.uri]
    process = subprocess.Popen([SKIPCAST, "submit", *options], cwd=tmp_path, stderr=theirs)
    os.close(theirs)
    said = b""
    try:
        while part := os.read(ours, 4096):
            said += part
    except OSError:  # Linux's way to say that the other side is closed
        pass
    os.close(ours)
    assert process.wait() == 0, said
    assert b"log_input_20180715" in said
    assert b"60 sessions of 3 pairs of files answered" in said
    done = run(tmp_path, "--check", "out.txt", "--truth", kit / "truth.txt")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("60 sessions: MAA 0.")


@pytest.fixture(scope="module")
def lacking(model, track_table):
    """Return MLflow's name of the same model, which knows one track alone."""
    groups = (*TRACK_GROUPS, AHEAD)
    tracks = track_table.iloc[[0, -1]]  # the last stands for all others
    return log(model.fitted, tracks, family="lightgbm", horizon="second_half", groups=groups)


@pytest.mark.system
def test_tracks_that_the_model_lacks_get_their_features(
    kit, twin, lacking, plays_and_tracks, tmp_path
):
    features = read_track_features(twin / "track_features")
    done = submit(kit, tmp_path / "with.txt", lacking.model_uri, features)
    submit(kit, tmp_path / "without.txt", lacking.model_uri)
    rows = pd.concat(t.to_pandas() for pair in find_pairs(kit) for t in pair.read())
    tracks = plays_and_tracks[1].rename(columns={"track_id": "track_id_clean"})
    served = mlflow.pyfunc.load_model(lacking.model_uri)
    answer = served.predict(rows.merge(tracks, on="track_id_clean", how="left"))
    is_asked = answer["skipped"].notna()
    probability = answer["skip_probability"][is_asked].to_numpy(float)
    skipped = decide(probability, pd.factorize(answer["session_id"][is_asked])[0])
    expected = "".join(str(int(skip)) for skip in skipped)
    assert (tmp_path / "with.txt").read_text().replace("\n", "") == expected
    assert (tmp_path / "without.txt").read_text().replace("\n", "") != expected
    unknown = ~answer["track_id_clean"].isin(plays_and_tracks[1]["track_id"])
    assert done.unknown == (unknown & is_asked).sum() > 0


@pytest.mark.system
def test_the_command_finds_track_features_beside_and_counts_what_nobody_knows(
    kit, twin, model, tmp_path
):
    shutil.copytree(kit / "test_set", tmp_path / "kit/test_set")
    shutil.copytree(twin / "track_features", tmp_path / "kit/track_features")
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    options = ("--test-set", "kit/test_set", "--output", "out.txt", "--model", model.uri)
    printed = run(tmp_path, *options).stderr
    assert re.search(r"Features of \d[\d,]* tracks: .*kit/track_features\n", printed)
    assert re.search(
        r"\d+ of these plays \(.+%\) are of tracks that neither the model nor", printed
    )
    assert "--tracks" not in printed


@pytest.mark.system
def test_track_features_that_are_not_there_are_told_before_the_work(kit, model, tmp_path):
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    options = ("--test-set", kit, "--output", "out.txt", "--model", model.uri, "--tracks", "none")
    done = run(tmp_path, *options)
    assert (done.returncode, (tmp_path / "out.txt").exists()) == (1, False)
    assert "--tracks must name a file or a folder of track features but none is" in done.stderr


@pytest.mark.system
def test_a_model_of_another_horizon_is_refused_with_what_makes_one(kit, logged_model, tmp_path):
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    options = ("--test-set", kit, "--output", "out.txt", "--model", logged_model().uri)
    done = run(tmp_path, *options)
    assert done.returncode == 1
    assert "must be a model of the horizon second_half" in done.stderr
    assert "but is of started. `skipcast run --set features.horizon=second_half" in done.stderr
    assert not (tmp_path / "out.txt").exists()


@pytest.mark.system
@pytest.mark.usefixtures("tracking")
@pytest.mark.parametrize("name", ["models:/nobody@champion", "no-folder"])
def test_a_model_that_is_not_there_is_named_with_what_makes_one(kit, tmp_path, name):
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    done = run(tmp_path, "--test-set", kit, "--output", "out.txt", "--model", name)
    assert done.returncode == 1
    assert f"but {name} is none. `skipcast run --set features.horizon=second_half" in done.stderr


@pytest.mark.system
def test_a_model_of_another_label_is_refused(kit, model, tmp_path):
    """The challenge asks for skip_2: a model that predicts all skips answers another question."""
    folder = Path(shutil.copytree(mlflow.artifacts.download_artifacts(model.uri), tmp_path / "m"))
    (about,) = folder.rglob("model.json")
    about.write_text(about.read_text().replace('"skip": "brief"', '"skip": "any"'))
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    done = run(tmp_path, "--test-set", kit, "--output", "out.txt", "--model", folder)
    assert done.returncode == 1
    assert "must predict features.skip brief, which the challenge asks for, but" in done.stderr


@pytest.mark.system
@pytest.mark.parametrize(
    ("output", "message"),
    [(".", "must be a file but is a folder"), ("file/x.txt", "must be writable but is not")],
)
def test_an_output_that_cannot_be_is_told(kit, model, tmp_path, output, message):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(SkipcastError, match=message):
        submit(kit, tmp_path / output, model.uri)


@pytest.mark.system
def test_a_session_without_a_first_half_leaves_the_submission_as_it_was(kit, model, tmp_path):
    for path in (kit / "test_set").iterdir():
        lines = path.read_text().splitlines()
        (tmp_path / path.name).write_text("\n".join(lines[:-1]) + "\n")
    target = tmp_path / "submission.txt"
    target.write_text("before")
    with pytest.raises(SkipcastError, match=r"log_prehistory_20180715.* must have the positions"):
        submit(tmp_path, target, model.uri)
    assert target.read_text() == "before"


@pytest.mark.system
def test_files_without_rows_are_no_submission(kit, model, tmp_path):
    for path in (kit / "test_set").iterdir():
        (tmp_path / path.name).write_text(path.read_text().splitlines()[0] + "\n")
    with pytest.raises(SkipcastError, match="must hold sessions but its files hold none"):
        submit(tmp_path, tmp_path / "submission.txt", model.uri)


@pytest.fixture
def files(tmp_path):
    """Return a function that writes a submission and the truth, and checks it."""

    def checked(text, truth=TRUTH):
        (tmp_path / "s.txt").write_bytes(text.encode())
        (tmp_path / "t.txt").write_bytes(truth.encode())
        return check(tmp_path / "s.txt", tmp_path / "t.txt")

    return checked


def test_a_right_submission_has_all(files):
    checked = files(TRUTH)
    assert (checked.sessions, checked.maa, checked.fpa) == (2, 1.0, 1.0)


@pytest.mark.parametrize(
    ("line", "maa", "fpa"),
    [("01111", 0.543, 0), ("10111", 0.643, 1), ("11011", 0.71, 1), ("11101", 0.76, 1),
     ("11110", 0.8, 1), ("00000", 0, 0)],
)  # fmt: skip
def test_a_session_scores_as_the_challenge_says(files, line, maa, fpa):
    checked = files(f"{line}\n", "11111\n")
    assert (round(checked.maa, 3), checked.fpa) == (maa, fpa)


def test_scores_are_means_over_sessions_not_plays(files):
    checked = files("01111\n0000011\n")
    assert checked.maa == pytest.approx((0.5433333 + 1) / 2)
    assert checked.fpa == 0.5


def test_a_last_line_may_have_no_end(files):
    assert files(TRUTH.rstrip()).maa == 1


def test_many_lines_are_read_in_parts(files, monkeypatch):
    monkeypatch.setattr(submission, "LINES", 3)
    rng = np.random.default_rng(0)
    lines = ["".join(rng.choice(["0", "1"], rng.integers(5, 11))) for _ in range(10)]
    zeros = ["0" * len(line) for line in lines]
    means = []
    for line in lines:
        right = [character == "0" for character in line]
        means.append(np.mean([np.mean(right[: i + 1]) * right[i] for i in range(len(right))]))
    assert files("\n".join(zeros), "\n".join(lines)).maa == pytest.approx(np.mean(means))


WRONG = {
    "Line 2 of s.txt must have 7 characters, one per play of the session's second half, but has 6.":
        "11111\n000001\n",
    "Line 1 of s.txt must have 5 characters": "111111\n0000011\n",
    "Line 2 of s.txt must have the characters 0 and 1 alone, at least one, but has '2'":
        "11111\n0020011\n",
    "Line 1 of s.txt must have the characters 0 and 1 alone, at least one, but has ' '":
        "11 11\n0000011\n",
    r"Line 1 of s.txt must have the characters 0 and 1 alone, at least one, but has '\r'":
        "11111\r\n0000011\r\n",
    "Line 1 of s.txt must have the characters 0 and 1 alone, at least one, but has '['":
        "[1,1,1,1,1]\n0000011\n",
    "Line 2 of s.txt must have the characters 0 and 1 alone, at least one, but has nothing":
        "11111\n\n",
    "s.txt must have as many lines as the truth but ends after line 1.": "11111\n",
    "s.txt must have as many lines as the truth but ends after line 0.": "",
    "s.txt must have as many lines as the truth but goes on after line 2.": f"{TRUTH}11111\n",
}  # fmt: skip


@pytest.mark.parametrize("message", WRONG)
@pytest.mark.parametrize("lines", [1, 2, 100])
def test_a_wrong_submission_is_refused_by_line(files, message, lines, monkeypatch, tmp_path):
    monkeypatch.setattr(submission, "LINES", lines)
    with pytest.raises(SkipcastError) as caught:
        files(WRONG[message])
    assert message in str(caught.value).replace(f"{tmp_path}/", "")


def test_a_wrong_truth_is_refused_by_line(files):
    with pytest.raises(SkipcastError, match=r"Line 1 of .*t\.txt must have the characters 0 and 1"):
        files(TRUTH, "s,1\n")


def test_an_empty_truth_is_refused(files):
    with pytest.raises(SkipcastError, match="must have a line per session but is empty"):
        files("", "")


@pytest.mark.parametrize("gone", ["s.txt", "t.txt"])
def test_a_file_that_is_not_there_is_named(tmp_path, gone):
    for name in {"s.txt", "t.txt"} - {gone}:
        (tmp_path / name).write_text(TRUTH)
    with pytest.raises(SkipcastError, match=f"{gone} must be readable but is not: No such file"):
        check(tmp_path / "s.txt", tmp_path / "t.txt")


@pytest.mark.parametrize(
    "options",
    [(), ("--test-set", "a"), ("--output", "a"), ("--check", "a"), ("--truth", "a"),
     ("--check", "a", "--truth", "b", "--model", "c"),
     ("--check", "a", "--truth", "b", "--tracks", "c"),
     ("--check", "a", "--truth", "b", "--test-set", "c", "--output", "d")],
)  # fmt: skip
def test_options_that_do_not_go_together_are_refused(options):
    done = run(Path.cwd(), *options)
    assert done.returncode == 1
    assert "must be given --test-set and --output, or --check and --truth" in done.stderr
