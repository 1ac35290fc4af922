"""CSV files as streams, whether plain, compressed, in archives or in folders.

A source is a `.csv`, `.csv.gz`, `.tar.gz`, `.tgz`, `.tar` or `.zip` file, or a folder of these.
"""

import csv as header_reader
import gzip
import io
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import rich.progress
from pyarrow import csv
from rich.console import Console

from skipcast.errors import SkipcastError
from skipcast.files import csv_conversion
from skipcast.schema import Column

BLOCK_BYTES = 8 << 20  # of CSV text; parsed at a time
ARCHIVE_SUFFIXES = (".tar.gz", ".tgz", ".tar", ".zip")
CSV_SUFFIXES = (".csv", ".csv.gz")


def read_header(name: str, stream: IO[bytes]) -> list[str]:
    r"""Read the names of the columns from the first line of a CSV file.

    Args:
        name: of the file, for messages.
        stream: at the start of the file; afterwards at its second line.

    Raises:
        SkipcastError: the archive that holds the file is damaged.

    >>> read_header("a.csv", io.BytesIO(b"one,two\n1,2"))
    ['one', 'two']
    """
    with intact(name):
        first_line = stream.readline().decode("utf-8-sig")
    return next(header_reader.reader([first_line]), [])


def read_batches(
    name: str, stream: IO[bytes], columns: tuple[Column, ...], header: list[str]
) -> Iterator[pa.Table]:
    """Yield the rows below the header of a CSV file in tables of some megabytes.

    Args:
        name: of the file, for messages.
        stream: at the second line of the file.
        columns: the columns to read, each in `header`; empty fields are null.
        header: the names of all columns of the file, as `read_header` returns them.

    Raises:
        SkipcastError: a value has the wrong type, a row has too few or too many fields, or the
            archive that holds the file is damaged.
    """
    read_options = csv.ReadOptions(column_names=header, block_size=BLOCK_BYTES, use_threads=False)
    try:
        with intact(name):
            for batch in csv.open_csv(
                stream, read_options=read_options, convert_options=csv_conversion(columns)
            ):
                if batch.num_rows:
                    yield pa.Table.from_batches([batch])
    except pa.ArrowInvalid as error:
        if "Empty CSV" in str(error):  # a header and no row
            return
        raise SkipcastError(type_error_message(name, str(error), header)) from error


def type_error_message(name: str, message: str, header: list[str]) -> str:
    """Return a message with the column's name from Arrow's message with its number.

    >>> message = "In CSV column #1: CSV conversion error to int64: invalid value 'x'"
    >>> type_error_message("a.csv", message, ["one", "two"]).split(" but ")[1][:42]
    'does not in column two: to int64: invalid '
    """
    number = re.search(r"CSV column #(\d+)", message)
    column = f" in column {header[int(number[1])]}" if number else ""
    detail = message.split("CSV conversion error ")[-1].split("CSV parse error: ")[-1].strip()
    return (
        f"{name} must hold rows of the official columns and types but does not{column}: {detail}. "
        "Correct the file, or get it again if it was cut short."
    )


def open_tables(source: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield the name, for messages, and the bytes of every CSV file of a source, one by one.

    Each stream must be read before the next one is asked for. On a terminal, a bar shows progress.

    Args:
        source: as the module's first lines say.

    Raises:
        SkipcastError: there is no such file or folder, or an archive is damaged.
    """
    if source.is_dir():
        for path in sorted(
            p for p in source.rglob("*") if p.name.endswith(CSV_SUFFIXES + ARCHIVE_SUFFIXES)
        ):
            yield from open_tables(path)
        return
    if not source.is_file():
        raise SkipcastError(
            f"fetch.source and fetch.tracks must name files or folders but {source} is neither. "
            "Correct params.yaml."
        )
    with (
        rich.progress.open(source, "rb", description=source.name, **progress()) as raw,
        intact(str(source)),
    ):
        for name, stream in _unpacker(source.name)(raw, source.name):
            if name.endswith(CSV_SUFFIXES) and not Path(name).name.startswith("._"):
                text = gzip.GzipFile(fileobj=stream) if name.endswith(".gz") else stream
                yield name, io.BufferedReader(text, BLOCK_BYTES)  # type: ignore[type-var]


def progress() -> dict[str, Any]:
    """Return the arguments for rich that show progress on standard error if it is a terminal."""
    console = Console(stderr=True)
    return {"console": console, "transient": True, "disable": not console.is_terminal}


@contextmanager
def intact(name: str) -> Iterator[None]:
    """Raise the errors of all unpackers on a damaged archive as one that users can read.

    Raises:
        SkipcastError: the archive `name` is cut short or damaged.
    """
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile, tarfile.TarError, zipfile.BadZipFile) as error:
        raise SkipcastError(
            f"{name} must be a whole archive but is cut short or damaged: {error}. "
            "Get it again and compare its size with the source's."
        ) from error


Unpacker = Callable[[IO[bytes], str], Iterator[tuple[str, IO[bytes]]]]


def _unpacker(name: str) -> Unpacker:
    if name.endswith(".zip"):
        return _unzip
    return _untar if name.endswith(ARCHIVE_SUFFIXES) else _plain


def _plain(raw: IO[bytes], name: str) -> Iterator[tuple[str, IO[bytes]]]:
    yield name, raw


def _unzip(raw: IO[bytes], name: str) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(raw) as archive:
        for member in sorted(archive.namelist()):
            if member.endswith(CSV_SUFFIXES):
                with archive.open(member) as stream:
                    yield f"{name}/{member}", stream


def _untar(raw: IO[bytes], name: str) -> Iterator[tuple[str, IO[bytes]]]:
    with tarfile.open(fileobj=raw, mode="r|*") as archive:
        for member in archive:
            stream = archive.extractfile(member) if member.isfile() else None
            if stream:
                yield f"{name}/{member.name}", stream
