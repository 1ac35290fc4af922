"""Commands with a cluster of their own that are killed, and then typed again."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from harness.waiting import STOP_SECONDS, wait_until

from skipcast.overrides import VARIABLE

ROOT = Path(__file__).parents[2]
# The command, but for the length of parts: 5,000 plays would be one.
SKIPCAST = (
    "from skipcast.archive import joining; joining.PART_ROWS = 300; "
    "from skipcast.cli.main import main; main()"
)
LOCAL = {"cluster.scheduler": "local", "cluster.workers": "1"}


@pytest.fixture(scope="module")
def project(tmp_path_factory, twin):
    folder = tmp_path_factory.mktemp("project")
    shutil.copy(ROOT / "params.yaml", folder)
    return folder


def start(project, twin, stage, **changes):
    values = {"fetch.source": str(twin), "fetch.rows": "all", "load.into": "none", **changes}
    return subprocess.Popen(
        [sys.executable, "-c", SKIPCAST, stage],
        cwd=project,
        env={**os.environ, VARIABLE: json.dumps(values)},
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(folder):
    return {
        path.name: (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in folder.glob("part-*.parquet")
    }


def kill_when_some_parts_are_finished(command, folder):
    """Kill a command; return the parts that were finished and the processes that it started."""
    wait_until(lambda: len(finished(folder)) >= 2, pause=0.002)
    started = psutil.Process(command.pid).children(recursive=True)
    command.kill()
    command.communicate()
    return finished(folder), started


@pytest.mark.parametrize(("stage", "table"), [("fetch", "plays"), ("features", "features")])
def test_a_killed_stage_goes_on_with_its_finished_parts(project, twin, stage, table):
    if stage == "features":
        assert start(project, twin, "load").wait() == 0
    command = start(project, twin, stage, **LOCAL)
    kept, started = kill_when_some_parts_are_finished(command, project / f"data/.{table}")
    assert started
    _, alive = psutil.wait_procs(started, timeout=STOP_SECONDS)
    assert not alive
    assert not (project / "data" / table).exists()
    again = start(project, twin, stage, **LOCAL)
    assert again.wait() == 0, again.communicate()[1]
    parts = finished(project / "data" / table)
    assert 2 <= len(kept) < len(parts)
    assert kept.items() <= parts.items()
    assert not any(path.name.startswith(".cluster") for path in project.iterdir())
