"""What deploy/ runs on a schedule: each command is one of ours, and the programs read the files."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import yaml

from skipcast.cli.main import app

ROOT = Path(__file__).parents[1]
UNITS = sorted((ROOT / "deploy/systemd").iterdir())
COMMAND = re.compile(r"^(?:ExecStart=\S*/|\d.* nice )(skipcast \S.*)$", re.MULTILINE)
COMMANDS = [
    pytest.param(words, id=f"{file.name}: {words}")
    for file in (*UNITS, ROOT / "deploy/cron")
    for words in COMMAND.findall(file.read_text())
]


def test_all_commands_are_found():
    assert len(COMMANDS) == 3


@pytest.mark.parametrize("words", COMMANDS)
def test_commands_are_ours_with_options_that_they_have(words):
    _, name, *rest = shlex.split(words)
    commands = typer.main.get_command(app).commands
    known = {option for parameter in commands[name].params for option in parameter.opts}
    assert {word for word in rest if word.startswith("--")} <= known


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="There is no systemd-analyze.")
def test_systemd_reads_the_units(tmp_path):
    """Of this machine: it also looks for the programs, and for the user."""
    for unit in UNITS:
        text = unit.read_text().replace("/srv/skipcast/.venv/bin/skipcast", shutil.which("true"))
        (tmp_path / unit.name).write_text(text.replace("User=skipcast", "User=root"))
    command = ["systemd-analyze", "verify", "--man=no", *sorted(tmp_path.iterdir())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    ours = [line for line in done.stderr.splitlines() if str(tmp_path) in line]
    assert not ours, done.stderr
    if "Failed to" not in done.stderr:  # some machines have no systemd to ask
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def workflow():
    return yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())


def test_the_workflow_runs_what_ci_runs_with_the_programs_that_it_installs(workflow):
    job = workflow["jobs"]["ci"]
    install, run = (step["run"] for step in job["steps"] if "run" in step)
    assert run == "bash .ci/run"
    assert job["timeout-minutes"] == 90
    script = (ROOT / ".ci/run").read_text()
    tools = re.search(r"tools=\((.*)\)", script)[1].replace("nginx", "nginx-light").split()
    assert set(install.rpartition(" -qq ")[2].split()) == set(tools) - {"chromium"}


@pytest.mark.system  # it installs a package
def test_the_workflow_is_one_by_githubs_schema(tmp_path):
    uv = [sys.executable, ROOT / "tools/uv.py", "pip", "install", "--quiet"]
    done = subprocess.run(
        [*uv, "--target", tmp_path, "check-jsonschema"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"The package index has no check-jsonschema: {done.stderr[-300:]}")
    check = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.github-workflows",
    ]
    files = ROOT / ".github/workflows/ci.yml", tmp_path / "wrong.yml"
    files[1].write_text(files[0].read_text().replace("runs-on", "run-on"))
    for file, code in zip(files, (0, 1), strict=True):
        done = subprocess.run(
            [*check, file],
            env=os.environ | {"PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
