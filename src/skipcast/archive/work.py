"""The folder in which a fetch works: of one run at a time, kept after a kill, gone at the end."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from skipcast import storage
from skipcast.errors import SkipcastError
from skipcast.files import hash_code, hash_json
from skipcast.storage import is_remote

# What decides which plays are fetched and how they are written.
CODE = (
    "archive", "column.py", "files.py", "parts.py", "reading", "schema.py", "sessions.py", "twin",
)  # fmt: skip
LIBRARIES = ("numpy", "pandas", "pyarrow")
MARK = "run"


def fingerprint(*about: object) -> str:
    """Return a hash of what a run is about, and of the code and libraries that do it.

    Args:
        about: whatever JSON can hold.
    """
    content = {
        "about": about,
        "code": hash_code(*CODE),
        "libraries": {name: version(name) for name in LIBRARIES},
    }
    return hash_json(content)


def stamp(path: Path) -> list[object]:
    """Return what tells whether a file is another one or was changed."""
    if is_remote(path):
        return [str(path), storage.version(path)]
    status = path.stat()
    return [str(path.absolute()), status.st_size, status.st_mtime_ns]


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Have no other process fetch to a folder at the same time.

    Raises:
        SkipcastError: one does.
    """
    folder.mkdir(parents=True, exist_ok=True)
    opened = os.open(folder, os.O_RDONLY)
    try:
        _lock(opened, folder)
        yield
    finally:
        os.close(opened)


def _lock(opened: int, folder: Path) -> None:
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise SkipcastError(
            f"{folder} must be written to by one `skipcast fetch` at a time but another one does. "
            "Wait until it has ended, or end it."
        ) from error
    except OSError:  # of some networks, which lock no folders
        return


def begin(folder: Path, run: str) -> None:
    """Make the folder of a run; what is there of another run is deleted."""
    mark = folder / MARK
    if not mark.is_file() or mark.read_text(encoding="utf-8") != run:
        discard(folder)
        folder.mkdir(parents=True)
        mark.write_text(run, encoding="utf-8")


def keep_only(folder: Path, names: set[str]) -> None:
    """Delete what is in the folder of a run but not among `names`."""
    for path in folder.iterdir():
        if path.name not in names | {MARK}:
            discard(path)


def discard(folder: Path) -> None:
    """Delete a folder, if there is one; after a kill, nothing of it seems to be finished."""
    trash = folder.with_name(f".{folder.name}.trash")
    shutil.rmtree(trash, ignore_errors=True)
    if folder.exists():
        os.replace(folder, trash)  # noqa: PTH105 (Path.replace returns a path nobody needs)
        shutil.rmtree(trash, ignore_errors=True)
