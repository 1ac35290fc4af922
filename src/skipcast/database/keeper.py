"""The process that starts the embedded Postgres, is its parent, and ends it after its last user.

`python -m skipcast.database.keeper FOLDER LOCK` is started by the first user, who hands over its
lock on the file `.keeper`. It prints what is wrong, or nothing once the server answers, and lives
as long as the server. A user whose process is killed cannot end the server; the keeper can: it
waits for the lock on `.users`, which it gets when there is no user left.
"""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from skipcast.database import cluster
from skipcast.database.embedded import (
    PORT,
    SOCKETS,
    START_SECONDS,
    USERS,
    lock,
    open_lock,
    unusable,
)
from skipcast.errors import SkipcastError

LOG = "log"
LAST_LINES = 6  # of the log, which say why a server does not start
Server = subprocess.Popen[bytes]


def main() -> None:
    """Run the server; return when it has ended."""
    if os.fork():  # the user who has started this waits for the parent alone
        return
    folder, lock_number = Path(sys.argv[1]), int(sys.argv[2])
    os.ftruncate(lock_number, 0)
    try:
        # One whose keeper was killed, or whose folder was deleted: that would write into this one.
        cluster.stop(folder)
        cluster.prepare(folder)
        (folder / "postmaster.pid").unlink(missing_ok=True)
        with _socket_folder(folder) as sockets:
            _keep(_start(folder, sockets), folder, sockets, lock_number)
    except SkipcastError as error:
        _say(str(error))
    except OSError as error:
        _say(unusable(folder, error))


def _say(text: str) -> None:
    sys.stdout.buffer.write(text.encode(errors="replace"))


def _keep(server: Server, folder: Path, sockets: Path, lock_number: int) -> None:
    """Tell the users where the server is; return when it has ended."""
    signal.signal(signal.SIGTERM, lambda *_: server.send_signal(signal.SIGINT))
    threading.Thread(
        target=_end_after_users, args=(server, folder, lock_number), daemon=True
    ).start()
    os.pwrite(lock_number, os.fsencode(sockets), 0)
    with (folder / LOG).open("a") as log:
        for output in (sys.stdout, sys.stderr):  # on whose end the first user waits
            os.dup2(log.fileno(), output.fileno())
    server.wait()
    os.ftruncate(lock_number, 0)


def _end_after_users(server: Server, folder: Path, lock_number: int) -> None:
    with open_lock(folder / USERS) as users:
        lock(users, fcntl.LOCK_EX)
        os.ftruncate(lock_number, 0)  # before the next user may look
        server.send_signal(signal.SIGINT)
        server.wait()


def _start(folder: Path, sockets: Path) -> Server:
    """Start the server; return it when it answers.

    Raises:
        SkipcastError: it does not; the message has the end of its log.
    """
    quoted = '"' + str(sockets).replace('"', '""') + '"'  # in a list that commas part
    settings = {"listen_addresses": "", "port": PORT, "unix_socket_directories": quoted}
    options = [f"--{name}={value}" for name, value in settings.items()]
    with (folder / LOG).open("wb") as log:
        server = subprocess.Popen(
            [cluster.program("postgres"), "-D", folder, *options],
            stdout=log,
            stderr=log,
            **cluster.process_options(folder),
        )
    check = [str(cluster.program("pg_isready")), "--quiet", f"--host={sockets}", f"--port={PORT}"]
    environment = cluster.process_options(folder)["env"]

    def answers() -> bool:
        return not subprocess.run(check, check=False, env=environment).returncode

    cluster.wait_until(lambda: answers() or server.poll() is not None, START_SECONDS - 30)
    if server.poll() is None and answers():
        return server
    server.send_signal(signal.SIGQUIT)
    server.wait()
    lines = (folder / LOG).read_text(errors="replace").splitlines()[-LAST_LINES:]
    raise SkipcastError(
        f"{folder} must be a folder on which Postgres starts but got:\n"
        + "\n".join(lines)
        + f"\nMend that; or, where the data are of no use here: {cluster.rebuild(folder)}"
    )


@contextmanager
def _socket_folder(folder: Path) -> Iterator[Path]:
    """Yield a new folder for the socket, whose path does not depend on the project's.

    Raises:
        SkipcastError: no folder for temporary files will do.
    """
    places = [os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp", "/var/tmp"]
    for place in filter(None, places):
        sockets = _try_socket_folder(Path(place), folder)
        if sockets:
            try:
                yield sockets
            finally:
                shutil.rmtree(sockets, ignore_errors=True)
            return
    raise SkipcastError(
        "The folder for temporary files must have a short path and room for a socket but "
        f"{tempfile.gettempdir()} has not. Set TMPDIR to one that has."
    )


def _try_socket_folder(place: Path, folder: Path) -> Path | None:
    """Return a new folder in `place` if the owner of the data folder can use a socket there."""
    sockets = None
    try:
        if cluster.IS_ROOT and not all(p.stat().st_mode & 0o001 for p in (place, *place.parents)):
            return None
        sockets = Path(tempfile.mkdtemp(prefix=SOCKETS, dir=place))
        with socket.socket(socket.AF_UNIX) as trial:
            trial.bind(str(sockets / f".s.PGSQL.{PORT}"))
        (sockets / f".s.PGSQL.{PORT}").unlink()
        if cluster.IS_ROOT:
            owner = folder.stat()
            os.chown(sockets, owner.st_uid, owner.st_gid)
    except OSError:  # there is no such place, or its path is too long, or its disk has no sockets
        if sockets:
            shutil.rmtree(sockets, ignore_errors=True)
        return None
    return sockets


if __name__ == "__main__":
    main()
