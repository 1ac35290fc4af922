"""CSV files as streams, whether plain, compressed or in archives.

What a file is, its content says. In an archive, the files that end in .csv or .csv.gz are read.
"""

import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

import pyarrow as pa
import rich.progress
from rich.console import Console

from skipcast.archive.kinds import START, check_kind, packing
from skipcast.column import Column
from skipcast.errors import SkipcastError
from skipcast.reading.csv_text import BLOCK_BYTES, read_batches, read_header
from skipcast.storage import reachable

SUFFIXES = (
    *(".csv", ".csv.gz", ".tar", ".tar.gz", ".tgz", ".zip"),
    # These are not read: `kinds` says of each what it is.
    *(".7z", ".rar", ".tbz2", ".txz", ".tzst"),
    *(f".{kind}.{by}" for kind in ("csv", "tar") for by in ("bz2", "xz", "zst", "lz4", "z")),
)
"""Of files that are opened in folders and archives, in small letters."""

TAR_BYTES = 1 << 16  # that tarfile reads at a time; it copies what it has at every step

Member = tuple[str, int, Callable[[], IO[bytes]]]
"""A file in an archive: its name, its size in bytes, and what opens it."""
Skip = Callable[[str, int], bool]
"""Tells of a file in an archive, by its name and size, whether to pass it over."""
OnRead = Callable[[int], None]


@dataclass(frozen=True)
class CsvFile:
    """A CSV file whose header has been read."""

    name: str
    header: list[str]
    stream: IO[bytes]

    def read(
        self, columns: tuple[Column, ...], *, file: str, first: int = 0, offset: int = 0
    ) -> Iterator[pa.Table]:
        """Yield its rows as `csv_text.read_batches` does.

        Args:
            columns: as there.
            file: as there.
            first: how many rows to pass over.
            offset: where in the text the row after them begins, as `stream.tell` said; 0 where
                none is passed over.

        Raises:
            SkipcastError: as there; or the file or its archive is damaged.
        """
        with intact(self.name):
            while (left := offset - self.stream.tell()) > 0 and self.stream.read(
                min(left, BLOCK_BYTES)
            ):
                pass
            yield from read_batches(
                self.name, self.stream, columns, self.header, file=file, first=first
            )


def open_file(
    path: Path,
    name: str,
    skip: Skip = lambda *_: False,
    *,
    bar: bool = True,
    on_read: OnRead | None = None,
) -> Iterator[CsvFile]:
    """Yield the CSV files in a file, one by one.

    What is not read of one before the next one is asked for is passed over. On a terminal, a bar
    shows progress.

    Args:
        path: of a CSV file, plain or compressed, or of an archive.
        name: of the file, for messages.
        skip: which files of an archive to pass over.
        bar: whether to show progress; of files that are read side by side, a terminal has room
            for one bar.
        on_read: in place of a bar, gets how many bytes of the file are read each time.

    Raises:
        SkipcastError: the file cannot be read, is damaged, or is or holds what is not read.
    """
    with (
        intact(name),
        path.open("rb") as file,
        rich.progress.wrap_file(
            file,
            path.stat().st_size,
            description=path.name,
            **progress(bar=bar and on_read is None),
        ) as raw,
    ):
        stream = cast(IO[bytes], raw)
        yield from _open(name, _buffered(_Told(stream, on_read) if on_read else stream), skip)


class _Told(io.RawIOBase):
    """A file that tells how much of it is read."""

    def __init__(self, file: IO[bytes], on_read: OnRead) -> None:
        self._file = file
        self._on_read = on_read

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: Any) -> int:
        content = self._file.read(len(buffer))
        buffer[: len(content)] = content
        self._on_read(len(content))
        return len(content)


def _buffered(stream: object) -> io.BufferedReader:
    return io.BufferedReader(cast(io.RawIOBase, stream), BLOCK_BYTES)


def _open(name: str, file: io.BufferedReader, skip: Skip | None) -> Iterator[CsvFile]:
    """Yield the CSV files in a file; `skip` is None in an archive."""
    start = file.peek(START)[:START]
    check_kind(name, start)
    kind = packing(start)
    if kind is None:
        yield CsvFile(name, read_header(name, file), file)
    elif kind == "gzip":
        yield from _open(name, _buffered(gzip.GzipFile(fileobj=file)), skip)
    elif skip is None:
        raise SkipcastError(
            f"{name} must be a CSV file but is an archive in another one. Unpack the outer one and "
            "name the folder that comes out."
        )
    else:
        members = _zip_members(name, file) if kind == "zip" else _tar_members(file)
        yield from _open_members(name, members, skip)


def _open_members(name: str, members: Iterator[Member], skip: Skip) -> Iterator[CsvFile]:
    for member, size, open_member in members:
        is_read = member.lower().endswith(SUFFIXES) and not is_hidden(member)
        if is_read and not skip(member, size):
            with closing(open_member()) as stream:
                yield from _open(f"{name}/{member}", _buffered(stream), None)


def _zip_members(name: str, file: IO[bytes]) -> Iterator[Member]:
    with zipfile.ZipFile(file) as archive:
        for member in sorted(set(archive.namelist())):
            info = archive.getinfo(member)
            if not info.is_dir():
                yield member, info.file_size, partial(open_zipped, name, archive, info)


def open_zipped(name: str, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    """Open a file of an archive; `name` is of the archive, for messages.

    Raises:
        SkipcastError: it has a password, or a packing that Python does not know.
    """
    try:
        return archive.open(info)
    except (NotImplementedError, RuntimeError) as error:
        raise SkipcastError(
            f"{name} must be packed by Deflate and without a password but is not: {error}. "
            "Unpack it with the program that made it and name the folder that comes out."
        ) from error


def _tar_members(file: IO[bytes]) -> Iterator[Member]:
    with tarfile.open(fileobj=file, mode="r|", bufsize=TAR_BYTES) as archive:
        for member in archive:
            if member.isfile():
                extract = cast(Callable[[tarfile.TarInfo], IO[bytes]], archive.extractfile)
                yield member.name, member.size, partial(extract, member)


def is_hidden(name: str) -> bool:
    """Tell whether a file is hidden, by its path in a folder or archive; so are copies of editors.

    >>> is_hidden("./training_set/log.csv"), is_hidden("__MACOSX/a.csv"), is_hidden("a/._log.csv")
    (False, True, True)
    """
    parts = PurePosixPath(name.replace("\\", "/")).parts
    return any(part == "__MACOSX" or (part[0] == "." and part != "..") for part in parts)


def progress(*, bar: bool = True) -> dict[str, Any]:
    """Return the arguments for rich that show progress on standard error if it is a terminal."""
    console = Console(stderr=True)
    return {"console": console, "transient": True, "disable": not (bar and console.is_terminal)}


@contextmanager
def intact(name: str) -> Iterator[None]:
    """Raise the errors of all unpackers and of the disk as ones that users can read.

    Raises:
        SkipcastError: the file `name` is cut short or damaged, or cannot be read.
    """
    try:
        with reachable(name):
            yield
    except (EOFError, zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise _damaged(name, error) from error
    except OSError as error:
        if type(error) in (OSError, gzip.BadGzipFile) and error.errno is None:
            raise _damaged(name, error) from error
        raise SkipcastError(
            f"{error.filename or name} must be readable but is not: {error.strerror or error}. "
            "Correct its path or its rights."
        ) from error


def _damaged(name: str, error: Exception) -> SkipcastError:
    return SkipcastError(
        f"{name} must be a whole archive but is cut short or damaged: {error}. "
        "Get it again and compare its size with the source's."
    )
