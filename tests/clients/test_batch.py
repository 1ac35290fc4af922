"""Batch prediction: how files are cut, what the parent needs, what it says to a terminal."""

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from harness.buckets import s3_server
from pyarrow import csv

from skipcast.clients import batch
from skipcast.errors import SkipcastError
from skipcast.parts import cut, write_parts
from skipcast.schema import LOG, names
from skipcast.storage import locate, upload

ROOT = Path(__file__).parents[2]
SKIPCAST = Path(sys.executable).with_name("skipcast")


def blocks(sizes, per_table):
    """Cut sessions of some sizes, which come in tables of some rows; return their sessions."""
    ids = [f"s{i}" for i, size in enumerate(sizes) for _ in range(size)]
    whole = pa.table({"session_id": ids, "row": range(len(ids))})
    tables = (whole.slice(i, per_table) for i in range(0, len(ids), per_table))
    cut = list(batch.blocks(tables))
    assert [row for block in cut for row in block["row"].to_pylist()] == [*range(len(ids))]
    return [list(dict.fromkeys(block["session_id"].to_pylist())) for block in cut]


@pytest.mark.parametrize("per_table", [1, 3, 100])
def test_blocks_are_whole_sessions_within_the_limit_or_one_longer_session(monkeypatch, per_table):
    monkeypatch.setattr(batch, "BLOCK", 5)
    assert blocks([2, 3, 1, 4], per_table) == [["s0", "s1"], ["s2", "s3"]]
    assert blocks([2, 9, 2, 2, 2], per_table) == [["s0"], ["s1"], ["s2", "s3"], ["s4"]]
    assert blocks([9], per_table) == [["s0"]]


PLAYS = pa.table(
    {"session_id": ["a", "b"], "session_position": [1, 1], "track_id_clean": ["t", "u"]}
)


def read(path):
    return pa.concat_tables(batch.read(path)).to_pylist()


@pytest.mark.parametrize("name", ["p.csv", "P.CSV", "p.csv.gz", "p.parquet", "P.PARQUET"])
def test_a_file_is_read_whatever_the_letters_of_its_name(tmp_path, name):
    if name.lower().endswith(".parquet"):
        pq.write_table(PLAYS, tmp_path / name)
    else:
        csv.write_csv(PLAYS, tmp_path / name)
    assert read(tmp_path / name) == PLAYS.to_pylist()


def test_the_index_of_pandas_in_parquet_is_no_column(tmp_path):
    PLAYS.to_pandas().set_index(pd.Index([7, 9])).to_parquet(tmp_path / "p.parquet")
    assert read(tmp_path / "p.parquet") == PLAYS.to_pylist()


WRONG = {
    "got 'moon'. docs/serving.md lists them": PLAYS.append_column("moon", [["full", "new"]]),
    "track_id_clean must be given for each play": PLAYS.drop_columns("track_id_clean"),
    "session_id must be text that is not empty but got 7 in row 1": PLAYS.set_column(
        0, "session_id", pa.array([7, 8])
    ),
    "premium must be true, false, null, 0 or 1 but got 2 in row 2": PLAYS.append_column(
        "premium", pa.array([1, 2], pa.int8())
    ),
    "tempo must be a number within 1,000,000 of 0, or null but got [1]": PLAYS.append_column(
        "tempo", pa.array([[1], [2]])
    ),
}


@pytest.mark.parametrize("match", WRONG)
def test_a_parquet_file_is_refused_in_the_words_of_the_server(tmp_path, match):
    pq.write_table(WRONG[match], tmp_path / "p.parquet")
    with pytest.raises(SkipcastError, match=re.escape(match)):
        read(tmp_path / "p.parquet")


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("p.csv", b"<html>", r"p\.csv must be CSV, .* but is a web page"),
        ("p.csv", b"", r"p\.csv must be CSV, .* but is empty"),
        ("p.parquet", b"<html>", r"p\.parquet must be Parquet but is not"),
        ("p.csv", b"session_id\tsession_position\n", "separated by commas but are by tabs"),
    ],
)
def test_a_file_of_another_kind_is_named(tmp_path, name, content, match):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SkipcastError, match=match):
        read(tmp_path / name)


@pytest.fixture
def folder(tmp_path):
    """A folder with three files of plays, one a format, and others."""
    folder = tmp_path / "plays"
    folder.mkdir()
    csv.write_csv(PLAYS, folder / "1.csv")
    pq.write_table(PLAYS, folder / "2.parquet")
    csv.write_csv(PLAYS, folder / "3.csv.gz")
    (folder / "README").write_text("no plays")
    return folder


def test_a_folder_is_read_file_after_file(folder):
    assert read(folder) == PLAYS.to_pylist() * 3


def test_files_of_other_columns_than_those_before_are_refused(folder):
    more = PLAYS.append_column("premium", pa.array([True, False]))
    csv.write_csv(more, folder / "3.csv")
    with pytest.raises(SkipcastError, match=r"3\.csv must have the columns of the files before it"):
        read(folder)
    assert len(read(folder / "3.csv")) == 2  # as the remedy says


def test_a_folder_without_plays_is_refused(tmp_path):
    with pytest.raises(SkipcastError, match=r"must hold files whose names end in \.csv"):
        read(tmp_path)


@pytest.fixture
def parts(tmp_path):
    """A table of plays in two parts."""
    frame = PLAYS.to_pandas()
    return write_parts(tmp_path / "plays", (frame[:1], frame[1:]), made_by="fetch").folder


def test_a_table_in_parts_is_read_as_a_whole(parts):
    assert read(parts) == PLAYS.to_pylist()


@pytest.mark.parametrize(
    ("damage", "match"),
    [
        (lambda part: part.unlink(), "part-00001.parquet must be there but is not"),
        (lambda part: part.write_bytes(b"PAR1"), "part-00001.parquet must be as the stage fetch"),
        (lambda part: shutil.copy(part.with_name("part-00000.parquet"), part), "is of another run"),
    ],
)
def test_a_part_that_is_missing_or_damaged_is_named(parts, damage, match):
    damage(parts / "part-00001.parquet")
    with pytest.raises(SkipcastError, match=match):
        read(parts)


def test_a_session_in_two_blocks_is_refused(monkeypatch):
    """Each part would be scored as a session of its own."""
    monkeypatch.setattr(batch, "BLOCK", 1)
    again = pa.concat_tables([PLAYS, PLAYS])
    with pytest.raises(SkipcastError, match="session_id must stand in one run of rows but 2 sess"):
        list(batch.once(batch.blocks([again])))
    assert len(list(batch.once(batch.blocks([PLAYS])))) == 2


@pytest.fixture(scope="module")
def files(plays, logged_model, tmp_path_factory):
    """Return a model, and a folder with a CSV and a Parquet file of many blocks."""
    folder = tmp_path_factory.mktemp("files")
    log = plays[names(LOG)]
    many = [log.assign(session_id=log["session_id"] + f"-{i}") for i in range(20)]
    table = pd.concat(many, ignore_index=True)
    table.to_parquet(folder / "plays.parquet")
    table.to_csv(folder / "plays.csv", index=False)
    return logged_model().uri, folder


@pytest.mark.system
def test_a_model_that_is_not_there_is_named_whatever_is_left_to_send(files):
    """The file is larger than a pipe holds: its rest must not hide the reason."""
    _, folder = files
    with pytest.raises(SkipcastError, match="models:/nobody/1 must score the plays but does not"):
        batch.predict(folder / "plays.csv", folder / "answer.csv", "models:/nobody/1")


@pytest.mark.system
@pytest.mark.parametrize("name", ["plays.csv", "plays.parquet"])
def test_the_parent_reads_and_writes_and_imports_no_more(files, name):
    """Its start is the start of the whole: MLflow, pandas and the boosters are the workers'."""
    model, folder = files
    program = (
        "import sys, skipcast.cli.main, skipcast.clients.batch\n"
        "from pathlib import Path\n"
        "source, target, model = sys.argv[1:]\n"
        "skipcast.clients.batch.predict(Path(source), Path(target), model, history=True)\n"
        "print({'mlflow', 'pandas', 'pandera', 'sklearn', 'lightgbm'} & {*sys.modules})"
    )
    command = [sys.executable, "-c", program, folder / name, folder / f"answer-{name}", model]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.system
def test_several_processes_answer_in_the_order_of_the_file(files):
    model, folder = files
    assert pq.read_metadata(folder / "plays.parquet").num_rows > 5 * batch.BLOCK
    source = pd.read_parquet(folder / "plays.parquet")
    target = folder / "answer.parquet"
    outcome = batch.predict(folder / "plays.csv", target, model, history=True)
    answer = pd.read_parquet(target)
    assert (outcome.plays, outcome.scored) == (len(source), len(source))
    keys = ["session_id", "session_position", "track_id_clean"]
    pd.testing.assert_frame_equal(answer[keys], source[keys], check_dtype=False)
    copies = answer["skip_probability"].to_numpy().reshape(20, -1)
    assert (copies == copies[0]).all()


@pytest.mark.system
def test_a_folder_gives_the_answers_of_one_file(files, plays, tmp_path):
    """Also where a session begins in one block and the next file ends it."""
    model, _ = files
    log = plays[names(LOG)]
    for number, start in enumerate(range(0, len(log), 700)):
        log[start : start + 700].to_parquet(tmp_path / f"{number}.parquet")
    log.to_parquet(tmp_path / "whole.pq.parquet")
    (tmp_path / "whole.pq.parquet").rename(tmp_path.with_suffix(".parquet"))
    answers = []
    for source in (tmp_path, tmp_path.with_suffix(".parquet")):
        target = tmp_path / "answer.csv"
        batch.predict(source, target, model, history=True)
        answers.append(target.read_bytes())
        target.unlink()
    assert answers[0] == answers[1]


@pytest.mark.system
def test_workers_of_a_cluster_give_the_answers_of_one_machine(files, plays, tmp_path):
    model, _ = files
    shutil.copy(ROOT / "params.yaml", tmp_path)
    write_parts(tmp_path / "plays", cut(plays[[*names(LOG)]], rows=1500), made_by="fetch")
    written = []
    with s3_server():
        bucket = locate("s3://plays")
        bucket.fs.mkdir("plays")
        for path in (tmp_path / "plays").iterdir():
            upload(path, bucket / "in" / path.name)
        for scheduler, source, folder in (
            ("", "plays", "."),
            ("local", "plays", "."),
            ("local", "s3://plays/in", "s3://plays/out"),
        ):
            changes = {"cluster.scheduler": scheduler, "cluster.workers": "2"} if scheduler else {}
            command = [
                SKIPCAST, "predict", "--input", source, "--output", f"{folder}/a.csv",
                "--model", model, "--score-history", "--summary", f"{folder}/s.json",
            ]  # fmt: skip
            environment = {**os.environ, "SKIPCAST_PARAMS": json.dumps(changes)}
            done = subprocess.run(
                command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
            place = bucket / "out" if "//" in folder else tmp_path
            written.append([(place / name).read_bytes() for name in ("a.csv", "s.json")])
    assert written[0] == written[1] == written[2]
    assert {path.name for path in tmp_path.iterdir()} == {"a.csv", "s.json", "plays", "params.yaml"}


@pytest.mark.system
@pytest.mark.parametrize(("name", "sign"), [("plays.csv", " MB"), ("plays.parquet", "100%")])
def test_a_terminal_sees_progress(files, name, sign):
    model, folder = files
    (folder / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    program = Path(sys.executable).with_name("skipcast")
    ours, theirs = pty.openpty()
    command = [program, "predict", "--input", name, "--output", "out.csv", "--model", model]
    process = subprocess.Popen([*command, "--score-history"], cwd=folder, stderr=theirs)
    os.close(theirs)
    output = b""
    try:
        while part := os.read(ours, 4096):
            output += part
    except OSError:  # Linux's way to say that the other side is closed
        pass
    os.close(ours)
    assert process.wait() == 0, output
    assert f"{name} ".encode() in output
    assert sign.encode() in output
    assert b"plays scored: out.csv" in output
