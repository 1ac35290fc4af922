"""What the benchmark of chaos calls an exception, seen with processes and files of its own."""

import doctest
import fcntl
import json
import os
import random
import signal
import sqlite3
import subprocess
from contextlib import closing

import chaos
import chaos_state
import pytest
from chaos_project import Project, empty
from chaos_strikes import Kill
from harness.waiting import wait_until

THREE = "bash -c 'sleep 60 & sleep 60; true'"  # processes


@pytest.fixture
def project(tmp_path):
    made = empty(tmp_path / "place")
    made.folder.mkdir()
    yield made
    made.delete()


def started(project: Project, seed: int) -> Kill:
    """Return what will strike a command that has started two processes."""
    strike = Kill(project, random.Random(seed))
    strike.start(THREE, {})
    wait_until(lambda: len(project.processes()) == 3)
    return strike


@pytest.mark.parametrize("seed", range(4))
def test_a_kill_is_of_the_command_or_of_all_that_it_started(project, seed, monkeypatch):
    monkeypatch.setattr("chaos_project.ENDING_SECONDS", 0.2)
    strike = started(project, seed)
    happened = strike.hit()
    assert strike.command.wait() == -signal.SIGKILL
    assert len(project.rest()) == {"killed": 2, "killed, with its group": 0}[happened]


def test_a_lock_that_is_held_is_told(tmp_path):
    (tmp_path / ".postgres").mkdir()
    with (tmp_path / ".postgres/.users").open("w") as file:
        assert chaos_state.locks(tmp_path) == {"locks": []}
        fcntl.flock(file, fcntl.LOCK_SH)
        assert chaos_state.locks(tmp_path) == {"locks": [".postgres/.users is held"]}


def test_a_lock_in_the_list_of_dvc_counts_while_its_process_lives(tmp_path):
    ended = subprocess.Popen(["true"])
    ended.wait()
    file = tmp_path / ".dvc/tmp/rwlock"
    file.parent.mkdir(parents=True)
    for pid, locks in ((ended.pid, []), (os.getpid(), ["data is locked to read by dvc repro"])):
        holder = {"pid": pid, "cmd": "dvc repro"}
        file.write_text(json.dumps({"write": {}, "read": {"data": [holder]}}))
        assert chaos_state.locks(tmp_path) == {"locks": locks}


def test_a_run_that_goes_on_is_told(tmp_path):
    path = tmp_path / "mlflow.db"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE runs (name, status, lifecycle_stage)")
        database.execute("CREATE TABLE logged_models (name, status, lifecycle_stage)")
        database.execute("INSERT INTO runs VALUES ('one', 'RUNNING', 'active')")
        database.execute("INSERT INTO runs VALUES ('two', 'FINISHED', 'active')")
    assert chaos_state.store(path)["running runs"] == [("one",)]


def test_a_file_that_is_gone_added_or_changed_is_told():
    expected, found = {"a": "1", "b": "2"}, {"b": "3", "c": "4"}
    assert list(chaos_state.differences(expected, found)) == [
        "a: gone instead of 1",
        "b: 3 instead of 2",
        "c: 4 instead of none",
    ]


def test_doctests():
    assert doctest.testmod(chaos).failed == 0
