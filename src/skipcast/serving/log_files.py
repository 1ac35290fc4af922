"""The files of the log of a served model: lines that processes append, and a limit on the disk.

Each process writes files of its own, so no line of one gets between those of another. It holds a
lock on the file that it writes, which the system frees when the process ends, however it ends. A
file that has its share of the limit is closed, and the next one begins; the oldest files that
nobody writes go as soon as the folder would exceed the limit.
"""

import fcntl
import logging
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

FILES = 32  # that share the limit, each a part of it: more processes than that may exceed it
BLOCK = 4096  # bytes that a file takes on the disk at least
PAUSE = 10.0  # seconds without a try after one that failed
SALT_BYTES = 32
PATTERN = "*.jsonl"

_logger = logging.getLogger(__name__)


class LogFiles:
    """Appends lines to the files of a folder."""

    def __init__(self, folder: Path, *, limit: int, header: bytes) -> None:
        """Open nothing yet: a process that answers nothing leaves no file.

        Args:
            folder: exists.
            limit: bytes that all files of the folder have at most.
            header: the first line of each file.
        """
        self._folder = folder
        self._limit = limit
        self._share = limit // FILES
        self._header = header
        self._file = -1
        self._size = 0
        self._pause_until = 0.0
        self.lost = 0  # lines that could not be written, since the process began

    def append(self, lines: Sequence[bytes]) -> None:
        """Append lines, in as few writes as the files' sizes allow; count those that are lost.

        A disk that is full, or a folder that is gone, is told in the server's own log, and tried
        again later.
        """
        for chunk in self._chunks(lines):
            if time.monotonic() < self._pause_until:
                self.lost += len(chunk)
                continue
            try:
                self._write(chunk)
            except OSError as error:
                _logger.warning("serve.log must be written but is not: %s", error)
                self._pause_until = time.monotonic() + PAUSE
                self.lost += len(chunk)
                self._close()

    def _chunks(self, lines: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
        """Divide lines so that each part has room in a file."""
        room = self._share - len(self._header) - 2
        start = size = 0
        for i, line in enumerate(lines):
            if size + len(line) + 2 > room and i > start:
                yield lines[start:i]
                start, size = i, 0
            size += len(line) + 2
        if lines:
            yield lines[start:]

    def _write(self, lines: Sequence[bytes]) -> None:
        """Write lines at once.

        An empty line before them keeps them apart from what a full disk or a kill cut off.
        """
        data = b"\n" + b"\n".join(lines) + b"\n"
        if self._file < 0 or self._size + len(data) > self._share or self._is_removed():
            self._open()
        written = os.write(self._file, data)
        self._size += written
        if written < len(data):
            raise OSError(f"only {written} of {len(data)} bytes had room")

    def _is_removed(self) -> bool:
        """Tell whether somebody has removed the file: nobody would ever read what it gets."""
        return os.fstat(self._file).st_nlink == 0

    def _open(self) -> None:
        self._close()
        make_room(self._folder, self._limit - self._share, growing=self._share)
        name = f"{time.time_ns():020}-{secrets.token_hex(4)}.jsonl"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
        self._file = os.open(self._folder / name, flags, 0o600)
        with suppress(OSError):  # a file system without locks: the file may go while it is written
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._size = os.write(self._file, self._header + b"\n")
        if self._size <= len(self._header):
            os.unlink(self._folder / name)  # noqa: PTH108 (the folder may be gone, as told above)
            raise OSError("there was no room for the first line")

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def make_room(folder: Path, most: int, *, growing: int) -> None:
    """Remove the oldest files that nobody writes until all have at most `most` bytes.

    Args:
        folder: of the log.
        most: bytes.
        growing: bytes that a file which is being written counts as, as it may become as large.
    """
    files = sorted(folder.glob(PATTERN))  # a name begins with the time at which the file did
    closed = {path: size for path in files if (size := _closed_size(path)) is not None}
    total = sum(closed.values()) + growing * (len(files) - len(closed))
    for path, size in closed.items():
        if total <= most:
            return
        path.unlink(missing_ok=True)
        total -= size


def _closed_size(path: Path) -> int | None:
    """Return what a file takes on the disk; None while a process writes it."""
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:  # another process has removed it
        return 0
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    except OSError:  # a file system without locks
        pass
    finally:
        size = os.fstat(file).st_size
        os.close(file)
    return -(-size // BLOCK) * BLOCK


def prepare_folder(folder: Path) -> bytes:
    """Make the folder of a log where there is none; return its salt.

    Git ignores the folder. The salt is made once, however many processes begin at the same time.

    Raises:
        OSError: the folder cannot be made or written.
        ValueError: the file of the salt is damaged.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n", encoding="utf-8")
    path = folder / "salt"
    if not path.exists():
        _make_salt(path)
    salt = path.read_bytes()
    if len(salt) != SALT_BYTES:
        raise ValueError(
            f"{path} must have {SALT_BYTES} bytes but has {len(salt)}. Remove it; what is known of "
            "sessions that run now is then not joined."
        )
    return salt


def _make_salt(path: Path) -> None:
    """Write a new salt; leave one that another process has made meanwhile."""
    temporary = path.with_name(f".salt-{secrets.token_hex(8)}")
    file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(file, "wb") as stream:
            stream.write(secrets.token_bytes(SALT_BYTES))
        with suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        temporary.unlink()
