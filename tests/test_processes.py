"""How many processes may compute, on machines as systemd, Docker and Kubernetes make them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from harness.waiting import STOP_SECONDS

from skipcast.errors import SkipcastError
from skipcast.processes import LIMIT, cpu_count, killed

V1 = "32 31 0:29 {root} /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct"
V2 = "31 23 0:28 {root} /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate"
HYBRID = "41 31 0:38 {root} /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw"
SET = "35 31 0:32 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Return what makes the `proc` and `sys` of a machine of 8 processors: mounts, then files."""
    monkeypatch.delenv(LIMIT)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))

    def make(cgroup: str, mounts: list[str], files: dict[str, str], root: str = "/") -> Path:
        files = {f"sys/fs/cgroup/{path}": text for path, text in files.items()}
        files["proc/self/cgroup"] = cgroup
        files["proc/self/mountinfo"] = "\n".join(mounts).replace("{root}", root)
        for path, text in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(f"{text}\n")
        return tmp_path

    return make


@pytest.mark.parametrize(
    ("quota", "expected"),
    [("200000 100000", 2), ("150000 100000", 2), ("20000 100000", 1), ("max 100000", 8),
     ("1600000 100000", 8)],
)  # fmt: skip
def test_a_cgroup_of_version_2_limits_them(machine, quota, expected):
    assert cpu_count(machine("0::/", [V2], {"cpu.max": quota})) == expected


@pytest.mark.parametrize(("quota", "expected"), [("300000", 3), ("50000", 1), ("-1", 8)])
def test_a_cgroup_of_version_1_limits_them(machine, quota, expected):
    place = "cpu,cpuacct/docker/abc/cpu.cfs_"
    files = {f"{place}quota_us": quota, f"{place}period_us": "100000"}
    cgroup = "5:cpuset:/\n3:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc"
    assert cpu_count(machine(cgroup, [SET, V1], files)) == expected


def test_the_tightest_of_nested_cgroups_counts(machine):
    files = {
        "cpu.max": "max 100000",
        "user.slice/cpu.max": "200000 100000",
        "user.slice/app.scope/cpu.max": "400000 100000",
        "system.slice/cpu.max": "100000 100000",  # not above this process
    }
    assert cpu_count(machine("0::/user.slice/app.scope", [V2], files)) == 2


def test_a_container_sees_its_own_cgroup_where_the_whole_is_mounted(machine):
    files = {"cpu,cpuacct/cpu.cfs_quota_us": "200000", "cpu,cpuacct/cpu.cfs_period_us": "100000"}
    root = machine("3:cpu,cpuacct:/docker/abc", [V1], files, root="/docker/abc")
    assert cpu_count(root) == 2


def test_a_cgroup_that_is_not_mounted_is_that_of_the_mount(machine):
    assert cpu_count(machine("0::/../other", [V2], {"cpu.max": "300000 100000"}, "/mine")) == 3


def test_both_versions_together_count(machine):
    files = {"cpu,cpuacct/cpu.cfs_quota_us": "500000", "cpu,cpuacct/cpu.cfs_period_us": "100000"}
    assert cpu_count(machine("1:cpu,cpuacct:/\n0::/", [V1, HYBRID], files)) == 5


def test_a_machine_without_cgroups_has_all(machine, tmp_path):
    assert cpu_count(tmp_path) == 8


def test_a_user_may_ask_for_fewer(machine, tmp_path, monkeypatch):
    monkeypatch.setenv(LIMIT, "3")
    assert cpu_count(tmp_path) == 3
    monkeypatch.setenv(LIMIT, "100")
    assert cpu_count(tmp_path) == 8


@pytest.mark.parametrize("value", ["0", "-2", "two", "1.5"])
def test_a_user_must_ask_for_a_number(value, monkeypatch):
    monkeypatch.setenv(LIMIT, value)
    match = f"LOKY_MAX_CPU_COUNT must be a whole number above 0 but got {value}"
    with pytest.raises(SkipcastError, match=match):
        cpu_count()


@pytest.mark.skipif(shutil.which("taskset") is None, reason="taskset must be installed")
def test_a_process_that_is_bound_to_one_processor_has_one():
    first = str(min(os.sched_getaffinity(0)))
    code = "from skipcast.processes import cpu_count; print(cpu_count())"
    command = ["taskset", "--cpu-list", first, sys.executable, "-c", code]
    env = {name: value for name, value in os.environ.items() if name != LIMIT}
    assert subprocess.run(command, env=env, stdout=subprocess.PIPE, check=True).stdout == b"1\n"


@pytest.mark.parametrize(
    ("code", "text"),
    [(-9, "was killed by SIGKILL: most often, memory ran out"),
     (-4, "was killed by SIGILL"), (-15, "was killed by SIGTERM"),
     (-99, "was killed by signal 99"), (0, None), (137, None)],
)  # fmt: skip
def test_a_process_that_was_killed_is_called_killed(code, text):
    assert killed(code) == text


def test_the_libraries_of_a_command_take_as_many_threads():
    code = (
        "import os, sys; sys.argv = ['skipcast', '--help']\n"
        "from skipcast import processes\n"
        "from skipcast.cli.main import main\n"
        "os.sched_getaffinity, processes._quotas = lambda _: set(range(7)), lambda _: []\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "import pyarrow\n"
        "print(pyarrow.cpu_count(), os.environ['OMP_NUM_THREADS'])"
    )
    env = {n: v for n, v in os.environ.items() if n not in (LIMIT, "OMP_NUM_THREADS")}
    command = [sys.executable, "-c", code]
    printed = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True).stdout
    assert printed.splitlines()[-1] == "7 7"


def test_a_command_refuses_what_is_no_number():
    program = Path(sys.executable).with_name("skipcast")
    env = os.environ | {LIMIT: "many"}
    done = subprocess.run([program, "report"], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "Error: LOKY_MAX_CPU_COUNT must be a whole number above 0 but got many. "
        "Correct it or unset it.\n"
    )


DVC = """
import subprocess, sys
subprocess.run([sys.executable, "-c", sys.argv[1]], env={"DVC_STAGE": "search"})
"""
RUNS = """
import os, time
from skipcast.processes import end_with_dvc
end_with_dvc()
print(os.getpid(), flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Only Linux can do so.")
def test_a_stage_ends_with_the_dvc_that_is_killed():
    command = [sys.executable, "-c", DVC, RUNS]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as dvc:
        stage = psutil.Process(int(dvc.stdout.readline()))
        dvc.kill()
    assert psutil.wait_procs([stage], timeout=STOP_SECONDS)[1] == []


STARTS = """
import signal, subprocess, sys
from skipcast.processes import die_with_parent
started = subprocess.Popen(
    ["sleep", "60"], start_new_session=True, preexec_fn=die_with_parent(signal.SIGTERM)
)
print(started.pid, flush=True)
started.wait()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Only Linux can do so.")
def test_what_was_started_ends_with_a_process_that_is_killed():
    with subprocess.Popen([sys.executable, "-c", STARTS], stdout=subprocess.PIPE) as parent:
        started = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    assert psutil.wait_procs([started], timeout=STOP_SECONDS)[1] == []
