import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import psutil
import pytest
from harness.tasks import be_killed, fail, number, pid_after
from harness.waiting import PATIENCE, STOP_SECONDS, wait_until

from skipcast.processes import ProcessKilledError
from skipcast.workers import workers

TESTS = Path(__file__).parent


def ignore(_):
    pass


def test_one_worker_is_this_process():
    with workers(1) as pool:
        assert list(pool.run([partial(pid_after, 0)], ignore)) == [os.getpid()]


def test_workers_share_the_tasks_and_tell_their_steps():
    steps = []
    with workers(2) as pool:
        pids = list(pool.run((partial(pid_after, 0.2) for _ in range(4)), steps.append))
        assert len(set(pids)) == 2
        assert os.getpid() not in pids
        again = pool.run((partial(number, value) for value in range(9)), ignore)
        assert sorted(again) == list(range(9))
    assert steps == [1, 1, 1, 1]
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_a_task_may_depend_on_the_results_until_then():
    results, known = [], []

    def tasks():
        for value in range(6):
            known.append(len(results))
            yield partial(number, value)

    with workers(2) as pool:
        for result in pool.run(tasks(), ignore):
            results.append(result)  # noqa: PERF402 (while the tasks see it grow)
    assert known[:2] == [0, 0]
    assert known[-1] >= 3


def test_processes_have_this_code_though_a_loaded_model_has_brought_its_own(tmp_path, monkeypatch):
    (tmp_path / "skipcast").mkdir()
    (tmp_path / "skipcast/__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with workers(2) as pool:
        assert list(pool.run([partial(number, 7)], ignore)) == [7]


@pytest.mark.parametrize("count", [1, 2])
def test_what_a_task_raises_is_raised_here(count):
    with workers(count) as pool, pytest.raises(ValueError, match="wrong"):
        list(pool.run([partial(fail, "wrong")], ignore))


def test_a_process_that_was_killed_is_told_with_what_to_do():
    with (
        workers(2) as pool,
        pytest.raises(ProcessKilledError, match=r"SIGKILL: .* memory .*`LOKY_MAX_CPU_COUNT=1 dvc"),
    ):
        list(pool.run([partial(pid_after, 0), be_killed], ignore))


def test_processes_end_with_the_one_that_started_them(tmp_path):
    script = tmp_path / "lead.py"
    script.write_text(
        f"import os, signal, sys; sys.path.insert(0, {str(TESTS)!r})\n"
        "from functools import partial\n"
        "from harness.tasks import pid_after\n"
        "from skipcast.workers import workers\n"
        "if __name__ == '__main__':\n"
        "    with workers(2) as pool:\n"
        "        tasks = [partial(pid_after, 0.2) for _ in range(2)]\n"
        "        print(*pool.run(tasks, lambda _: None), flush=True)\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    lead = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert lead.returncode == -signal.SIGKILL
    pids = [int(pid) for pid in lead.stdout.split()]
    assert len(pids) == 2
    wait_until(lambda: not any(map(psutil.pid_exists, pids)), STOP_SECONDS)
