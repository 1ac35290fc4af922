import gzip
import random
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from skipcast.archive.sample import read_subset
from skipcast.errors import SkipcastError
from skipcast.schema import LISTENER_LOG, LOG, MSSD_LOG, TRACK, names

LOG_CSV = "training_set/log_mini.csv"
TRACK_CSV = "track_features/tf_mini.csv"


def read(source: Path, tracks: Path | None = None, rows: int = 10**6, seed: int = 0):
    return read_subset(source, tracks, rows=rows, seed=seed)


def rewrite(twin: Path, folder: Path, *, log=lambda t: t, tracks=lambda t: t) -> Path:
    """Copy the twin to `folder` with its two files changed as text."""
    for name, change in ((LOG_CSV, log), (TRACK_CSV, tracks)):
        path = folder / name
        path.parent.mkdir(parents=True)
        path.write_text(change((twin / name).read_text()))
    return folder


def test_folder_gives_every_play_and_exactly_the_tracks_played(twin):
    plays, tracks = read(twin)
    log = pd.read_csv(twin / LOG_CSV)
    assert list(plays) == names(LOG)
    assert plays[names(LISTENER_LOG)].isna().all(axis=None)
    assert list(tracks) == names(TRACK)
    expected = log.sort_values(["session_id", "session_position"], ignore_index=True)
    pd.testing.assert_frame_equal(plays[names(MSSD_LOG)], expected, check_dtype=False)
    assert set(tracks["track_id"]) == set(log["track_id_clean"])


@pytest.mark.parametrize("kind", ["tar.gz", "zip", "csv.gz", "csv", "two tar.gz", "folder of zip"])
def test_every_kind_of_source_gives_the_same(twin, tmp_path, kind):
    source, tracks = tmp_path / f"log_mini.{kind}", None
    if kind == "tar.gz":
        with tarfile.open(source, "w:gz") as archive:
            archive.add(twin, "data")
    elif kind == "two tar.gz":
        source, tracks = tmp_path / "training_set.tar.gz", tmp_path / "track_features.tar.gz"
        for path, folder in ((source, "training_set"), (tracks, "track_features")):
            with tarfile.open(path, "w:gz") as archive:
                archive.add(twin / folder, folder)
    elif kind in ("zip", "folder of zip"):
        source = source.with_suffix(".zip")
        with zipfile.ZipFile(source, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(twin / LOG_CSV, f"data/{LOG_CSV}")
            archive.write(twin / TRACK_CSV, f"data/{TRACK_CSV}")
            archive.writestr(f"__MACOSX/data/training_set/._{Path(LOG_CSV).name}", b"\0\1")
        source = tmp_path if kind == "folder of zip" else source
    elif kind == "csv.gz":
        source.write_bytes(gzip.compress((twin / LOG_CSV).read_bytes()))
        tracks = twin
    else:
        source, tracks = twin / LOG_CSV, twin / TRACK_CSV
    for got, expected in zip(read(source, tracks), read(twin), strict=True):
        pd.testing.assert_frame_equal(got, expected)


def test_subset_is_whole_sessions_and_just_enough(twin):
    plays, _ = read(twin, rows=1000)
    sizes = plays.groupby("session_id").size()
    assert (sizes == plays.groupby("session_id")["session_length"].first()).all()
    assert 1000 <= len(plays) < 1000 + 20


def test_subset_depends_on_the_seed_and_not_on_the_order_or_the_number_of_files(twin, tmp_path):
    lines = (twin / LOG_CSV).read_text().splitlines()
    sessions: dict[str, list[str]] = {}
    for line in lines[1:]:
        sessions.setdefault(line.split(",")[0], []).append(line)
    ids = list(sessions)
    random.Random(1).shuffle(ids)
    folder = rewrite(twin, tmp_path / "parts", log=lambda _: "")
    (folder / LOG_CSV).unlink()
    for part in range(3):
        rows = [row for session in ids[part::3] for row in sessions[session]]
        (folder / f"training_set/log_{part}.csv").write_text("\n".join([lines[0], *rows]) + "\n")
    pd.testing.assert_frame_equal(read(folder, rows=900)[0], read(twin, rows=900)[0])
    other = set(read(twin, rows=900, seed=1)[0]["session_id"])
    assert other != set(read(twin, rows=900)[0]["session_id"])


def test_a_small_sample_is_the_start_of_a_large_one(twin):
    small, large = (set(read(twin, rows=rows)[0]["session_id"]) for rows in (200, 2000))
    assert small < large


def test_memory_does_not_grow_with_the_archive(tmp_path):
    """A log of 40 times the plays, in a process of its own, needs at most 60 MB more."""
    program = """
import resource, sys
from pathlib import Path
from skipcast.archive.sample import read_subset
read_subset(Path(sys.argv[1]), None, rows=2000, seed=0)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    peaks = []
    for sessions in (1000, 40_000):
        folder = tmp_path / str(sessions)
        (folder / "t").mkdir(parents=True)
        row = (
            "{},{},10,t,true,true,true,false,0,0,0,0,0,0,true,1,2018-07-15,true,radio,fwdbtn,fwdbtn"
        )
        with (folder / "log_mini.csv").open("w") as log:
            log.write(",".join(names(MSSD_LOG)) + "\n")
            for session in range(sessions):
                for position in range(1, 11):
                    log.write(row.format(f"twin-{session:09d}", position) + "\n")
        values = ["t"] + ["1"] * (len(TRACK) - 1)
        values[names(TRACK).index("mode")] = "major"
        (folder / "tf.csv").write_text(",".join(names(TRACK)) + "\n" + ",".join(values) + "\n")
        run = subprocess.run(
            [sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=True
        )
        peaks.append(int(run.stdout))
    assert peaks[1] - peaks[0] < 60_000  # kB; the larger log alone is 34 MB of text


def refuses(match: str, source: Path, tracks: Path | None = None) -> None:
    with pytest.raises(SkipcastError, match=match):
        read(source, tracks)


def test_refuses_a_missing_file(tmp_path):
    refuses("fetch.source and fetch.tracks must name files", tmp_path / "nothing.tar.gz")


@pytest.mark.parametrize("kind", ["tar.gz", "zip", "csv.gz"])
@pytest.mark.parametrize("share", [0.3, 0.99])
def test_refuses_an_archive_cut_short(twin, tmp_path, kind, share):
    whole = tmp_path / f"log_mini.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(twin / LOG_CSV, LOG_CSV)
    elif kind == "tar.gz":
        with tarfile.open(whole, "w:gz") as archive:
            archive.add(twin, "data")
    else:
        whole.write_bytes(gzip.compress((twin / LOG_CSV).read_bytes()))
    content = whole.read_bytes()
    whole.write_bytes(content[: int(len(content) * share)])
    refuses("must be a whole archive but is cut short or damaged", whole, twin)


def test_refuses_a_plain_log_cut_between_rows(twin, tmp_path):
    def cut(text):
        rows = text.splitlines(keepends=True)
        last = rows[-1].split(",")[0]
        return "".join(rows[:-1]) if rows[-2].startswith(last) else "".join(rows[:-2])

    refuses("must end with a whole session", rewrite(twin, tmp_path / "cut", log=cut))


def test_refuses_a_plain_log_cut_inside_a_row(twin, tmp_path):
    folder = rewrite(twin, tmp_path / "cut", log=lambda text: text[:-40])
    refuses("log_mini.csv must hold rows of as many fields as its header", folder)


def test_refuses_a_missing_column(twin, tmp_path):
    folder = rewrite(twin, tmp_path / "c", log=lambda t: t.replace("skip_2", "skipped", 1))
    refuses("log_mini.csv must have the official columns but lacks skip_2", folder)


def test_refuses_text_in_a_number_and_names_the_column(twin, tmp_path):
    def spoil(text):
        header, first, *others = text.splitlines(keepends=True)
        fields = first.split(",")
        fields[names(TRACK).index("tempo")] = "fast"
        return "".join([header, ",".join(fields), *others])

    folder = rewrite(twin, tmp_path / "c", tracks=spoil)
    refuses("tempo must be a number .* but got 'fast' in row 1 of .*tf_mini.csv", folder)


def edit(rows):
    """Return a change of a log's text from a change of its rows; the first is the header."""

    def change(text):
        split = [line.split(",") for line in text.splitlines()]
        return "\n".join(",".join(row) for row in rows(split)) + "\n"

    return change


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        (lambda rows: rows[:2] + rows[3:], "session_position must count 1, 2, 3"),
        (lambda rows: rows[:3] + rows[2:], "session_position must count 1, 2, 3"),
        (lambda rows: rows[:1] + rows[2:], "session_position must count 1, 2, 3"),
    ],
    ids=["gap", "duplicate", "no first play"],
)
def test_refuses_a_session_that_is_not_whole(twin, tmp_path, rows, match):
    refuses(match, rewrite(twin, tmp_path / "c", log=edit(rows)))


@pytest.mark.parametrize(
    ("column", "value", "match"),
    [
        (
            "hour_of_day",
            "31",
            "hour_of_day must be a whole number from 0 to 23 but got 31 in row 1",
        ),
        ("date", "15/07/2018", "date must be a date like 2018-07-15 but got '15/07/2018' in row 1"),
        ("context_switch", "2", "context_switch must be true, false, 0 or 1 but got 2 in row 1"),
        ("session_length", "11x", "session_length must be a whole number .* but got '11x'"),
        ("context_type", "", "context_type must be text but got null"),
        ("session_length", "99", "session_length must be the number of plays"),
    ],
)
def test_refuses_a_value_out_of_range(twin, tmp_path, column, value, match):
    def spoil(rows):
        rows[1][names(LOG).index(column)] = value
        return rows

    refuses(match, rewrite(twin, tmp_path / "c", log=edit(spoil)))


def test_refuses_a_play_of_an_unknown_track(twin, tmp_path):
    folder = rewrite(twin, tmp_path / "c", tracks=lambda t: "\n".join(t.splitlines()[:20]) + "\n")
    refuses("track_id_clean must be in the track table", folder)


def test_refuses_a_log_without_track_table(twin):
    refuses("track_id_clean must be in the track table", twin / LOG_CSV)


def test_refuses_a_track_that_comes_twice(twin, tmp_path):
    folder = rewrite(twin, tmp_path / "c", tracks=lambda t: t)
    again = folder / "track_features/tf_again.csv"
    again.write_text("\n".join((twin / TRACK_CSV).read_text().splitlines()[:9]) + "\n")
    refuses(
        r"track_id must be in one file but .* is in .*tf_again.csv and in .*tf_mini.csv", folder
    )
    again.unlink()
    with (folder / TRACK_CSV).open("a") as table:
        table.write((twin / TRACK_CSV).read_text().splitlines()[1] + "\n")
    refuses("track_id must come once in the track table", folder)


def test_refuses_a_folder_without_plays(tmp_path):
    refuses("must hold plays but holds none", tmp_path)


def test_refuses_a_log_without_rows(twin, tmp_path):
    folder = rewrite(twin, tmp_path / "c", log=lambda text: text.splitlines()[0] + "\n")
    refuses("must hold plays but holds none", folder)


def test_a_file_without_rows_beside_others_is_no_fault(twin, tmp_path, plays_and_tracks):
    folder = rewrite(twin, tmp_path / "c")
    (folder / "empty.csv").write_text((twin / LOG_CSV).read_text().splitlines()[0] + "\n")
    pd.testing.assert_frame_equal(read(folder, rows=10**30)[0], plays_and_tracks[0])


def test_refuses_a_session_in_two_files_and_names_both(twin, tmp_path):
    folder = rewrite(twin, tmp_path / "c")
    lines = (twin / LOG_CSV).read_text().splitlines(keepends=True)
    first = [line for line in lines[1:] if line.split(",")[0] == lines[1].split(",")[0]]
    (folder / "more.csv").write_text("".join([lines[0], *first]))
    refuses(rf"session_id must be in one file but .* is in more.csv and in {LOG_CSV}", folder)


def as_given_out_now(text):
    """Give tracks a date in place of the year, a text with commas and quotes, and another order."""
    header, *rows = [line.split(",") for line in text.splitlines()]
    year = header.index("release_year")
    header[year] = "release_date_estimate"
    for i, row in enumerate(rows):
        row[year] += ("-03-01", "-03", "")[i % 3]
    texts = ["track_name", *('"A, ""B"" and\nÇ"' for _ in rows)]
    table = [[text, *row] for text, row in zip(texts, [header, *rows], strict=True)]
    return "\n".join(",".join(row) for row in table) + "\n"


def test_track_files_as_they_are_given_out_now_give_the_same(twin, tmp_path):
    folder = rewrite(twin, tmp_path / "c", tracks=as_given_out_now)
    text = (folder / TRACK_CSV).read_text()
    (folder / TRACK_CSV).unlink()
    header, *rows = text.split('\n"A')
    for part in range(4):
        part_of_rows = "".join(f'\n"A{row.rstrip()}' for row in rows[part::4])
        path = folder / f"track_features/tf_00000000000{part}.csv"
        path.write_text(f"{header}{part_of_rows}\n")
    for got, expected in zip(read(folder), read(twin), strict=True):
        pd.testing.assert_frame_equal(got, expected)


@pytest.mark.parametrize(
    ("date", "match"),
    [
        (
            "1.3.1999",
            "release_date_estimate must be a date like 2018-07-15 or a year but got '1.3.",
        ),
        ("", "release_year must be a whole number .* but got null"),
    ],
)
def test_refuses_a_release_date_that_is_none(twin, tmp_path, date, match):
    def spoil(text):
        lines = as_given_out_now(text).split("\n")
        fields = lines[2].split(",")  # the text of the first track has a line feed
        fields[3] = date
        return "\n".join([*lines[:2], ",".join(fields), *lines[3:]])

    refuses(match, rewrite(twin, tmp_path / "c", tracks=spoil))


def test_the_files_of_the_test_set_are_left_out_and_that_is_told(twin, tmp_path, capsys):
    folder = rewrite(twin, tmp_path / "kit")
    lines = (twin / LOG_CSV).read_text().splitlines()
    few = [",".join(line.split(",")[:4]) for line in lines[:9]]
    (folder / "test_set").mkdir()
    name = "20180715_000000000000.csv"
    (folder / f"test_set/log_input_{name}").write_text("\n".join(few) + "\n")
    (folder / f"test_set/log_prehistory_{name}").write_text("\n".join(lines[:9]) + "\n")
    for got, expected in zip(read(folder), read(twin), strict=True):
        pd.testing.assert_frame_equal(got, expected)
    told = capsys.readouterr().err
    assert f"Left out: 2 files of the test set, the first test_set/log_input_{name}." in told
    assert told.count("test set") == 1


def test_reasons_and_contexts_that_are_new_are_told(twin, tmp_path, capsys):
    folder = rewrite(twin, tmp_path / "c", log=lambda text: text.replace(",catalog,", ",aquarium,"))
    expected = (twin / LOG_CSV).read_text().count(",catalog,")
    plays, _ = read(folder)
    assert (plays["context_type"] == "aquarium").sum() == expected
    told = f"context_type of {expected} plays is new to the model and counts as missing: 'aquarium'"
    assert told in capsys.readouterr().err


def test_both_sources_are_checked_before_one_is_read(twin, tmp_path):
    """The log has a fault, which reading it would find."""
    folder = rewrite(twin, tmp_path / "c", log=lambda text: text.replace(",1,", ",x,"))
    page = tmp_path / "track_features.tar.gz"
    page.write_text("<!DOCTYPE html><title>Sign in</title>")
    refuses("track_features.tar.gz must be CSV, .* but is a web page", folder, page)
    refuses("nothing.zip is neither", folder, tmp_path / "nothing.zip")
    refuses("must be a whole number", folder, twin)
