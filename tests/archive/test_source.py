"""Which files of a folder are read: each once, none that is hidden; what is left out is told."""

import bz2
import gzip
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from harness.archives import write_tar, write_zip

from skipcast.archive.source import Source
from skipcast.errors import SkipcastError

LOG = b"session_id,session_position\ns,1\n"
OTHER = b"session_id,session_position\nt,1\n"
TRACKS = b"track_id,duration\na,1\n"


def names(path):
    """Return the names of the files that are read, in order."""
    return [file.name for file in Source(path).open()]


def write(path: Path, content: bytes = LOG) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def refuses(match, path):
    with pytest.raises(SkipcastError, match=match):
        names(path)


def test_a_folder_gives_files_and_archives_in_order(tmp_path):
    write(tmp_path / "c.CSV")
    write_zip(tmp_path / "b.ZIP", {"1.csv": OTHER})
    write(tmp_path / "a/d.csv", TRACKS)
    assert names(tmp_path) == ["a/d.csv", "b.ZIP/1.csv", "c.CSV"]


def test_a_folder_that_is_called_as_a_file_is_a_folder(tmp_path):
    """Spark writes such."""
    write(tmp_path / "log.csv/part-0000.csv")
    write(tmp_path / "log.csv/_SUCCESS", b"")
    write(tmp_path / "log.csv/.part-0000.csv.crc", b"crc\0")
    write(tmp_path / "x.zip/part-0001.csv", OTHER)
    assert names(tmp_path) == ["log.csv/part-0000.csv", "x.zip/part-0001.csv"]


@pytest.mark.parametrize(
    "hidden",
    ["._log.csv", ".log.csv", ".ipynb_checkpoints/log-checkpoint.csv", "__MACOSX/log.csv",
     ".git/annex/log.csv", "a/.cache/b/log.csv"],
)  # fmt: skip
def test_what_is_hidden_is_not_read(tmp_path, hidden):
    write(tmp_path / "log.csv")
    write(tmp_path / hidden, b"\0damaged")
    assert names(tmp_path) == ["log.csv"]


def test_a_source_in_a_hidden_folder_is_read(tmp_path):
    assert names(write(tmp_path / ".cache/mssd/log.csv").parent) == ["log.csv"]


@pytest.mark.parametrize("place", ["", "training_set/"])
@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_an_archive_beside_its_unpacked_files_is_not_read_again(tmp_path, capsys, place, kind):
    files = {"data/1.csv": LOG, "data/2.csv": OTHER}
    path = tmp_path / f"training_set.{kind}"
    if kind == "zip":
        write_zip(path, files)
    else:
        write_tar(path, files, compressed=kind == "tar.gz")
    shutil.unpack_archive(path, tmp_path / place)
    assert names(tmp_path) == [f"{place}data/1.csv", f"{place}data/2.csv"]
    told = f"Left out: training_set.{kind} where it is unpacked beside itself."
    assert capsys.readouterr().err.splitlines() == [told]


def test_of_an_archive_that_is_unpacked_in_part_the_rest_is_read(tmp_path):
    write_zip(tmp_path / "a.zip", {"1.csv": LOG, "2.csv": OTHER})
    write(tmp_path / "1.csv", LOG)
    assert names(tmp_path) == ["1.csv", "a.zip/2.csv"]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_a_packed_file_beside_itself_is_not_read_again(tmp_path, capsys, pack):
    suffix = "gz" if pack is gzip.compress else "bz2"
    write(tmp_path / "log.csv")
    write(tmp_path / f"log.csv.{suffix}", pack(LOG))
    assert names(tmp_path) == ["log.csv"]
    assert f"Left out: log.csv.{suffix}, unpacked as log.csv." in capsys.readouterr().err


def test_an_archive_alone_is_read_whatever_is_beside_it(tmp_path):
    path = write_zip(tmp_path / "a.zip", {"1.csv": LOG})
    write(tmp_path / "1.csv")
    assert names(path) == ["a.zip/1.csv"]


@pytest.mark.parametrize("how", [shutil.copy, Path.symlink_to, Path.hardlink_to])
def test_the_same_archive_under_two_names_is_read_once(tmp_path, capsys, how):
    path = write_zip(tmp_path / "log.zip", {"1.csv": LOG})
    again = tmp_path / "log (1).zip"
    how(path, again) if how is shutil.copy else how(again, path)
    assert names(tmp_path) == ["log (1).zip/1.csv"]
    assert "Left out: log.zip, the same as log (1).zip." in capsys.readouterr().err


def test_links_are_followed_and_none_of_them_in_circles(tmp_path):
    folder = tmp_path / "source"
    write(tmp_path / "elsewhere/log.csv")
    write(folder / "b/tracks.csv", TRACKS)
    (folder / "a").symlink_to(tmp_path / "elsewhere")
    (folder / "b/up").symlink_to(folder)
    (folder / "c").symlink_to(folder / "b")
    assert len(names(folder)) == 2


def test_a_link_to_nothing_is_named(tmp_path):
    """So are files of DVC whose cache is gone."""
    (tmp_path / "log.csv").symlink_to(tmp_path / "gone")
    refuses(r"log\.csv must be readable but is not: No such file", tmp_path)


def test_files_that_are_neither_logs_nor_tracks_are_left_out_and_told(tmp_path, capsys):
    write(tmp_path / "log.csv")
    write(tmp_path / "prices.csv", b"a,b\n1,2\n")
    assert names(tmp_path) == ["log.csv"]
    told = "Left out: 1 files without session_id and track_id, the first prices.csv."
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_another_separator_is_named(tmp_path, separator):
    write(tmp_path / "log.csv", LOG.replace(b",", separator.encode()))
    refuses(r"Columns of log\.csv must be separated by commas but are by ", tmp_path)


@pytest.mark.parametrize("name", ["Session_ID", " session_id", "TRACK_ID"])
def test_a_key_in_another_spelling_is_named(tmp_path, name):
    plain = name.strip().lower()
    write(tmp_path / "log.csv", f"x,{name}\n1,2\n".encode())
    refuses(rf"log\.csv must have the column {plain} but has '{name}'\. Rename it", tmp_path)


@pytest.mark.parametrize(
    "path", ["20181113_test_set.tar/test_set/log_input_20180915_000000000000.csv",
             "a/test_set/log_mini.csv", "log_prehistory_20180915_000000000000.csv"]
)  # fmt: skip
def test_files_of_the_test_set_are_left_out_and_told(tmp_path, capsys, path):
    write(tmp_path / "training_set/log_mini.csv", LOG)
    write(tmp_path / path, OTHER)
    assert names(tmp_path) == ["training_set/log_mini.csv"]
    assert f"Left out: 1 files of the test set, the first {path}." in capsys.readouterr().err


def test_a_file_of_another_kind_is_named_before_any_is_read(tmp_path):
    write(tmp_path / "a.csv")
    write(tmp_path / "z/b.csv", b"<html>")
    with pytest.raises(SkipcastError, match=r"z/b\.csv must be CSV, .* but is a web page"):
        Source(tmp_path)


@pytest.mark.parametrize("path", ["~/mssd", "$MSSD", "${MSSD}/", "~/../{}/mssd", "$MSSD/log.csv"])
def test_home_and_variables_are_replaced(tmp_path, monkeypatch, path):
    write(tmp_path / "mssd/log.csv")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MSSD", str(tmp_path / "mssd"))
    assert names(path.replace("{}", tmp_path.name)) == ["log.csv"]


def test_a_folder_whose_name_has_such_signs_is_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "~cash$HOME/log.csv")
    assert names("~cash$HOME") == ["log.csv"]


def test_a_variable_that_is_not_set_is_named_and_its_remedy_works(tmp_path):
    write(tmp_path / "log.csv")
    program = (
        f"{sys.executable} -c 'from skipcast.archive.source import Source; Source(\"$MUSIC/\")'"
    )
    failed = subprocess.run(program, shell=True, capture_output=True, text=True, check=False)
    remedy = "export MUSIC=..."
    assert f"The variable MUSIC is not set: `{remedy}` sets it." in failed.stderr
    typed = f"{remedy.replace('...', str(tmp_path))}; {program}"
    subprocess.run(typed, shell=True, check=True)


def test_of_an_archive_that_is_named_the_first_file_is_opened_at_once(tmp_path):
    path = write_zip(tmp_path / "a.zip", {"1.csv": b"<html>"})
    with pytest.raises(SkipcastError, match=r"a\.zip/1\.csv must be CSV, .* but is a web page"):
        Source(path)


@pytest.mark.parametrize(
    "path", ["", "~nobody-of-this-name/log.csv", "log.csv", "https:/a.b/log.csv"]
)
def test_what_is_not_there_is_named(path):
    refuses("fetch.source and fetch.tracks must name files or folders but .* is neither", path)
