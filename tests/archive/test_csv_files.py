"""CSV files in files and archives of every kind that is read, and of some that are not."""

import bz2
import gzip
import lzma
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from harness.archives import write_tar, write_zip

from skipcast.archive.csv_files import CsvFile, is_hidden, open_file
from skipcast.column import Column
from skipcast.errors import SkipcastError

COLUMNS = (Column("id", "text"), Column("number", "bigint"))
TABLE = b"id,number\na,1\nb,2\n"
OTHER = b"id,number\nc,3\n"
READ = {TABLE: [("a", 1), ("b", 2)], OTHER: [("c", 3)]}


def rows(file: CsvFile) -> list[tuple[object, ...]]:
    batches = file.read(COLUMNS, file=file.name)
    return [tuple(row.values()) for batch in batches for row in batch.to_pylist()]


def contents(path: Path) -> dict[str, list[tuple[object, ...]]]:
    return {file.name: rows(file) for file in open_file(path, path.name)}


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def refuses(match: str, path: Path) -> None:
    with pytest.raises(SkipcastError, match=match):
        contents(path)


@pytest.mark.parametrize("name", ["t.csv", "T.CSV", "log.csv.gz", "log", "log.txt"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_file_is_read_by_its_content_whatever_its_name(tmp_path, name, pack):
    """A browser unpacks a file and keeps its name."""
    assert contents(write(tmp_path / name, pack(TABLE))) == {name: READ[TABLE]}


@pytest.mark.parametrize("name", ["a.tar", "a.TAR.GZ", "a.tgz", "a.zip", "a.csv"])
@pytest.mark.parametrize("compressed", [False, True])
def test_a_tar_archive_gives_each_of_its_files(tmp_path, name, compressed):
    files = {"x/1.csv": TABLE, "x/2.CSV": OTHER}
    path = write_tar(tmp_path / name, files, compressed=compressed)
    assert contents(path) == {f"{name}/x/1.csv": READ[TABLE], f"{name}/x/2.CSV": READ[OTHER]}


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_a_zip_archive_gives_each_of_its_files_in_order(tmp_path, method):
    path = write_zip(tmp_path / "a.ZIP", {"x/2.csv": OTHER, "x/1.CSV": TABLE}, method)
    assert contents(path) == {"a.ZIP/x/1.CSV": READ[TABLE], "a.ZIP/x/2.csv": READ[OTHER]}
    assert list(contents(path)) == ["a.ZIP/x/1.CSV", "a.ZIP/x/2.csv"]


def test_a_compressed_file_in_an_archive_is_unpacked_twice(tmp_path):
    files = {"1.csv.gz": gzip.compress(TABLE)}
    assert contents(write_zip(tmp_path / "a.zip", files)) == {"a.zip/1.csv.gz": READ[TABLE]}
    path = write_tar(tmp_path / "a.tar", files)
    assert contents(path) == {"a.tar/1.csv.gz": READ[TABLE]}


@pytest.mark.parametrize(
    "name", ["README.md", "._1.csv", "__MACOSX/._1.csv", ".ipynb_checkpoints/1-checkpoint.csv",
             "x/.hidden/1.csv", "__MACOSX\\1.csv", "x.csv/"]
)  # fmt: skip
def test_other_files_and_hidden_ones_are_passed_over(tmp_path, name):
    files = {name: b"" if name.endswith("/") else b"\0\1", "./1.csv": TABLE}
    path = write_zip(tmp_path / "a.zip", files)
    assert list(contents(path)) == ["a.zip/./1.csv"]
    if "\\" not in name and not name.endswith("/"):
        assert list(contents(write_tar(tmp_path / "a.tar", files))) == ["a.tar/./1.csv"]


def test_a_name_that_is_twice_in_a_zip_archive_is_read_once(tmp_path):
    path = write_zip(tmp_path / "a.zip", {"1.csv": OTHER})
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("1.csv", TABLE)
    assert contents(path) == {"a.zip/1.csv": READ[TABLE]}


def test_files_that_the_caller_passes_over_are_not_opened(tmp_path):
    path = write_zip(tmp_path / "a.zip", {"1.csv": TABLE, "2.csv": b"\0"})
    skipped = []

    def skip(name, size):
        skipped.append((name, size))
        return name == "2.csv"

    assert [file.name for file in open_file(path, "a.zip", skip)] == ["a.zip/1.csv"]
    assert skipped == [("1.csv", len(TABLE)), ("2.csv", 1)]


@pytest.mark.parametrize("kind", ["csv.gz", "tar.gz", "tar", "zip"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_file_that_is_cut_short_is_an_error(tmp_path, kind, share):
    many = TABLE + b"".join(b"%d,%d\n" % (i, i * i) for i in range(5000))
    path = tmp_path / f"a.{kind}"
    if kind == "zip":
        write_zip(path, {"1.csv": many})
    elif kind == "csv.gz":
        path.write_bytes(gzip.compress(many))
    else:
        write_tar(path, {"1.csv": many}, compressed=kind == "tar.gz")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    refuses("must be a whole archive but is cut short or damaged", path)


def test_a_zip_archive_with_a_wrong_checksum_is_an_error(tmp_path):
    path = write_zip(tmp_path / "a.zip", {"1.csv": TABLE}, zipfile.ZIP_STORED)
    path.write_bytes(path.read_bytes().replace(b"b,2", b"b,3"))
    refuses("cut short or damaged: Bad CRC-32", path)


NESTED = {
    "zip in zip": ("a.zip", lambda p: write_zip(p, {"1.csv": TABLE})),
    "tar.gz in zip": ("a.tar.gz", lambda p: write_tar(p, {"1.csv": TABLE}, compressed=True)),
    "tar in zip": ("a.tar", lambda p: write_tar(p, {"1.csv": TABLE})),
}


@pytest.mark.parametrize("kind", NESTED)
@pytest.mark.parametrize("outer", ["zip", "tar"])
def test_an_archive_in_an_archive_is_named_and_its_remedy_works(tmp_path, kind, outer):
    name, make = NESTED[kind]
    inner = make(tmp_path / name)
    path = tmp_path / f"outer.{outer}"
    (write_zip if outer == "zip" else write_tar)(path, {f"x/{name}": inner.read_bytes()})
    refuses(rf"outer\.{outer}/x/{name} must be a CSV file but is an archive in another one", path)
    shutil.unpack_archive(path, tmp_path / "out")
    assert list(contents(tmp_path / "out/x" / name).values()) == [READ[TABLE]]


@pytest.mark.parametrize(
    ("pack", "suffix", "kind"), [(bz2.compress, "bz2", "bzip2"), (lzma.compress, "xz", "xz")]
)
def test_another_packing_in_an_archive_is_named(tmp_path, pack, suffix, kind):
    path = write_zip(tmp_path / "a.zip", {f"1.csv.{suffix}": pack(TABLE)})
    refuses(rf"a\.zip/1\.csv\.{suffix} must be CSV, .* but is {kind}\. Unpack it", path)


def test_a_zip_archive_with_a_password_is_named_and_its_remedy_works(tmp_path):
    write(tmp_path / "1.csv", TABLE)
    subprocess.run(["zip", "-q", "-P", "pass", "a.zip", "1.csv"], cwd=tmp_path, check=True)
    refuses("must be packed by Deflate and without a password but is not: .*encrypted.*Unpack it",
            tmp_path / "a.zip")  # fmt: skip
    unzip = ["unzip", "-q", "-P", "pass", "a.zip", "-d", "out"]
    subprocess.run(unzip, cwd=tmp_path, check=True)
    assert contents(tmp_path / "out/1.csv") == {"1.csv": READ[TABLE]}


@pytest.mark.parametrize("method", [9, 98])  # Deflate64, as Windows packs large files; PPMd
def test_a_zip_archive_of_another_method_is_named(tmp_path, method):
    path = write_zip(tmp_path / "a.zip", {"1.csv": TABLE})
    content = bytearray(path.read_bytes())
    for sign, place in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        content[content.index(sign) + place] = method
    path.write_bytes(content)
    refuses("must be packed by Deflate and without a password but is not: .*compression", path)


def test_a_file_that_may_not_be_read_is_named(tmp_path):
    refuses(f"{tmp_path} must be readable but is not: Is a directory", tmp_path)


def test_two_dots_are_not_hidden():
    assert not is_hidden("../a.csv")
