"""CSV text as tables of the types of `schema.py`, some megabytes at a time.

A column is read as its type at once; if that fails, as text, and then value by value.
"""

import csv as header_reader
import re
from collections.abc import Iterator
from typing import IO

import pyarrow as pa
from pyarrow import csv

from skipcast.column import Column
from skipcast.errors import SkipcastError
from skipcast.reading.columns import ARROW_TYPES, WrongValueError, read_column, wrong_value
from skipcast.reading.headers import check_once
from skipcast.schema import names

BLOCK_BYTES = 8 << 20  # of text; parsed at a time
QUOTED_LINES = 100  # at most so many line feeds in a quoted text; else a quote stands for itself
FLAGS = {  # Arrow's of flags; others are read value by value
    "true_values": ["true", "True", "TRUE", "1", "t", "T"],
    "false_values": ["false", "False", "FALSE", "0", "f", "F"],
}
NEXT = {pa.int64(): pa.float64()}  # 3.0 is a whole number; what is no number is text
HEXADECIMAL = ((b"0", b"x"), (b"0", b"X"))  # Arrow takes it for a number; one sign is found faster


def read_header(name: str, stream: IO[bytes]) -> list[str]:
    r"""Read the names of the columns from the first line of CSV text that is not empty.

    Args:
        name: of the file, for messages.
        stream: at the start of the text; afterwards at the line below.

    Raises:
        SkipcastError: the line is no UTF-8 or no header.

    >>> import io
    >>> read_header("a.csv", io.BytesIO(b"one,two\n1,2"))
    ['one', 'two']
    """
    line = stream.readline(BLOCK_BYTES)
    while line in (b"\n", b"\r\n"):
        line = stream.readline(BLOCK_BYTES)
    _check_utf_8(name, line)
    try:
        return next(header_reader.reader([line.decode("utf-8-sig")], strict=True), [])
    except header_reader.Error as error:
        raise SkipcastError(
            f"{name} must begin with a line of column names that ends with a line feed but does "
            f"not: {error}. Write it as CSV, UTF-8."
        ) from error


def read_batches(
    name: str,
    stream: IO[bytes],
    columns: tuple[Column, ...],
    header: list[str],
    *,
    file: str,
    first: int = 0,
) -> Iterator[pa.Table]:
    """Yield the rows below the header of CSV text in tables of some megabytes.

    Args:
        name: of the text, for messages.
        stream: at the second line, or `first` rows below it.
        columns: the columns to read, each in `header`; empty fields are null.
        header: the names of all columns, as `read_header` returns them.
        file: as `columns.wrong_value` has it.
        first: number of rows that are passed over.

    Raises:
        SkipcastError: a value breaks the rule of its column, a row has too few or too many fields,
            a column comes twice, or the text is no UTF-8.
    """
    check_once([column for column in header if column in names(columns)])
    types = {column.name: ARROW_TYPES[column.type] for column in columns}
    for block in _blocks(stream):
        table = _parse(name, block, header, types, first)
        if table is not None:
            yield pa.table({c.name: read_part(c, table, file=file, first=first) for c in columns})
            first += table.num_rows


def read_part(column: Column, table: pa.Table, *, file: str, first: int) -> pa.Array:
    """Read a column of a part of a table, as `columns.read_column` does.

    Args:
        column: to read.
        table: a part of the rows.
        file: as `columns.wrong_value` has it.
        first: number of rows before this part.

    Raises:
        SkipcastError: a value breaks the rule of its column.
    """
    try:
        return read_column(column, table[column.name].combine_chunks())
    except WrongValueError as wrong:
        has_sessions = "session_id" in table.column_names
        session = table["session_id"][wrong.row].as_py() if has_sessions else None
        raise wrong_value(column, wrong, session=session, file=file, first=first) from None


def _blocks(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield the text in blocks of whole rows."""
    while text := stream.read(BLOCK_BYTES):
        text += stream.readline()
        lines = 0
        while text.count(b'"') % 2 and lines < QUOTED_LINES:
            text += stream.readline()
            lines += 1
        yield text


def _parse(
    name: str, block: bytes, header: list[str], types: dict[str, pa.DataType], first: int
) -> pa.Table | None:
    """Parse rows, None if there is none; in `types`, a column gets another type if it needs it."""
    _check_no_nul(name, block)
    if any(x in block and zero + x in block for zero, x in HEXADECIMAL):
        types |= {column: NEXT.get(kind, kind) for column, kind in types.items()}
    while True:
        try:
            return csv.read_csv(
                pa.BufferReader(block),
                read_options=csv.ReadOptions(
                    column_names=header, block_size=len(block) + 1, use_threads=False
                ),
                parse_options=csv.ParseOptions(newlines_in_values=b'"' in block),
                convert_options=csv.ConvertOptions(
                    column_types=types,
                    include_columns=list(types),
                    null_values=[""],
                    strings_can_be_null=True,
                    **FLAGS,
                ),
            )
        except pa.ArrowInvalid as error:
            if "Empty CSV" in str(error):  # a header and no row
                return None
            number = re.search(r"In CSV column #(\d+)", str(error))
            if number is None:
                raise _wrong_row(name, str(error), first) from error
            column = header[int(number[1])]
            if types[column] == pa.string():  # of which only the encoding can be wrong
                _check_utf_8(name, block)
                raise
            types[column] = NEXT.get(types[column], pa.string())


def _wrong_row(name: str, message: str, first: int) -> SkipcastError:
    """Return an error with the row's number in the file from Arrow's message with another."""
    detail = re.sub(r"^.*CSV parse error: ", "", message).strip()
    row = re.match(r"Row #(\d+): ", detail)
    where = f" in row {first + int(row[1])}" if row else ""
    return SkipcastError(
        f"{name} must hold rows of as many fields as its header but does not{where}: "
        f"{detail.removeprefix(row[0] if row else '')}. Correct the file, or get it again if it "
        "was cut short."
    )


def _check_no_nul(name: str, text: bytes) -> None:
    if b"\0" in text:
        raise SkipcastError(
            f"{name} must be text in UTF-8 but holds NUL bytes: it is damaged, or UTF-16. Get it "
            "again, or convert it: `iconv -f UTF-16 -t UTF-8 FILE > NEW.csv`."
        )


def _check_utf_8(name: str, text: bytes) -> None:
    try:
        _check_no_nul(name, text)
        text.decode()
    except UnicodeDecodeError as error:
        start = text.rfind(b"\n", 0, error.start) + 1
        line = text[start:].split(b"\n")[0][:60].decode("latin-1")
        raise SkipcastError(
            f"{name} must be text in UTF-8 but is not: {line!r}. If it is Latin-1 or Windows-1252, "
            "convert it: `iconv -f WINDOWS-1252 -t UTF-8 FILE > NEW.csv`."
        ) from error
