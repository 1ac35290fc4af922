"""A search by two hosts: network namespaces with a clone, a name and an address of their own.

Usage: `python benchmarks/two_hosts.py`, as root on Linux. It takes one to three minutes.

Between the hosts are one Postgres and one server of MLflow. One host fetches, loads and builds the
features; the other one gets its data, as `dvc pull` would bring them. Then both search at the same
time. Prints how many trials of each family each host did; and fails if a trial was done twice or by
nobody, if both did not find the same, or if one host did all.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from mlflow import MlflowClient

from skipcast.database.embedded import running

ROOT = Path(__file__).parents[1]
HOSTS = ("skipcast-a", "skipcast-b")
BRIDGE, NETWORK = "skipcast0", "10.213.77"
SERVER = f"{NETWORK}.1"
TRIALS = {"logistic": 4, "lightgbm": 8}
PARAMS = {
    "fetch.twin_sessions": "2000",
    "fetch.rows": "all",
    "search.families": json.dumps(TRIALS),
    "search.experiment": "two-hosts",
}
SET = [f"--set={key}={value}" for key, value in PARAMS.items()]
MAIN = "from skipcast.cli.main import main; main()"
HOST = 'hostname "$0"; ip link set lo up; exec "$@"'


def ip(*arguments: str) -> None:
    """Change the network; a failure says why in its own words."""
    subprocess.run(["ip", *arguments], check=True)


@contextmanager
def network() -> Iterator[None]:
    """Connect the hosts with each other and with this machine."""
    ip("link", "add", BRIDGE, "type", "bridge")
    try:
        ip("address", "add", f"{SERVER}/24", "dev", BRIDGE)
        ip("link", "set", BRIDGE, "up")
        for number, host in enumerate(HOSTS, 2):
            ip("netns", "add", host)
            outer, inner = f"skipcast{number}", "eth0"
            ip("link", "add", outer, "type", "veth", "peer", "name", inner, "netns", host)
            ip("link", "set", outer, "master", BRIDGE, "up")
            ip("-n", host, "address", "add", f"{NETWORK}.{number}/24", "dev", inner)
            ip("-n", host, "link", "set", inner, "up")
        yield
    finally:
        for host in HOSTS:
            subprocess.run(["ip", "netns", "delete", host], check=False)
        ip("link", "delete", BRIDGE)


def forward(listening: socket.socket, path: str) -> None:
    """Pass on what comes to a port to the socket of the embedded Postgres, and its answers."""

    def copy(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while block := source.recv(1 << 16):
                target.sendall(block)
            target.shutdown(socket.SHUT_WR)

    with suppress(OSError):
        while True:
            theirs, _ = listening.accept()
            ours = socket.socket(socket.AF_UNIX)
            ours.connect(path)
            for pair in ((theirs, ours), (ours, theirs)):
                threading.Thread(target=copy, args=pair, daemon=True).start()


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """Yield the URL of a server that both hosts reach."""
    with running(folder) as url, socket.create_server((SERVER, 0)) as listening:
        where = parse_qs(urlsplit(url).query)
        path = f"{where['host'][0]}/.s.PGSQL.{where['port'][0]}"
        threading.Thread(target=forward, args=(listening, path), daemon=True).start()
        yield f"postgresql://postgres@{SERVER}:{listening.getsockname()[1]}/postgres?sslmode=disable"


@contextmanager
def mlflow(folder: Path) -> Iterator[str]:
    """Yield the URL of a server of MLflow that both hosts reach."""
    with socket.create_server((SERVER, 0)) as free:
        port = free.getsockname()[1]
    command = [
        *(str(Path(sys.executable).with_name("mlflow")), "server", "--workers", "1"),
        *("--host", SERVER, "--port", str(port), "--allowed-hosts", "*"),
        *("--backend-store-uri", f"sqlite:///{folder}/mlflow.db"),
        *("--artifacts-destination", str(folder / "artifacts")),
    ]
    with (folder / "mlflow.log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        until = time.monotonic() + 60
        while socket.socket().connect_ex((SERVER, port)) and time.monotonic() < until:
            time.sleep(0.2)
        yield f"http://{SERVER}:{port}"
    finally:
        os.killpg(server.pid, 15)
        server.wait()


def start(
    host: str, clone: Path, stages: Sequence[str], urls: dict[str, str]
) -> subprocess.Popen[bytes]:
    """Have a host run stages in its clone, with the clone's own code."""
    return subprocess.Popen(
        ["ip", "netns", "exec", host, "unshare", "--uts", "sh", "-c", HOST, host,
         sys.executable, "-c", MAIN, "run", *stages, *SET],
        cwd=clone,
        env=os.environ | urls | {
            "PYTHONPATH": str(clone / "src"),
            "LOKY_MAX_CPU_COUNT": "1",
        },
    )  # fmt: skip


def must(process: subprocess.Popen[bytes]) -> None:
    """Wait for a process that must succeed."""
    if process.wait():
        raise SystemExit(f"{process.args!r} must succeed but ended with {process.returncode}.")


def main() -> None:
    """Search by two hosts, and look at what they did."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="skipcast-")))
        stack.enter_context(network())
        urls = {
            "DATABASE_URL": stack.enter_context(postgres(folder / "postgres")),
            "MLFLOW_TRACKING_URI": stack.enter_context(mlflow(folder)),
        }
        clones = [folder / host for host in HOSTS]
        for clone in clones:
            subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
        must(start(HOSTS[0], clones[0], ["fetch", "load", "features"], urls))
        shutil.copytree(clones[0] / "data", clones[1] / "data", dirs_exist_ok=True)
        both = [start(*pair, ["search"], urls) for pair in zip(HOSTS, clones, strict=True)]
        for process in both:
            stack.callback(process.kill)
        for process in both:
            must(process)
        report(urls["MLFLOW_TRACKING_URI"], clones)


def report(uri: str, clones: Sequence[Path]) -> None:
    """Print who did what, and fail if that is not as it must be."""
    found = [(clone / "data/search.json").read_bytes() for clone in clones]
    client = MlflowClient(uri)
    (experiment,) = client.search_experiments(filter_string="name = 'two-hosts'")
    tags = [run.data.tags for run in client.search_runs([experiment.experiment_id])]
    trials = [one for one in tags if "trial" in one and "refit" not in one]
    done = Counter((one["family"], one["trial"]) for one in trials)
    wanted = {(family, str(n)) for family, count in TRIALS.items() for n in range(count)}
    shares = Counter((one["worker"].split()[0], one["family"]) for one in trials)
    for (worker, family), count in sorted(shares.items()):
        print(f"{worker}: {count} trials of {family}")
    assert {*done} == wanted, f"not all trials: {sorted(wanted.symmetric_difference(done))}"
    assert set(done.values()) == {1}, f"twice: {done}"
    assert found[0] == found[1], "the hosts found different models"
    assert {worker for worker, _ in shares} == {*HOSTS}, "one host did all"
    print(f"{len(trials)} trials, none twice; both hosts wrote the same data/search.json")


if __name__ == "__main__":
    main()
