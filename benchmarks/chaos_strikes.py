"""What happens to a command while it runs: a kill, a full disk, a server that goes away."""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from chaos_project import MARK, Project, postgres_of

DISK_MB = 2000
POLL_SECONDS = 0.05
START_SECONDS = 180
STOP_SECONDS = 30
SERVER = "server --backend-store-uri sqlite:///store.db --artifacts-destination files --workers 1"
Command = subprocess.Popen[bytes]


class Strike:
    """What happens to a command of a project, which is to be in an empty place."""

    def __init__(self, project: Project, random_: random.Random) -> None:
        self.project = project
        self.random = random_

    @contextmanager
    def around(self) -> Iterator[Mapping[str, str]]:
        """Prepare the empty place; yield more variables for the project's commands."""
        yield {}

    def start(self, command: str, variables: Mapping[str, str]) -> Command:
        """Start the command."""
        self.command = self.project.start(command, **variables)
        return self.command

    def hit(self) -> str | None:
        """Strike; return in words what was done, None where there was nothing to strike."""
        raise NotImplementedError

    def mend(self) -> None:
        """Undo it, where the user would."""


class Kill(Strike):
    """SIGKILL of a command's process, or of all its group."""

    def hit(self) -> str | None:
        """Kill; the group includes what the command has started, if it stayed in it."""
        group = self.random.random() < 0.5
        (os.killpg if group else os.kill)(self.command.pid, signal.SIGKILL)
        return "killed, with its group" if group else "killed"


class FullDisk(Strike):
    """A disk that has no room from then on."""

    @contextmanager
    def around(self) -> Iterator[Mapping[str, str]]:
        """Have the project on a disk of its own."""
        options = ["-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(self.project.place)]
        if subprocess.run(["mount", *options], check=False).returncode:
            sys.exit("Who fills a disk must be root, for it is mounted. Leave the kind disk out.")
        try:
            yield {}
        finally:
            subprocess.run(["umount", "--lazy", self.project.place], check=True)
            self.project.place.rmdir()

    def hit(self) -> str | None:
        """Make the disk as small as what is on it, which may grow meanwhile."""
        while not self._resize(_used_kilobytes(self.project.place)):
            pass
        return "disk full"

    def mend(self) -> None:
        """Give it room."""
        self._resize(DISK_MB * 1024)

    def _resize(self, kilobytes: int) -> bool:
        options = ["-o", f"remount,size={kilobytes}k", str(self.project.place)]
        return not subprocess.run(["mount", *options], capture_output=True, check=False).returncode


def _used_kilobytes(place: Path) -> int:
    disk = os.statvfs(place)
    return (disk.f_blocks - disk.f_bfree) * disk.f_frsize // 1024


class NoPostgres(Strike):
    """The embedded Postgres is stopped, or killed; the next command starts it again."""

    def hit(self) -> str | None:
        """Wait until it runs, and end it."""
        while self.command.poll() is None:
            server = postgres_of(self.project)
            if server is not None:
                number = self.random.choice([signal.SIGINT, signal.SIGKILL])
                server.send_signal(number)
                return f"Postgres got {number.name}"
            time.sleep(POLL_SECONDS)
        return None


class NoMlflow(Strike):
    """The tracking server is stopped, or killed, and later started again."""

    def __init__(self, project: Project, random_: random.Random) -> None:
        super().__init__(project, random_)
        self._port = _free_port()

    @contextmanager
    def around(self) -> Iterator[Mapping[str, str]]:
        """Run a server for the project, whose store is new."""
        self.project.served.mkdir(parents=True)
        empty = self.project.served.parent / "empty.db"
        if empty.exists():
            shutil.copy(empty, self.project.served / "store.db")
        self._start()
        if not empty.exists():  # to make its tables takes longer than a round
            shutil.copy(self.project.served / "store.db", empty)
        try:
            yield {"MLFLOW_TRACKING_URI": self._url}
        finally:
            self._end(signal.SIGKILL)
            shutil.rmtree(self.project.served)

    @property
    def _url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def hit(self) -> str | None:
        """End the server."""
        number = self.random.choice([signal.SIGTERM, signal.SIGKILL])
        self._end(number)
        return f"MLflow got {number.name}"

    def mend(self) -> None:
        """Start it again."""
        if self._server.poll() is not None:
            self._start()

    def _start(self) -> None:
        program, folder = Path(sys.executable).with_name("mlflow"), self.project.served
        own = {
            MARK: "server",  # it is not of the project
            **dict.fromkeys(("HOME", "TMPDIR"), str(folder)),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # ten processes more
        }
        with (folder / "log").open("ab") as log:
            self._server = subprocess.Popen(
                [program, *SERVER.split(), "--port", str(self._port)],
                cwd=folder,
                env=self.project.variables | own,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            with suppress(OSError):
                urllib.request.urlopen(f"{self._url}/health", timeout=5).close()
                return
            time.sleep(POLL_SECONDS)
        sys.exit(f"The MLflow server must answer but does not: {self.project.served / 'log'}.")

    def _end(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._server.pid, number)
        try:
            self._server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._server.pid, signal.SIGKILL)
            self._server.wait()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
