"""Clusters of Dask: real schedulers and workers, each a process of its own, on free ports."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from harness.waiting import wait_until

BIN = Path(sys.executable).parent
TESTS = Path(__file__).parents[1]


@dataclass
class OwnCluster:
    """A scheduler at an address, and the workers that were started for it."""

    address: str
    folder: Path
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def add(
        self, *, environment: Mapping[str, str] | None = None, before: Sequence[str] = ()
    ) -> subprocess.Popen[bytes]:
        """Start a worker as a user does; it has one thread and is not started again.

        Args:
            environment: variables that it has besides those of the tests.
            before: a command that runs it.
        """
        path = os.pathsep.join([str(TESTS), *filter(None, [(environment or {}).get("PYTHONPATH")])])
        worker = subprocess.Popen(
            [*before, BIN / "dask", "worker", self.address, "--nthreads", "1", "--no-nanny",
             "--no-dashboard", "--local-directory", self.folder],
            env={**os.environ, **(environment or {}), "PYTHONPATH": path},
            cwd=self.folder,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.workers.append(worker)
        return worker


@contextmanager
def own_cluster(folder: Path) -> Iterator[OwnCluster]:
    """Yield a cluster without workers."""
    found = folder / "scheduler.json"
    scheduler = subprocess.Popen(
        [BIN / "dask", "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
         "--scheduler-file", found],
        cwd=folder,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    cluster = OwnCluster("", folder, scheduler)
    try:
        wait_until(lambda: found.exists() and found.stat().st_size)
        cluster.address = json.loads(found.read_text())["address"]
        yield cluster
    finally:
        for process in (*cluster.workers, scheduler):
            process.kill()
            process.wait()


@contextmanager
def cluster_beside_project(place: Path) -> Iterator[OwnCluster]:
    """Yield a cluster without workers; until the end, this process works in a project beside it."""
    for name in ("cluster", "project"):
        (place / name).mkdir()
    with chdir(place / "project"), own_cluster(place / "cluster") as cluster:
        yield cluster
