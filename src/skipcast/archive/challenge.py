"""The challenge's test set: files in pairs, a pair a day, and the lines that answer them.

A pair is `log_prehistory_<day>`, the first halves of sessions in full, and `log_input_<day>`, the
second halves, of which only `INPUT` is given. An answer is a line per session, a character per play
of its second half: 1 for a skip, else 0.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import typer

from skipcast.archive.csv_files import SUFFIXES, CsvFile, intact, open_file
from skipcast.archive.half_sessions import Halves
from skipcast.archive.source import is_same, name_in, walk
from skipcast.arrays import Bools
from skipcast.column import Column
from skipcast.errors import SkipcastError
from skipcast.reading.headers import check_separator
from skipcast.schema import MSSD_LOG, names

FOLDER = "test_set"
NAME = re.compile(r"log_(prehistory|input)_(.+?)\.csv(\.gz)?", re.IGNORECASE)
_LOG = {column.name: column for column in MSSD_LOG}
GIVEN = ("session_id", "track_id_clean", "session_position", "session_length")
INPUT: tuple[Column, ...] = tuple(_LOG[name] for name in GIVEN)
"""What is given of a second half, in the order of the official files."""
PACKED = tuple(suffix for suffix in SUFFIXES if suffix not in (".csv", ".csv.gz"))


def file_names(day: str) -> tuple[str, str]:
    """Return the names of a pair of files.

    >>> file_names("20180715")
    ('log_prehistory_20180715_000000000000.csv', 'log_input_20180715_000000000000.csv')
    """
    prehistory, second = (f"log_{kind}_{day}_000000000000.csv" for kind in ("prehistory", "input"))
    return prehistory, second


def lines(skipped: Bools, is_last: Bools) -> bytes:
    r"""Return the lines that answer some sessions.

    Args:
        skipped: whether each play of their second halves is skipped.
        is_last: whether it is the last one of its session.

    >>> lines(np.array([True, False, True]), np.array([False, True, True]))
    b'10\n1\n'
    """
    text = np.full(len(skipped) + int(is_last.sum()), ord("\n"), np.uint8)
    text[np.arange(len(skipped)) + np.cumsum(is_last) - is_last] = ord("0") + skipped
    return text.tobytes()


@dataclass(frozen=True)
class Pair:
    """The two files of a day, and how messages name them."""

    prehistory: Path
    second: Path  # halves: log_input
    folder: Path

    def read(self) -> Iterator[pa.Table]:
        """Yield the sessions of the pair, whole, in the order in which log_input has them first.

        Yields:
            Tables of sessions, columns `MSSD_LOG`, null where a second half does not give them.

        Raises:
            SkipcastError: a file is damaged or lacks a column, a value breaks the rule of its
                column, or a session has no first or no second half, or one that does not fit.
        """
        first, second = (name_in(self.folder, path) for path in (self.prehistory, self.second))
        return Halves(
            (first, _rows(self.prehistory, first, MSSD_LOG, bar=False)),
            (second, _rows(self.second, second, INPUT, bar=True)),
        ).join()


def find_pairs(folder: Path) -> list[Pair]:
    """Return the pairs of a test set, in the order of the names of log_input.

    Args:
        folder: with the files, or with a folder test_set with them, as the starter kit has it.

    Raises:
        SkipcastError: there is no such folder, it holds no pair, or a file without the other one.
    """
    if not folder.is_dir():
        raise SkipcastError(
            f"--test-set must name a folder but {folder} is none. {_unpack(folder)}"
        )
    folder = folder / FOLDER if (folder / FOLDER).is_dir() else folder
    found: dict[str, dict[str, Path]] = {}
    with intact(str(folder)):
        for path in sorted(walk(folder, (".csv", ".csv.gz"))):
            if name := NAME.fullmatch(path.name):
                _add(found.setdefault(name[2], {}), name[1].lower(), path, folder)
    if not found:
        raise SkipcastError(
            f"{folder} must hold files log_prehistory_*.csv and log_input_*.csv but holds none. "
            f"{_unpack(folder)}"
        )
    pairs = [_pair(folder, day, files) for day, files in found.items()]
    _check_differ(pairs)
    return sorted(pairs, key=lambda pair: (pair.second.name, pair.second))


def kit_of(test_set: Path) -> Path:
    """Return the folder that holds a test set, and maybe its track features beside it."""
    return test_set if (test_set / FOLDER).is_dir() else test_set.resolve().parent


def _add(files: dict[str, Path], kind: str, path: Path, folder: Path) -> None:
    """Take a file among those of its day."""
    other = files.setdefault(kind, path)
    if other == path:
        return
    first, second = (name_in(folder, one) for one in (other, path))
    if second == f"{first}.gz":
        typer.echo(f"Left out: {second}, unpacked as {first}.", err=True)
    elif is_same(other, path):
        typer.echo(f"Left out: {second}, the same as {first}.", err=True)
    else:
        raise SkipcastError(
            f"A day must have one log_{kind} but has {first} and {second}. Remove one of them."
        )


def _pair(folder: Path, day: str, files: dict[str, Path]) -> Pair:
    for kind, other in (("prehistory", "input"), ("input", "prehistory")):
        if kind not in files:
            lonely = name_in(folder, files[other])
            raise SkipcastError(
                f"{lonely} must have a log_{kind} of the same day, {day}, beside it but has none. "
                f"Get that file, too, or move {lonely} elsewhere."
            )
    return Pair(files["prehistory"], files["input"], folder)


def _check_differ(pairs: list[Pair]) -> None:
    """Refuse a copy of a day's file under another name before the work: its sessions come twice."""
    known: dict[int, Path] = {}
    for pair in pairs:
        path = pair.second
        other = known.setdefault(path.stat().st_size, path)
        if other != path and _has_rows(path) and is_same(other, path):
            first, second = (name_in(pair.folder, one) for one in (other, path))
            raise SkipcastError(
                f"Each day must have sessions of its own but {second} is a copy of {first}. Remove "
                "it and its log_prehistory."
            )


def _has_rows(path: Path) -> bool:
    with path.open("rb") as file:
        return len(file.readline() + file.readline()) < path.stat().st_size


def _unpack(place: Path) -> str:
    """Return the remedy where there are no files of a test set."""
    packed = [place] if place.is_file() else []
    if place.is_dir():
        packed = sorted(path for path in place.iterdir() if path.name.lower().endswith(PACKED))
    if packed:
        command = "unzip" if packed[0].suffix.lower() == ".zip" else "tar -xf"
        return f"Unpack the test set, `{command} {packed[0]}`, and name the folder that comes out."
    return "Correct it; `skipcast twin --test-set FOLDER` makes a synthetic test set."


def _rows(path: Path, name: str, columns: tuple[Column, ...], *, bar: bool) -> Iterator[pa.Table]:
    for file in open_file(path, name, bar=bar):
        _check_columns(file, columns)
        yield from file.read(columns, file=file.name)


def _check_columns(file: CsvFile, columns: tuple[Column, ...]) -> None:
    missing = [name for name in names(columns) if name not in file.header]
    if not missing:
        return
    for name in file.header:
        check_separator(name, file=file.name)
        if (plain := name.strip().lower()) in missing:
            raise SkipcastError(
                f"{file.name} must have the column {plain} but has {name!r}. Take the official "
                "file as it is."
            )
    raise SkipcastError(
        f"{file.name} must have the columns {', '.join(names(columns))} but lacks "
        f"{', '.join(missing)}. Take the official file as it is."
    )
