import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

from skipcast.archive.csv_files import open_tables, read_batches, read_header
from skipcast.errors import SkipcastError
from skipcast.schema import Column

COLUMNS = (Column("id", "text"), Column("number", "bigint"))
HEADER = ["id", "number"]
ROWS = b"a,1\nb,2\n"
TABLE = b"id,number\n" + ROWS


def contents(source: Path) -> dict[str, bytes]:
    return {name: stream.read() for name, stream in open_tables(source)}


def read_all(source: Path) -> None:
    for name, stream in open_tables(source):
        header = read_header(name, stream)
        for _ in read_batches(name, stream, COLUMNS, header):
            pass


def rows(text: bytes, header: list[str] = HEADER) -> list[dict[str, object]]:
    batches = read_batches("t.csv", io.BytesIO(text), COLUMNS, header)
    return [row for batch in batches for row in batch.to_pylist()]


def write_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def write_tar(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def test_a_plain_file_is_read_as_it_is(tmp_path):
    (tmp_path / "t.csv").write_bytes(TABLE)
    assert contents(tmp_path / "t.csv") == {"t.csv": TABLE}


def test_a_compressed_file_is_unpacked(tmp_path):
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(TABLE))
    assert contents(tmp_path / "t.csv.gz") == {"t.csv.gz": TABLE}


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tgz"])
def test_a_tar_archive_gives_each_of_its_files(tmp_path, suffix):
    source = write_tar(tmp_path / f"a{suffix}", {"x/1.csv": TABLE, "x/2.csv": ROWS})
    assert contents(source) == {f"a{suffix}/x/1.csv": TABLE, f"a{suffix}/x/2.csv": ROWS}


def test_a_zip_archive_gives_each_of_its_files(tmp_path):
    source = write_zip(tmp_path / "a.zip", {"x/2.csv": ROWS, "x/1.csv": TABLE})
    assert contents(source) == {"a.zip/x/1.csv": TABLE, "a.zip/x/2.csv": ROWS}


def test_a_compressed_file_in_an_archive_is_unpacked_twice(tmp_path):
    source = write_zip(tmp_path / "a.zip", {"1.csv.gz": gzip.compress(TABLE)})
    assert contents(source) == {"a.zip/1.csv.gz": TABLE}


def test_a_folder_gives_files_and_archives_in_order(tmp_path):
    (tmp_path / "c.csv").write_bytes(TABLE)
    write_zip(tmp_path / "b.zip", {"1.csv": TABLE})
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "d.csv").write_bytes(TABLE)
    assert list(contents(tmp_path)) == ["d.csv", "b.zip/1.csv", "c.csv"]


def test_other_files_are_passed_over(tmp_path):
    source = write_zip(tmp_path / "a.zip", {"README.md": b"text", "1.csv": TABLE})
    assert list(contents(source)) == ["a.zip/1.csv"]


def test_the_hidden_files_of_a_mac_are_passed_over(tmp_path):
    source = write_zip(tmp_path / "a.zip", {"__MACOSX/._1.csv": b"\0\1", "1.csv": TABLE})
    assert list(contents(source)) == ["a.zip/1.csv"]


def test_a_missing_source_is_an_error(tmp_path):
    with pytest.raises(SkipcastError, match="must name files or folders but"):
        contents(tmp_path / "nothing.csv")


@pytest.mark.parametrize("name", ["t.csv.gz", "a.tar.gz", "a.zip"])
def test_a_source_that_is_cut_short_is_an_error(tmp_path, name):
    many = TABLE + b"".join(b"%d,%d\n" % (i, i * i) for i in range(5000))
    path = tmp_path / name
    if name.endswith(".zip"):
        write_zip(path, {"1.csv": many})
    elif name.endswith(".tar.gz"):
        write_tar(path, {"1.csv": many})
    else:
        path.write_bytes(gzip.compress(many))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SkipcastError, match="must be a whole archive but is cut short or damaged"):
        read_all(path)


def test_the_header_is_read_without_a_byte_order_mark():
    assert read_header("t.csv", io.BytesIO(b"\xef\xbb\xbf" + TABLE)) == HEADER


def test_the_header_of_an_empty_file_is_empty():
    assert read_header("t.csv", io.BytesIO(b"")) == []


def test_reading_the_header_leaves_the_rows():
    stream = io.BytesIO(TABLE)
    read_header("t.csv", stream)
    assert stream.read() == ROWS


def test_rows_have_the_types_of_the_columns():
    batches = read_batches("t.csv", io.BytesIO(ROWS), COLUMNS, HEADER)
    assert next(batches).schema.types == [pa.string(), pa.int64()]


def test_columns_are_found_by_name_and_others_left_out():
    assert rows(b"9,a,1\n", ["other", "id", "number"]) == [{"id": "a", "number": 1}]


def test_an_empty_field_is_null():
    assert rows(b"a,\n") == [{"id": "a", "number": None}]


def test_a_header_without_rows_gives_none():
    assert rows(b"") == []


def test_a_value_of_the_wrong_type_is_an_error_that_names_its_column():
    with pytest.raises(SkipcastError, match=r"t\.csv must hold .* in column number: .*'x'"):
        rows(b"a,x\n")


def test_a_row_of_too_few_fields_is_an_error():
    with pytest.raises(SkipcastError, match=r"t\.csv must hold rows of the official columns"):
        rows(b"a\n")
