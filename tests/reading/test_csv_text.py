"""CSV text as tables: whole rows, types, and what is no CSV."""

import io
import subprocess

import pyarrow as pa
import pytest

from skipcast.column import Column
from skipcast.errors import SkipcastError
from skipcast.reading import csv_text
from skipcast.reading.csv_text import read_batches, read_header

COLUMNS = (
    Column("id", "text"),
    Column("number", "bigint"),
    Column("flag", "boolean", low=0, high=1),
)
HEADER = [column.name for column in COLUMNS]


def tables(text, header=HEADER, columns=COLUMNS):
    return list(read_batches("t.csv", io.BytesIO(text), columns, header, file="t.csv"))


def rows(text, header=HEADER):
    return [tuple(row.values()) for table in tables(text, header) for row in table.to_pylist()]


def test_the_header_is_read_without_a_byte_order_mark():
    assert read_header("t.csv", io.BytesIO(b"\xef\xbb\xbfid,number,flag\na,1,t\n")) == HEADER


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_the_header_may_end_in_any_way(end):
    assert read_header("t.csv", io.BytesIO(b"id,number,flag" + end)) == HEADER


def test_empty_lines_before_the_header_are_passed_over():
    assert read_header("t.csv", io.BytesIO(b"\n\r\nid,number,flag\n")) == HEADER


def test_the_header_of_an_empty_text_is_empty():
    assert read_header("t.csv", io.BytesIO(b"")) == []


def test_reading_the_header_leaves_the_rows():
    stream = io.BytesIO(b"id,number,flag\na,1,t\n")
    read_header("t.csv", stream)
    assert stream.read() == b"a,1,t\n"


@pytest.mark.parametrize("line", [b"id,number\rid,number\r", b'id,"number\n'])
def test_a_first_line_that_is_no_header_is_an_error(line):
    with pytest.raises(SkipcastError, match=r"t\.csv must begin with a line of column names"):
        read_header("t.csv", io.BytesIO(line))


def test_rows_have_the_types_of_the_columns():
    assert tables(b"a,1,t\n")[0].schema.types == [pa.string(), pa.int64(), pa.bool_()]


def test_spellings_may_be_mixed_in_a_column():
    text = b"a,1,true\nb,2.0,TRUE\nc,,1.0\nd,3e0,f\n"
    assert rows(text) == [("a", 1, True), ("b", 2, True), ("c", None, True), ("d", 3, False)]


def test_columns_are_found_by_name_and_others_left_out():
    assert rows(b"9,a,t,1\n", ["other", "id", "flag", "number"]) == [("a", 1, True)]


def test_texts_with_commas_quotes_and_line_feeds_stay_whole():
    text = b'"x, ""y""",1,t\n"two\nlines",2,f\n'
    assert rows(text) == [('x, "y"', 1, True), ("two\nlines", 2, False)]


@pytest.mark.parametrize("text", [b"", b"\n", b"\r\n\n"])
def test_no_rows_give_nothing(text):
    assert rows(text) == []


@pytest.mark.parametrize("size", [1, 3, 7, 30, 1000])
def test_blocks_of_any_size_give_the_same_rows(monkeypatch, size):
    monkeypatch.setattr(csv_text, "BLOCK_BYTES", size)
    text = b'a,1,t\n"two\nli""nes",2.0,f\r\nc,,\nd,4,T'
    assert rows(text) == [
        ("a", 1, True), ('two\nli"nes', 2, False), ("c", None, None), ("d", 4, True)
    ]  # fmt: skip


def test_a_column_that_became_text_in_one_block_has_its_type_in_all(monkeypatch):
    monkeypatch.setattr(csv_text, "BLOCK_BYTES", 8)
    found = tables(b"a,1,t\nb,2,1.0\nc,3,f\n")
    assert len(found) > 1
    assert {table.schema for table in found} == {found[0].schema}


@pytest.mark.parametrize("size", [6, 1000])
def test_a_wrong_value_is_named_with_its_row_in_the_file(monkeypatch, size):
    monkeypatch.setattr(csv_text, "BLOCK_BYTES", size)
    match = r"number must be a whole number .* but got 'x' in row 3 of t\.csv\. Correct the file"
    with pytest.raises(SkipcastError, match=match):
        rows(b"a,1,t\nb,2,t\nc,x,t\n")


@pytest.mark.parametrize("text", ["0x1F", "0X1f", "1_0", "1 0", "1,5"])
def test_what_a_library_takes_for_a_number_is_none(text):
    with pytest.raises(SkipcastError, match=f"number must be a whole number .* but got '{text}'"):
        rows(f'a,"{text}",t\n'.encode())


@pytest.mark.parametrize("size", [6, 1000])
def test_a_row_of_too_few_fields_is_named(monkeypatch, size):
    monkeypatch.setattr(csv_text, "BLOCK_BYTES", size)
    match = r"t\.csv must hold rows of as many fields as its header but does not in row 2: Exp"
    with pytest.raises(SkipcastError, match=match):
        rows(b"a,1,t\nb\n")


def test_a_column_that_comes_twice_is_refused():
    with pytest.raises(SkipcastError, match="'id' comes again"):
        rows(b"a,1,t,a\n", [*HEADER, "id"])


NAMES = "id,number,flag\nMöwe,1,true\n"


@pytest.mark.parametrize(
    ("encoding", "source"),
    [("latin-1", "WINDOWS-1252"), ("cp1252", "WINDOWS-1252"), ("utf-16", "UTF-16")],
)
def test_another_encoding_is_named_and_its_remedy_works(tmp_path, encoding, source):
    file, new = tmp_path / "FILE", tmp_path / "NEW.csv"
    file.write_bytes(NAMES.encode(encoding))

    def read_all(path):
        with path.open("rb") as stream:
            header = read_header(path.name, stream)
            return [t.to_pylist() for t in read_batches("t", stream, COLUMNS, header, file="t")]

    remedy = f"iconv -f {source} -t UTF-8 FILE > NEW.csv"
    with pytest.raises(SkipcastError, match=f"must be text in UTF-8 but .*`{remedy}`"):
        read_all(file)
    subprocess.run(remedy, shell=True, cwd=tmp_path, check=True)
    assert read_all(new) == [[{"id": "Möwe", "number": 1, "flag": True}]]


def test_nul_bytes_below_the_header_are_named():
    with pytest.raises(SkipcastError, match="must be text in UTF-8 but holds NUL bytes"):
        rows(b"a,1,t\n\0\0\0,2,t\n")
