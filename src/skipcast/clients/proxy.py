"""nginx before the scoring servers: `deploy/nginx.conf`, which reads where the server is."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from skipcast.errors import SkipcastError
from skipcast.files import replacing
from skipcast.processes import die_with_parent

CONF, LISTEN, UPSTREAM = "nginx.conf", "listen.conf", "upstream.conf"
PLACES = (os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin")
STOP_SECONDS = 120  # a request ends within 65
STEP = 0.05


class Proxy:
    """nginx that runs in a folder."""

    def __init__(self, nginx: str, folder: Path) -> None:
        """Prepare to run the program `nginx` in `folder`."""
        self._command = [nginx, "-p", f"{folder}/", "-c", CONF]
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @contextmanager
    def running(self, port: int) -> Iterator[None]:
        """Pass requests on to `port` of this machine until the block ends, then answer the last.

        Raises:
            SkipcastError: nginx does not start.
        """
        self._point_to(port)
        command = [*self._command, "-g", "daemon off;"]
        self._process = subprocess.Popen(
            command, start_new_session=True, preexec_fn=die_with_parent(signal.SIGQUIT)
        )
        try:
            self._wait_for_workers()
            yield
        finally:
            self._process.send_signal(signal.SIGQUIT)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
            self._process.kill()

    def check(self) -> None:
        """Raise where nginx has ended.

        Raises:
            SkipcastError: it has.
        """
        assert self._process is not None
        if self._process.poll() is not None:
            raise SkipcastError(
                f"nginx must run until it is stopped but ended with {self._process.returncode}. "
                f"Mend what it says above, in {self._folder}, and start it again."
            )

    def turn(self, port: int) -> None:
        """Pass new requests on to `port`; return when all others have been answered.

        Raises:
            SkipcastError: nginx does not take its configuration.
        """
        before = self._workers()
        self._point_to(port)
        done = subprocess.run([*self._command, "-s", "reload"], check=False)
        if done.returncode:
            raise SkipcastError(
                f"nginx must take the configuration in {self._folder} but ended with "
                f"{done.returncode}. Mend what it says above."
            )
        # New workers take every new request; those before answer what they have begun, then end.
        psutil.wait_procs(before, timeout=STOP_SECONDS)

    def _point_to(self, port: int) -> None:
        with replacing(self._folder / UPSTREAM) as file:
            file.write_text(f"server 127.0.0.1:{port};\n", encoding="utf-8")

    def _workers(self) -> list[psutil.Process]:
        assert self._process is not None
        try:
            return list(psutil.Process(self._process.pid).children())
        except psutil.NoSuchProcess:
            return []

    def _wait_for_workers(self) -> None:
        """Wait until nginx answers: it has workers as soon as it has its ports."""
        while not self._workers():
            self.check()
            time.sleep(STEP)


def find_nginx() -> str:
    """Return the path of nginx.

    Raises:
        SkipcastError: there is none.
    """
    nginx = shutil.which("nginx", path=os.pathsep.join(PLACES))
    if nginx is None:
        raise SkipcastError(
            "nginx must be on this machine to follow the champion but is not. Install it, such as "
            "by `apt-get install nginx-light`, or leave --follow out."
        )
    return nginx


def prepare(source: Path, target: Path, *, host: str, port: int) -> Path:
    """Copy the configuration in `source` into `target`; have it answer at `host` and `port`.

    Returns:
        The folder to run nginx in.

    Raises:
        SkipcastError: there is no configuration.
    """
    if not (source / CONF).is_file():
        raise SkipcastError(
            f"{source / CONF} must be there but is not. Run skipcast in the root of the project, "
            "or name by --proxy the folder that has it."
        )
    folder = target / "proxy"
    shutil.copytree(source, folder)
    address = f"[{host}]" if ":" in host else host
    text = f"server {{\n    listen {address}:{port};\n    include locations.conf;\n}}\n"
    (folder / LISTEN).write_text(text, encoding="utf-8")
    return folder
