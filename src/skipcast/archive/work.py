"""The folder in which a fetch works: of one run at a time, kept after a kill, gone at the end."""

import fcntl
import os
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
