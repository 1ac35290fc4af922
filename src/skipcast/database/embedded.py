"""The embedded Postgres: a server on a folder of its own that runs while any process uses it.

Two files in the folder are locks (flock), which end with their holders, however these end. So no
process is counted, and nobody asks whether a number is still that of the same process.

- `.users`: each user shares it. Who can have it alone is the last, and ends the server.
- `.keeper`: of the process that started the server (`keeper.py`) and ends it where the last user
  was killed. Its content is the folder of the server's socket, as soon as the server answers.
"""

import errno
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from os.path import samestat
from pathlib import Path
from typing import IO
from urllib.parse import quote

from skipcast.database import cluster
from skipcast.errors import SkipcastError

USERS, KEEPER = ".users", ".keeper"
SOCKETS = "skipcast-postgres-"  # how the name of a socket's folder begins
PORT = "5432"  # part of the socket's name
START_SECONDS = 90


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Yield the URL of the server on `folder`, which is made if need be; it runs meanwhile.

    Raises:
        SkipcastError: the server cannot run there.
    """
    folder = folder.resolve()
    with _no_other_defaults(), _shared(folder) as users:
        sockets = _start(folder)
        try:
            yield f"postgresql://postgres@/postgres?host={quote(sockets, safe='')}&port={PORT}"
        finally:
            _leave(folder, users)


@contextmanager
def _no_other_defaults() -> Iterator[None]:
    """Unset the variables that would lead connections to another server, as PGHOSTADDR does."""
    unset = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("PG")}
    try:
        yield
    finally:
        os.environ.update(unset)


@contextmanager
def _shared(folder: Path) -> Iterator[IO[str]]:
    """Make the folder, and be one of its users; wait while the last of them ends the server."""
    with ExitStack() as stack:
        try:
            cluster.make_folder(folder)
            users = stack.enter_context(open_lock(folder / USERS))
            lock(users, fcntl.LOCK_SH)
        except OSError as error:
            raise SkipcastError(unusable(folder, error)) from error
        yield users


def unusable(folder: Path, error: OSError) -> str:
    """Return the message for a folder in which no server can run."""
    if error.errno == errno.ENOSPC:
        return (
            f"The disk must have room for {folder} but is full. Make room, then type the command "
            "again: what is finished is kept."
        )
    return (
        f"{folder} must be a folder of your own on a local disk but got: {error.strerror}. Put "
        "the project on such a disk, or set DATABASE_URL."
    )


@contextmanager
def open_lock(path: Path) -> Iterator[IO[str]]:
    """Open a file for locks, which belongs to the owner of its folder."""
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+", encoding="utf-8") as file:
        if cluster.IS_ROOT:
            owner = path.parent.stat()
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        yield file


def lock(file: IO[str], how: int) -> bool:
    """Lock a file; return whether that succeeded."""
    try:
        fcntl.flock(file, how)
    except BlockingIOError:
        return False
    return True


def _start(folder: Path) -> str:
    """Return the folder of the server's socket when the server runs, started by whomever."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with open_lock(folder / KEEPER) as keeper:
            if lock(keeper, fcntl.LOCK_EX | fcntl.LOCK_NB):
                _start_keeper(folder, keeper)
            keeper.seek(0)
            if sockets := keeper.read():
                return sockets
        time.sleep(cluster.WAIT_SECONDS)
    raise SkipcastError(
        f"The server of {folder} must answer in {START_SECONDS} s but got no answer: another "
        "process starts or uses it, one in another container perhaps. End that process, or set "
        "DATABASE_URL."
    )


def _start_keeper(folder: Path, keeper: IO[str]) -> None:
    """Start the keeper, which gets the lock; return when the server answers.

    The keeper belongs to no terminal or group of processes that a user may end.
    """
    keeper.truncate(0)
    number = keeper.fileno()
    done = subprocess.run(
        [sys.executable, "-m", "skipcast.database.keeper", folder, str(number)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
        pass_fds=(number,),
        start_new_session=True,
    )
    if not os.fstat(number).st_size:
        raise SkipcastError((done.stdout or done.stderr).strip())


def _leave(folder: Path, users: IO[str]) -> None:
    """End the server if nobody else uses it; return when it has ended, and all that it left."""
    if not _is_at(users, folder / USERS):  # the folder was deleted; its keeper ends its server
        return
    if not lock(users, fcntl.LOCK_EX | fcntl.LOCK_NB):
        lock(users, fcntl.LOCK_SH)  # waits if the keeper is just about to end the server
        return
    cluster.stop(folder)
    with open_lock(folder / KEEPER) as keeper:
        cluster.wait_until(
            lambda: lock(keeper, fcntl.LOCK_SH | fcntl.LOCK_NB), cluster.STOP_SECONDS
        )


def _is_at(file: IO[str], path: Path) -> bool:
    return path.exists() and samestat(path.stat(), os.fstat(file.fileno()))
