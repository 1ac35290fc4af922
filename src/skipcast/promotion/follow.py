"""A server that follows the champion: each new one answers after it has shown that it can.

nginx passes requests on to the scoring server of one version. When the alias moves, another server
starts beside it, and nginx turns to that. What does not load or answer is not served.
"""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from skipcast.clients.proxy import Proxy
from skipcast.clients.server_process import ServerProcess, free_port
from skipcast.errors import SkipcastError
from skipcast.promotion.ledger import Entry
from skipcast.promotion.registry import Registry

LOOK_SECONDS = 1.0  # between looks at the alias
# Until a version that was refused is tried again: its files may be back, or the store in reach.
RETRY_SECONDS = 60.0

Command = Callable[[Path, int], list[str]]
"""Returns what serves a folder at a port."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class Refusal:
    """Why a version is not served, and when it is tried again by the clock `time.monotonic`."""

    version: int
    reason: str
    again_at: float


@dataclass(frozen=True)
class Served:
    """A version that answers."""

    version: int
    folder: Path  # its copy
    server: ServerProcess

    def stop(self) -> None:
        """End its server after its last answer; delete the copy."""
        self.server.stop()
        shutil.rmtree(self.folder, ignore_errors=True)


class Follower:
    """Keeps the champion of a registry behind nginx."""

    def __init__(self, registry: Registry, proxy: Proxy, command: Command, say: Say) -> None:
        """Follow the champion of `registry`; tell what happens by `say`."""
        self._registry = registry
        self._proxy = proxy
        self._command = command
        self._say = say
        self._refused: Refusal | None = None
        self._trouble: str | None = None

    def run(self) -> None:
        """Serve the champion, and each champion after it, until a signal comes.

        Raises:
            SkipcastError: the first champion cannot be served, or a program ended by itself.
        """
        served = self._start(self._registry.require_champion())
        try:
            with self._proxy.running(served.server.port):
                self._say(f"version {served.version} answers")
                while True:
                    time.sleep(LOOK_SECONDS)
                    self._proxy.check()
                    with _named(served.version):
                        served.server.check()
                    served = self._look(served)
        finally:
            served.stop()

    def _look(self, served: Served) -> Served:
        """Look at the alias once; return what is served after that."""
        champion = self._champion()
        if champion is None or self._must_wait(champion):
            return served
        if champion == served.version:
            self._refused = None
            return served
        try:
            new = self._start(champion)
        except SkipcastError as error:
            self._refuse(champion, served.version, str(error))
            return served
        return self._turn(served, new)

    def _must_wait(self, version: int) -> bool:
        refused = self._refused
        return (
            refused is not None
            and refused.version == version
            and time.monotonic() < refused.again_at
        )

    def _turn(self, served: Served, new: Served) -> Served:
        try:
            self._proxy.turn(new.server.port)
        except SkipcastError as error:
            new.stop()
            self._refuse(new.version, served.version, str(error))
            return served
        self._say(f"version {new.version} answers, no longer {served.version}")
        served.stop()
        return new

    def _champion(self) -> int | None:
        """Return the champion; None where there is none or the registry does not answer."""
        try:
            champion = self._registry.champion()
            trouble = None if champion is not None else f"{self._registry.name} has no champion"
        except SkipcastError as error:
            champion, trouble = None, str(error)
        if trouble is not None and trouble != self._trouble:
            self._say(f"{trouble}. What was served goes on")
        self._trouble = trouble
        return champion

    def _start(self, version: int) -> Served:
        """Start a server of a version and have it show that it answers.

        Raises:
            SkipcastError: it does not, or its files are not those that were registered.
        """
        folder = Path(tempfile.mkdtemp(prefix="skipcast."))
        try:
            copy, note = self._registry.take(version, folder)
            if note:
                self._say(note)
            port = free_port()
            server = ServerProcess(self._command(copy, port), port)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        started = Served(version, folder, server)
        try:
            with _named(version):
                server.wait()
                server.try_example(copy)
        except BaseException:
            started.stop()
            raise
        return started

    def _refuse(self, version: int, served: int, reason: str) -> None:
        """Remember that a version cannot be served; tell it once for each reason."""
        before, again_at = self._refused, time.monotonic() + RETRY_SECONDS
        self._refused = Refusal(version, reason, again_at)
        if before and (before.version, before.reason) == (version, reason):
            return
        self._say(f"version {version} is not served, version {served} goes on: {reason}")
        try:
            self._registry.note(Entry("not served", version, served, reason))
        except SkipcastError as error:
            self._say(f"the ledger does not hear of it: {error}")


@contextmanager
def _named(version: int) -> Iterator[None]:
    """Say which version's server it is that an error tells of."""
    try:
        yield
    except SkipcastError as error:
        raise SkipcastError(f"The server of version {version}: {error}") from error
