"""The JSON files of streaming histories in a zip or folder: what each is, and whose.

What a file is, its first bytes say. A zip is read as it is: nothing is unpacked to disk. Each zip
and each folder directly in a source is one listener's.
"""

import gzip
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Literal

from skipcast.archive.csv_files import SUFFIXES as CSV_SUFFIXES
from skipcast.archive.csv_files import intact, is_hidden, open_zipped
from skipcast.archive.kinds import CSV, START, check_kind, packing
from skipcast.archive.source import expand, find_files, name_in
from skipcast.errors import SkipcastError

Content = Literal["plays", "videos", "account", "other", "none"]
"""Of a JSON file; none where it is no JSON."""

SOURCE = f"{CSV} or a listener's own streaming history, as Spotify's zip or its JSON,"
SUFFIXES = (".json", ".zip")  # of files that are opened in folders
PACKED = (".7z", ".rar", ".tar", ".tar.gz", ".tgz", ".json.gz")  # of files that are not
PEEK = 1 << 16  # bytes of a JSON file that tell what is in it; they hold several plays
MOST_BYTES = 1 << 30  # of a JSON file; Spotify's have 13 MB
JSON = re.compile(rb"(\xef\xbb\xbf)?\s*[\[{]")
NO_ROWS = re.compile(rb"(\xef\xbb\xbf)?\s*\[\s*\]\s*")
VIDEO = re.compile(r"endvideo|streaming_?history_?video", re.IGNORECASE)


@dataclass(frozen=True)
class HistoryFile:
    """A JSON file of a source."""

    name: str  # for messages
    content: Content
    path: Path
    member: str | None = None  # where `path` is a zip

    def check_is_json(self) -> None:
        """Check that it is JSON; else say what it is."""
        if self.content == "none":
            check_kind(self.name, _read(self.name, self.path, self.member, START), "JSON")
            raise SkipcastError(f"{self.name} must be JSON but is none. Get the export again.")

    def read(self) -> bytes:
        """Return what is in it.

        Raises:
            SkipcastError: it is damaged, has a password or is larger than memory should hold.
        """
        content = _read(self.name, self.path, self.member, MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise SkipcastError(
                f"{self.name} must be at most {MOST_BYTES >> 20} MB of JSON but is larger. Name "
                "the zip as Spotify sent it."
            )
        return content


def is_history(source: Path | str) -> bool:
    """Tell whether a source is to be read as streaming histories, not as official CSV files.

    That is so where a JSON file in it holds plays or Spotify's Account data, and where there is
    JSON and no CSV.

    Args:
        source: path of a file or folder; `~` and variables of the environment are replaced.

    Raises:
        SkipcastError: there is nothing, or a file is damaged or none that can be read.
    """
    path = expand(source)
    if path.is_file():
        start = _start(path)
        if not JSON.match(start):
            check_kind(path.name, start, SOURCE)
            if packing(start) == "gzip":
                _check_not_gzipped(path)
            if packing(start) != "zip":
                return False
    contents = {file.content for files in find_histories(path, _ignore).values() for file in files}
    return not contents.isdisjoint({"plays", "account"}) or bool(contents and not _has_csv(path))


def _check_not_gzipped(path: Path) -> None:
    with intact(path.name), path.open("rb") as file, gzip.open(file) as stream:
        if JSON.match(stream.read(START)):
            raise SkipcastError(
                f"{path.name} must be JSON as it is or in Spotify's zip but is in gzip. Unpack it, "
                f"`gunzip {path}`, and name the file that comes out."
            )


def _ignore(sentence: str) -> None:
    """Say nothing: who reads the source says it."""


def _has_csv(path: Path) -> bool:
    if path.is_dir():
        return bool(find_files(path, (".csv", ".csv.gz", ".tar", ".tar.gz", ".tgz"), _ignore))
    names = _members(path) if packing(_start(path)) == "zip" else {}
    return any(name.lower().endswith(CSV_SUFFIXES) for name in names)


def find_histories(path: Path, tell: Callable[[str], None]) -> dict[str, list[HistoryFile]]:
    """Return the JSON files of each listener, by the name of the listener's zip or folder.

    Args:
        path: of a JSON file, a zip, or a folder of both.
        tell: gets a sentence for each file that is left out.

    Raises:
        SkipcastError: a file cannot be read, or a zip is damaged.
    """
    histories: dict[str, list[HistoryFile]] = {}
    with intact(path.name):
        paths = find_files(path, SUFFIXES, tell)
    for file in paths:
        name = name_in(path, file)
        if packing(_start(file)) != "zip":
            found = [_file(name, file)]
        elif not (found := list(_members_of(name, file))):
            tell(f"Left out: {name}, in which no file ends in .json.")
        elif _is_unpacked(file, found, paths):
            tell(f"Left out: {name}, which is unpacked beside itself.")
            continue
        for one in found:
            histories.setdefault(_listener(path, one), []).append(one)
    for file in find_files(path, PACKED, _ignore) if path.is_dir() else ():
        tell(f"Left out: {name_in(path, file)}. Unpack it: only zips and JSON are read.")
    return histories


def _listener(source: Path, file: HistoryFile) -> str:
    """Return the name of the zip or folder, directly in the source, that a file is of or in."""
    inside = file.path.relative_to(source).parts
    if not inside and file.member:  # a zip is as a folder
        inside = PurePosixPath(file.member).parts
    if len(inside) > 1:
        return inside[0]
    return file.path.stem if inside and file.member else source.stem


def _members_of(name: str, path: Path) -> Iterator[HistoryFile]:
    for member in sorted(_members(path)):
        if member.lower().endswith(".json") and not is_hidden(member):
            yield _file(f"{name}/{member}", path, member)


def _members(path: Path) -> dict[str, int]:
    """Return the files in a zip, with their sizes in bytes."""
    with intact(path.name), path.open("rb") as file, zipfile.ZipFile(file) as archive:
        return {info.filename: info.file_size for info in archive.infolist() if not info.is_dir()}


def _is_unpacked(path: Path, found: list[HistoryFile], paths: list[Path]) -> bool:
    """Tell whether all plays of a zip are in files among `paths`, beside it or in its folder."""
    sizes = _members(path)
    members = [file.member or "" for file in found if file.content == "plays"]
    for folder in (path.parent, path.parent / path.stem):
        beside = {folder / member: sizes[member] for member in members}
        if beside and {*paths} >= {*beside} and all(f.stat().st_size == beside[f] for f in beside):
            return True
    return False


def _file(name: str, path: Path, member: str | None = None) -> HistoryFile:
    return HistoryFile(name, _content(name, _read(name, path, member, PEEK)), path, member)


def _content(name: str, start: bytes) -> Content:
    """Return what a JSON file holds, by its first bytes; music and videos differ by name alone."""
    if not JSON.match(start):
        return "none"
    if b'"ms_played"' in start or NO_ROWS.fullmatch(start):
        return "videos" if VIDEO.search(PurePosixPath(name).name) else "plays"
    return "account" if b'"msPlayed"' in start else "other"


def _start(path: Path) -> bytes:
    return _read(path.name, path, None, START)


def _read(name: str, path: Path, member: str | None, size: int) -> bytes:
    with intact(name), _open(name, path, member) as stream:
        return stream.read(size)


@contextmanager
def _open(name: str, path: Path, member: str | None) -> Iterator[IO[bytes]]:
    if member is None:
        with path.open("rb") as stream:
            yield stream
    else:
        with (
            path.open("rb") as file,
            zipfile.ZipFile(file) as archive,
            open_zipped(name, archive, archive.getinfo(member)) as stream,
        ):
            yield stream
