"""`skipcast serve` and the switch to a new champion behind nginx: all the real programs."""

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from harness.clients import Endpoint
from harness.servers import ROOT, SKIPCAST, champion_server, ends, free_port, running

from skipcast.errors import SkipcastError
from skipcast.promotion.registry import Registry
from skipcast.serving.packaging import example

NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
REQUEST = {"dataframe_split": json.loads(example().to_json(orient="split", index=False))}


@pytest.fixture(autouse=True)
def first_champion(champions):
    champions(1)


def test_becomes_the_command_that_it_prints_and_a_signal_ends_all_of_it(tmp_path):
    with champion_server(tmp_path, "--workers", "2") as (server, url):
        port = url.rpartition(":")[2]
        printed = (tmp_path / f"{port}.log").read_text()
        assert printed.startswith(
            "mlflow models serve -m models:/skipcast@champion --env-manager local "
            f"-p {port} -h 127.0.0.1 -w 2\n"
        )
        status, answer = Endpoint(f"{url}/invocations").post(REQUEST)
        assert status == 200
        assert len(answer["predictions"]) == 3
        server.send_signal(signal.SIGTERM)
        assert ends(server)


def test_ctrl_c_ends_all_of_it(tmp_path):
    with champion_server(tmp_path) as (server, _):
        os.killpg(server.pid, signal.SIGINT)  # as a terminal does
        assert ends(server)


def test_a_server_that_was_killed_is_called_killed(tmp_path):
    with champion_server(tmp_path) as (server, url):
        (scoring,) = psutil.Process(server.pid).children()
        scoring.kill()
        assert ends(server)
        printed = (tmp_path / f"{url.rpartition(':')[2]}.log").read_text()
    assert "but was killed by SIGKILL: most often, memory ran out. " in printed
    assert "Traceback" not in printed


def test_a_port_that_is_taken_ends_in_one_message(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        shutil.copy(ROOT / "params.yaml", tmp_path)
        command = [SKIPCAST, "serve", "--port", str(taken.getsockname()[1])]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "address already in use" in done.stderr
    assert "Error: The scoring server must run until it is stopped but ended with" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.usefixtures("tracking")
def test_no_champion_is_told():
    match = r"models:/nobody@champion must be registered in .* but is not: .* `dvc repro` makes it"
    with pytest.raises(SkipcastError, match=match):
        Registry("nobody").require_champion()


class Clients:
    """Threads that ask without pause and keep what each answer was."""

    count = 4

    def __init__(self, url: str) -> None:
        self.answers: list[object] = []
        self._url, self._over = url, threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(self.count)]

    def _ask(self) -> None:
        body, kind = json.dumps(REQUEST).encode(), {"Content-Type": "application/json"}
        while not self._over.is_set():
            request = urllib.request.Request(self._url, body, kind)
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    self.answers.append(json.load(answer)["predictions"][-1]["skip_probability"])
            except (OSError, ValueError) as error:  # refused, cut off, or a status that is not 200
                self.answers.append(repr(error))

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def ask_again(self, times: int = 50) -> None:
        """Wait for so many more answers."""
        before = len(self.answers)
        deadline = time.monotonic() + 60
        while len(self.answers) < before + times and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(self.answers) >= before + times


@pytest.fixture
def proxy(tmp_path):
    """Run nginx as deploy/ has it; yield its folder and where it answers."""
    if NGINX is None:
        pytest.skip("There is no nginx: install it, e.g. `apt-get install nginx-light`.")
    nginx = NGINX
    folder, port = tmp_path / "deploy", free_port()
    shutil.copytree(ROOT / "deploy", folder)
    conf = (folder / "nginx.conf").read_text()
    assert "127.0.0.1:8080" in conf
    (folder / "nginx.conf").write_text(conf.replace("127.0.0.1:8080", f"127.0.0.1:{port}"))

    @contextmanager
    def run(upstream: str) -> Iterator[tuple[Path, str]]:
        (folder / "upstream.conf").write_text(f"server {upstream.removeprefix('http://')};\n")
        url = f"http://127.0.0.1:{port}"
        command = [nginx, "-p", f"{folder}/", "-c", "nginx.conf", "-g", "daemon off;"]
        with running(command, f"{url}/ping", tmp_path / "nginx.log"):
            yield folder, url

    return run


def test_moves_to_a_new_champion_with_no_request_lost(proxy, champions, tmp_path):
    path = f"{os.environ['PATH']}{os.pathsep}/usr/sbin"
    with champion_server(tmp_path) as (old, old_url), proxy(old_url) as (folder, url):
        champions(2)
        with champion_server(tmp_path) as (_, new_url), Clients(f"{url}/invocations") as clients:
            clients.ask_again()
            before_switch = len(clients.answers)
            switch = [folder / "switch.sh", new_url.rpartition(":")[2]]
            subprocess.run(switch, check=True, env=os.environ | {"PATH": path})
            after_switch = len(clients.answers) + clients.count
            clients.ask_again()
            old.send_signal(signal.SIGTERM)
            assert ends(old)
            clients.ask_again()
    first, last = clients.answers[0], clients.answers[-1]
    assert isinstance(first, float)
    assert isinstance(last, float)
    assert first != last
    assert set(clients.answers) == {first, last}  # every request was answered, by one or the other
    assert set(clients.answers[:before_switch]) == {first}
    assert set(clients.answers[after_switch:]) == {last}  # `count`: asked before, not kept yet
