"""Tasks on a cluster of Dask: its workers are processes, which are killed."""

import os
import signal
import threading
import time
from functools import partial

import psutil
import pytest
from harness.tasks import (
    arrow_threads,
    be_killed,
    be_killed_once,
    be_silent_once,
    fail,
    number,
    pid_after,
    where,
)
from harness.waiting import STOP_SECONDS, wait_until

from skipcast.cli.pool import open_workers
from skipcast.distributed import cluster as cluster_module
from skipcast.distributed import watch as watch_module
from skipcast.errors import SkipcastError
from skipcast.params import Cluster
from skipcast.processes import ProcessKilledError


def ignore(_):
    pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("project")


@pytest.fixture(scope="module")
def local(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        with open_workers(Cluster(scheduler="local", workers=2), 1) as pool:
            yield pool


def test_workers_share_the_tasks_in_the_folder_of_the_project_and_tell_their_steps(local, folder):
    steps = []
    pids = list(local.run((partial(pid_after, 0.2) for _ in range(4)), steps.append))
    assert len(set(pids)) == 2
    assert os.getpid() not in pids
    assert sum(steps) == 4
    assert list(local.run([where], ignore)) == [str(folder)]


def test_arrow_takes_the_threads_of_the_worker_and_no_more(local):
    assert [*local.run((partial(arrow_threads, 7) for _ in range(6)), ignore)] == [1] * 6


def test_tasks_are_asked_for_when_a_worker_is_free(local):
    asked = []

    def tasks():
        for value in range(6):
            asked.append(value)
            yield partial(number, value)

    results = local.run(tasks(), ignore)
    first = next(results)
    assert len(asked) == 2
    assert {first, *results} == set(range(6))


def test_what_a_task_raises_is_raised_here(local):
    with pytest.raises(ValueError, match="wrong"):
        list(local.run([partial(fail, "wrong")], ignore))


def test_a_task_whose_worker_was_killed_is_done_by_another(local, folder):
    mark = folder / "killed"
    tasks = [partial(be_killed_once, str(mark), value) for value in range(3)]
    assert sorted(local.run(tasks, ignore)) == [0, 1, 2]
    assert mark.exists()


def test_a_task_that_ends_all_workers_is_told_with_how_many_it_ended(local):
    with pytest.raises(ProcessKilledError, match=r"one task has ended 4 of them.*memory ran out"):
        list(local.run([be_killed], ignore))
    assert list(local.run([partial(number, 7)], ignore)) == [7]


def test_no_process_of_a_local_cluster_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with open_workers(Cluster(scheduler="local", workers=1), 1) as pool:
        (pid,) = pool.run([partial(pid_after, 0)], ignore)
        assert psutil.pid_exists(pid)
    assert not psutil.pid_exists(pid)
    assert not any(tmp_path.iterdir())


def test_a_scheduler_that_does_not_answer(monkeypatch):
    monkeypatch.setattr(cluster_module, "ANSWER_SECONDS", 1)
    with (
        pytest.raises(SkipcastError, match=r"tcp://127\.0\.0\.1:9 does not within 1 s"),
        open_workers(Cluster(scheduler="tcp://127.0.0.1:9"), 1),
    ):
        pass


def test_fewer_workers_than_asked_for(own, monkeypatch):
    monkeypatch.setattr(cluster_module, "WORKERS_SECONDS", 4)
    own.add()
    with (
        pytest.raises(SkipcastError, match=r"must have 2 workers.* but has 1 after 4 s.*lower"),
        open_workers(Cluster(scheduler=own.address, workers=2), 1),
    ):
        pass


def test_a_task_of_a_silent_worker_is_done_by_another(own, monkeypatch, tmp_path):
    monkeypatch.setattr(watch_module, "SILENT_SECONDS", 4)
    own.add(), own.add()
    with open_workers(Cluster(scheduler=own.address, workers=2), 1) as pool:
        tasks = [partial(be_silent_once, str(tmp_path / "mark"), value) for value in range(3)]
        started = time.monotonic()
        assert sorted(pool.run(tasks, ignore)) == [0, 1, 2]
        assert time.monotonic() - started < 30
        assert len(pool.watch.living()) == 1
        for worker in own.workers:  # who wakes up finds that it was given up, and ends
            worker.send_signal(signal.SIGCONT)
        wait_until(lambda: any(worker.poll() is not None for worker in own.workers), STOP_SECONDS)
        assert list(pool.run([partial(number, 7)], ignore)) == [7]


def test_a_worker_that_is_silent_from_the_start_is_given_up(own, monkeypatch):
    monkeypatch.setattr(watch_module, "SILENT_SECONDS", 4)
    own.add()
    silent = own.add()
    with open_workers(Cluster(scheduler=own.address, workers=2), 1):
        silent.send_signal(signal.SIGSTOP)
    with open_workers(Cluster(scheduler=own.address), 1) as pool:
        assert list(pool.run([partial(number, 7)], ignore)) == [7]


def test_all_workers_killed_ends_the_work(own, monkeypatch):
    monkeypatch.setattr(watch_module, "GONE_SECONDS", 2)
    worker = own.add()
    with open_workers(Cluster(scheduler=own.address), 1) as pool:
        threading.Timer(1, worker.kill).start()
        with pytest.raises(
            SkipcastError, match=r"had 0 for 2 s\. Start as many \(`dask worker tcp"
        ):
            list(pool.run([partial(pid_after, 60)], ignore))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_scheduler_that_is_lost_ends_the_work(own, monkeypatch, how):
    monkeypatch.setattr(watch_module, "ANSWER_SECONDS", 2)
    own.add()
    with open_workers(Cluster(scheduler=own.address), 1) as pool:
        threading.Timer(1, own.scheduler.send_signal, [how]).start()
        started = time.monotonic()
        with pytest.raises(SkipcastError, match="must answer until the work is done but no longer"):
            list(pool.run([partial(pid_after, 60)], ignore))
        assert time.monotonic() - started < 20
