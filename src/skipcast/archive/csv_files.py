"""CSV files as streams: as they are, packed, in archives or in folders of these.

A source is a folder, `.tar.gz`, `.tar`, `.zip`, `.csv` or `.csv.gz`, or a folder of these.
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

BLOCK_BYTES = 8 << 20  # of CSV text that are parsed at a time
ARCHIVES = (".tar.gz", ".tgz", ".tar", ".zip")
TABLES = (".csv", ".csv.gz")


def read_header(name: str, stream: IO[bytes]) -> list[str]:
    """Read the first line of a CSV file; raises SkipcastError if it is damaged."""
    with intact(name):
        first_line = stream.readline().decode("utf-8-sig")
    return next(header_reader.reader([first_line]), [])


def read_batches(
    name: str, stream: IO[bytes], columns: tuple[Column, ...], header: list[str]
) -> Iterator[pa.Table]:
    """Yield the rows below a CSV's header; raises SkipcastError if a value has a wrong type."""
    reading = csv.ReadOptions(column_names=header, block_size=BLOCK_BYTES, use_threads=False)
    try:
        with intact(name):
            for batch in csv.open_csv(
                stream, read_options=reading, convert_options=csv_conversion(columns)
            ):
                if batch.num_rows:
                    yield pa.Table.from_batches([batch])
    except pa.ArrowInvalid as error:
        if "Empty CSV" in str(error):  # a header and no row
            return
        raise SkipcastError(explain(name, str(error), header)) from error


def explain(name: str, message: str, header: list[str]) -> str:
    """Say with the column's name what Arrow says with its number."""
    number = re.search(r"CSV column #(\d+)", message)
    column = f" in column {header[int(number[1])]}" if number else ""
    detail = message.split("CSV conversion error ")[-1].split("CSV parse error: ")[-1].strip()
    return (
        f"{name} must hold rows of the official columns and types but does not{column}: {detail}. "
        "Correct the file, or get it again if it was cut short."
    )


def open_tables(source: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield every CSV file of `source`, unpacked on the fly, under a name for messages."""
    if source.is_dir():
        for path in sorted(p for p in source.rglob("*") if p.name.endswith(TABLES + ARCHIVES)):
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
            if name.endswith(TABLES) and not Path(name).name.startswith("._"):
                plain = gzip.GzipFile(fileobj=stream) if name.endswith(".gz") else stream
                yield name, io.BufferedReader(plain, BLOCK_BYTES)  # type: ignore[type-var]


def progress() -> dict[str, Any]:
    """Return how to show progress: on standard error, while it lasts, if that is a terminal."""
    console = Console(stderr=True)
    return {"console": console, "transient": True, "disable": not console.is_terminal}


@contextmanager
def intact(name: str) -> Iterator[None]:
    """Turn what the unpackers raise on a damaged archive into one clear error."""
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
    return _untar if name.endswith(ARCHIVES) else _itself


def _itself(raw: IO[bytes], name: str) -> Iterator[tuple[str, IO[bytes]]]:
    yield name, raw


def _unzip(raw: IO[bytes], name: str) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(raw) as archive:
        for member in sorted(archive.namelist()):
            if member.endswith(TABLES):
                with archive.open(member) as stream:
                    yield f"{name}/{member}", stream


def _untar(raw: IO[bytes], name: str) -> Iterator[tuple[str, IO[bytes]]]:
    with tarfile.open(fileobj=raw, mode="r|*") as archive:
        for member in archive:
            stream = archive.extractfile(member) if member.isfile() else None
            if stream:
                yield f"{name}/{member.name}", stream
