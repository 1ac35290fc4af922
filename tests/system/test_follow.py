"""`skipcast serve --follow` while clients ask: a promotion, a rollback and broken versions."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import mlflow
import psutil
import pytest
from harness.load import Clients
from harness.servers import ROOT, SKIPCAST, STOP_SECONDS, Process, environment, free_port, running

from skipcast.clients.proxy import PLACES
from skipcast.promotion.ledger import Entry
from skipcast.promotion.registry import Registry

MODEL = "followed"
SLOW = 90  # seconds


def wait_until(is_true: Callable[[], object], log: Path) -> None:
    deadline = time.monotonic() + SLOW
    while not is_true():
        assert time.monotonic() < deadline, _told(log)
        time.sleep(0.05)


def _told(log: Path) -> str:
    lines = log.read_text().splitlines(keepends=True)
    return "".join(line for line in lines if "POST /invocations" not in line)


@pytest.fixture(scope="module")
def registry(logged_model, tmp_path_factory):
    """Versions 1 and 2 answer differently; 3 does not load, and 4 answers 5xx."""
    made = Registry(MODEL)
    uris = [logged_model(opposite=opposite).uri for opposite in (False, True)]
    for uri in uris:
        made.register(uri, "lightgbm")
    folder = mlflow.artifacts.download_artifacts(uris[0])
    for word, broken in {"load_context": "1 / 0", "predict": "return object()"}.items():
        copy = Path(shutil.copytree(folder, tmp_path_factory.mktemp("broken") / "model"))
        shutil.rmtree(copy / "code/skipcast/__pycache__", ignore_errors=True)
        code = copy / "served_model.py"
        code.write_text(
            "import mlflow\nfrom skipcast.serving.model import SkipModel\n\n"
            f"class Broken(SkipModel):\n    def {word}(self, *args, **kwargs):\n        {broken}\n"
            "\nmlflow.models.set_model(Broken())\n"
        )
        made.client.create_model_version(MODEL, str(copy))
    return made


@pytest.fixture(scope="module")
def folder(tracking):
    """The folder of the store, as a project's: follow writes to the ledger."""
    made = Path(tracking.removeprefix("sqlite:///")).parent
    text = (ROOT / "params.yaml").read_text().replace("model: skipcast", f"model: {MODEL}")
    (made / "params.yaml").write_text(text)
    shutil.copytree(ROOT / "deploy", made / "deploy")
    yield made
    (made / "params.yaml").unlink()
    shutil.rmtree(made / "deploy")


def crown(registry: Registry, version: int) -> None:
    registry.carry_out(Entry("promoted", version, registry.champion(), "better"))


@pytest.mark.skipif(
    shutil.which("nginx", path=os.pathsep.join(PLACES)) is None,
    reason="There is no nginx: install it, e.g. `apt-get install nginx-light`.",
)
def test_no_request_is_lost_by_a_promotion_a_rollback_and_broken_versions(
    registry, folder, tmp_path
):
    crown(registry, 1)
    port, log = free_port(), tmp_path / "log"
    url = f"http://127.0.0.1:{port}"
    command = [SKIPCAST, "serve", "--follow", "--port", str(port)]
    with running(command, f"{url}/ping", log, cwd=folder) as server:
        with Clients(f"{url}/invocations", pause=0.1) as clients:
            clients.ask_again(20)
            crown(registry, 2)
            wait_until(lambda: len(set(clients.answers)) == 2, log)
            registry.roll_back()
            wait_until(lambda: clients.answers[-1] == clients.answers[0], log)
            for broken in (3, 4):
                crown(registry, broken)
                wait_until(lambda: registry.history()[0].decision == "not served", log)
                assert registry.history()[0].version == broken
            clients.ask_again(20)
        first, last = clients.answers[0], clients.answers[-1]
        assert all(isinstance(answer, float) for answer in clients.answers), set(clients.answers)
        assert len(set(clients.answers)) == 2
        assert first == last
        reasons = [entry.reason for entry in registry.history() if entry.decision == "not served"]
        assert "it must run until it is stopped but ended with" in reasons[1]
        assert "it must answer its example with probabilities but answers HTTP 500" in reasons[0]
        assert_ends_all_of_it(server)


def assert_ends_all_of_it(server: Process) -> None:
    started = psutil.Process(server.pid).children(recursive=True)
    server.send_signal(signal.SIGTERM)
    server.wait(STOP_SECONDS)
    assert not psutil.wait_procs(started, timeout=1)[1]


def test_without_nginx_one_message_says_so(registry, folder):
    code = (
        "import skipcast.clients.proxy as p; p.PLACES = ('bin',)\n"
        "import sys; sys.argv[1:] = ['serve', '--follow']\n"
        "from skipcast.cli.main import main; main()"
    )
    python = SKIPCAST.with_name("python")
    done = subprocess.run(
        [python, "-c", code], cwd=folder, env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith("Error: nginx must be on this machine to follow the champion but")
    assert "`apt-get install nginx-light`" in done.stderr
    assert len(done.stderr.splitlines()) == 1
