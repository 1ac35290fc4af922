"""The files that a user names as a source: a file, an archive, or a folder of both.

Nothing is read twice and nothing hidden is read. What is left out is told, each once.
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import typer
from pydantic import Field

from skipcast.archive.csv_files import SUFFIXES, CsvFile, OnRead, intact, is_hidden, open_file
from skipcast.archive.kinds import START, check_kind
from skipcast.errors import SkipcastError
from skipcast.reading.csv_text import BLOCK_BYTES
from skipcast.reading.headers import check_separator
from skipcast.records import Record
from skipcast.storage import check, find, is_remote, locate

KEYS = ("session_id", "track_id")  # of a log and of a track table: one of them is in each header
TEST_FILE = re.compile(r"(^|/)(test_set/|log_(prehistory|input)_)", re.IGNORECASE)
"""Of the challenge's test set: half sessions, and the plays to predict without their outcomes."""


class LeftOut(Record):
    """What of a source is not read."""

    files: dict[str, tuple[str, ...]] = Field(default={})  # names, by what they are
    sentences: tuple[str, ...] = ()  # on others

    def sentences_of(self) -> list[str]:
        """Return a sentence for each kind of file, and the others."""
        by_kind = [
            f"Left out: {len(names)} files {what}, the first {names[0]}."
            for what, names in self.files.items()
        ]
        return [*self.sentences, *by_kind]

    def __add__(self, other: "LeftOut") -> "LeftOut":
        """Return what is not read of two files."""
        kinds = dict.fromkeys([*self.files, *other.files])
        files = {what: self.files.get(what, ()) + other.files.get(what, ()) for what in kinds}
        return LeftOut(files=files, sentences=self.sentences + other.sentences)


class Source:
    """The CSV files in what a user names.

    Args:
        path: of a file or folder; `~` and variables of the environment are replaced.

    Raises:
        SkipcastError: there is nothing, or a file is none that can be read.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = expand(path)
        self._told: set[str] = set()
        with intact(str(self.path)):
            self.files = self._find()
        for file in self.files:
            with intact(self._name(file)), file.open("rb") as opened:
                check_kind(self._name(file), opened.read(START))
        if self.files == [self.path]:  # of many, this would take long
            next(open_file(self.path, self._name(self.path)), None)

    def open(self) -> Iterator[CsvFile]:
        """Yield the logs and track tables; what is not read of one is passed over.

        Raises:
            SkipcastError: a file is damaged or holds what is not read.
        """
        left_out = LeftOut()
        for path in self.files:
            reading = Reading(self, path)
            yield from reading.open()
            left_out += reading.left_out
        self.tell_left_out(left_out)

    def tell_left_out(self, left_out: LeftOut) -> None:
        """Write what is not read to standard error."""
        for sentence in left_out.sentences_of():
            self.tell(sentence)

    def tell(self, text: str) -> None:
        """Write a line to standard error, the same only once."""
        if text not in self._told:
            self._told.add(text)
            typer.echo(text, err=True)

    def _name(self, path: Path) -> str:
        return name_in(self.path, path)

    def _find(self) -> list[Path]:
        kept = find_files(self.path, SUFFIXES, self.tell)
        unpacked = {path: beside for path in kept if (beside := _unpacked(path, kept))}
        for path, beside in unpacked.items():
            self.tell(f"Left out: {self._name(path)}, unpacked as {self._name(beside)}.")
        return [path for path in kept if path not in unpacked]


class Reading:
    """One file of a source while it is read.

    Attributes:
        left_out: what of it is not read, once all of `open` is.
    """

    def __init__(self, source: Source, path: Path, on_read: OnRead | None = None) -> None:
        self.left_out = LeftOut()
        self._source = source
        self._path = path
        self._name = name_in(source.path, path)
        self._on_read = on_read

    def open(self) -> Iterator[CsvFile]:
        """Yield the logs and track tables in the file, as `Source.open` does."""
        for file in open_file(self._path, self._name, self._is_unpacked, on_read=self._on_read):
            if TEST_FILE.search(file.name):
                self.left_out += LeftOut(files={"of the test set": (file.name,)})
            elif _has_key(file):
                yield file
            else:
                what = "without session_id and track_id"
                self.left_out += LeftOut(files={what: (file.name,)})

    def _is_unpacked(self, member: str, size: int) -> bool:
        """Tell whether a file of an archive is beside it, too."""
        folder = self._path.parent
        for path in (folder / member, folder / self._path.name.split(".")[0] / member):
            if path in self._source.files and path.stat().st_size == size:
                told = f"Left out: {self._name} where it is unpacked beside itself."
                if told not in self.left_out.sentences:
                    self.left_out += LeftOut(sentences=(told,))
                return True
        return False


def find_files(source: Path, suffixes: tuple[str, ...], tell: Callable[[str], None]) -> list[Path]:
    """Return the files of a folder that end in one of `suffixes`, in order, each content once.

    Args:
        source: a folder; or a file, which is returned whatever its name.
        suffixes: in small letters.
        tell: gets a sentence for each file that is left out.
    """
    if not source.is_dir():
        return [source]
    kept: list[Path] = []
    by_size: dict[int, list[Path]] = {}
    for path in sorted(walk(source, suffixes)):
        as_large = by_size.setdefault(path.stat().st_size, [])
        same = next((p for p in as_large if is_same(p, path)), None)
        if same:
            tell(f"Left out: {name_in(source, path)}, the same as {name_in(source, same)}.")
        else:
            as_large.append(path)
            kept.append(path)
    return kept


def is_same(one: Path, other: Path) -> bool:
    """Tell whether two files have the same content."""
    with one.open("rb") as first, other.open("rb") as second:
        while (block := first.read(BLOCK_BYTES)) == second.read(BLOCK_BYTES):
            if not block:
                return True
    return False


def name_in(source: Path, path: Path) -> str:
    """Return how messages name a file of a source: by its path in the folder, or its name."""
    return path.name if path == source else path.relative_to(source).as_posix()


def expand(path: Path | str) -> Path:
    """Return a path with `~` and variables replaced, unless it is there as it is.

    The functions of `os.path`, as those of `Path` raise where they may not look.

    Raises:
        SkipcastError: there is nothing; the message names the remedy.
    """
    for text in (str(path), os.path.expanduser(os.path.expandvars(path))):  # noqa: PTH111
        if os.path.isfile(text) or os.path.isdir(text):  # noqa: PTH112, PTH113
            return Path(text)
    if "://" in text:
        place = locate(text)
        check(place)
        return place
    expanded = Path(text)
    unset = re.search(r"\$\{?(\w+)", str(text))
    if unset:
        remedy = f"The variable {unset[1]} is not set: `export {unset[1]}=...` sets it."
    elif os.path.isfile(f"{expanded}.dvc"):  # noqa: PTH113
        remedy = f"`dvc pull {expanded}.dvc` gets it."
    else:
        remedy = "Correct params.yaml."
    raise SkipcastError(
        f"fetch.source and fetch.tracks must name files or folders but {expanded} is neither. "
        f"{remedy}"
    )


def walk(folder: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    """Yield the files of a folder that end in one of `suffixes`, in small letters.

    Links are followed, each folder once; what is hidden is passed over.
    """
    if is_remote(folder):
        for path in find(folder):
            if path.name.lower().endswith(suffixes) and not is_hidden(name_in(folder, path)):
                yield path
        return
    seen: set[tuple[int, int]] = set()
    for place, folders, files in os.walk(folder, onerror=_raise, followlinks=True):
        status = Path(place).stat()
        is_new = (status.st_dev, status.st_ino) not in seen
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if is_new and not is_hidden(name))
        for name in files:
            if is_new and name.lower().endswith(suffixes) and not is_hidden(name):
                yield Path(place, name)


def _raise(error: OSError) -> None:
    raise error


def _unpacked(path: Path, paths: list[Path]) -> Path | None:
    """Return the CSV file of which `path` is the packed one, if it is there."""
    packed = re.fullmatch(r"(.+\.csv)\.\w+", path.name, re.IGNORECASE)
    beside = path.with_name(packed[1]) if packed else None
    return beside if beside in paths else None


def _has_key(file: CsvFile) -> bool:
    """Tell whether a file is a log or a track table.

    Raises:
        SkipcastError: it seems to be one, but its header is not as it must be.
    """
    for name in file.header:
        plain = name.strip().lower()
        if any(key in plain for key in KEYS):
            check_separator(name, file=file.name)
        if name not in KEYS and plain in KEYS:
            raise SkipcastError(
                f"{file.name} must have the column {plain} but has {name!r}. Rename it."
            )
    return not {*KEYS}.isdisjoint(file.header)
