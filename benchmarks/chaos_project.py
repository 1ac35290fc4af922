"""A small project whose commands are disturbed: its place, its processes, copies of it."""

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml

ROOT = Path(__file__).parents[1]
MARK = "SKIPCAST_CHAOS"  # the variable by which the processes of a project are found
ENDING_SECONDS = 30  # in which all that a killed process has started must have ended
PLAYS = 4000
# One listener's plays, of which trials see a sample, so that refit has work to do. At most five
# trials: then the order in which two workers do them decides nothing.
PARAMS: dict[str, dict[str, Any]] = {
    "search": {"families": {"lightgbm": 3}, "plays": 2000},
    "promote": {"samples": 100, "tolerance": 0.5, "max_ece": 0.5, "slice_tolerance": 0.9},
}


@dataclass(frozen=True)
class Project:
    """A project in a place of its own, with a home, temporary files, and marked processes."""

    place: Path

    @property
    def folder(self) -> Path:
        """Return the root of the project."""
        return self.place / "project"

    @property
    def log(self) -> Path:
        """Return the file of what its commands print, which is not on the project's disk."""
        return self.place.with_suffix(".log")

    @property
    def served(self) -> Path:
        """Return the folder of the MLflow server's store, where the project has a server."""
        return self.place.with_suffix(".server")

    @property
    def store(self) -> Path:
        """Return the file of the MLflow store."""
        own, served = self.folder / "mlflow.db", self.served / "store.db"
        return served if served.exists() else own

    @property
    def variables(self) -> dict[str, str]:
        """Return the variables of its processes: not the user's database and store."""
        theirs = ("DATABASE_URL", "MLFLOW_", "DVC_", "PG", "SKIPCAST_")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(theirs)}
        return kept | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.place / "home"),
            "TMPDIR": str(self.place / "tmp"),
            "DVC_SITE_CACHE_DIR": str(self.place / "home/dvc"),
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
            MARK: str(self.place),
        }

    def start(self, command: str, **more: str) -> subprocess.Popen[bytes]:
        """Start a command in a group of processes of its own, with more variables."""
        with self.log.open("ab") as output:
            return subprocess.Popen(
                shlex.split(command),
                cwd=self.folder,
                env=self.variables | more,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def run(self, command: str, **more: str) -> int:
        """Run a command; return its exit code."""
        return self.start(command, **more).wait()

    def must(self, command: str, **more: str) -> float:
        """Run a command that must end well; return the seconds it took."""
        started = time.perf_counter()
        if self.run(command, **more):
            sys.exit(f"`{command}` must end well in {self.folder} but failed:\n{self.printed()}")
        return time.perf_counter() - started

    def printed(self) -> str:
        """Return what the commands have printed."""
        return self.log.read_text(errors="replace")

    def set_params(self, changes: Mapping[str, Mapping[str, Any]]) -> None:
        """Change values of params.yaml."""
        path = self.folder / "params.yaml"
        content = yaml.safe_load(path.read_text())
        for section, values in changes.items():
            content[section] |= values
        path.write_text(yaml.safe_dump(content))

    def processes(self) -> list[psutil.Process]:
        """Return what runs for the project."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get(MARK) == str(self.place):
                    found.append(process)
        return found

    def rest(self) -> list[psutil.Process]:
        """Return the processes that did not end in `ENDING_SECONDS`."""
        deadline = time.monotonic() + ENDING_SECONDS
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return left

    def delete(self) -> None:
        """Kill what is left, and delete all."""
        for process in self.processes():
            with suppress(psutil.Error):
                process.kill()
        shutil.rmtree(self.place, ignore_errors=True)
        self.log.unlink(missing_ok=True)


def make(place: Path, source: Path) -> Project:
    """Make a project in which nothing has run, of the commit that is checked out."""
    project = empty(place)
    subprocess.run(["git", "clone", "--quiet", ROOT, project.folder], check=True)
    (project.folder / "dvc.lock").unlink(missing_ok=True)
    shutil.rmtree(project.folder / "metrics", ignore_errors=True)
    project.set_params(PARAMS | {"fetch": {"source": str(source)}})
    return project


def fill(project: Project, of: Project) -> None:
    """Fill an empty place with a copy of a project in which nothing runs."""
    # Not shutil's: the database belongs to another user where root runs the project.
    subprocess.run(["cp", "-a", "--reflink=auto", of.folder, project.place], check=True)


def empty(place: Path) -> Project:
    """Return a project of which there is only the place, which others may pass."""
    for name in ("home", "tmp"):
        (place / name).mkdir(parents=True)
    return Project(place)


def postgres_of(project: Project) -> psutil.Process | None:
    """Return the main process of the project's Postgres server."""
    servers = [p for p in project.processes() if p.name() == "postgres"]
    return next((p for p in servers if p.parent() not in servers), None)
