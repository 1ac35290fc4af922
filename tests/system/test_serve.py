"""`skipcast serve` and the switch to a new champion behind nginx: all the real programs."""

import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from harness.clients import Endpoint
from harness.load import REQUEST, Clients
from harness.servers import ROOT, SKIPCAST, champion_server, free_port, running, wait_for_end

from skipcast.errors import SkipcastError
from skipcast.promotion.registry import Registry

NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")


@pytest.fixture(autouse=True)
def first_champion(champions):
    champions(1)


def test_becomes_the_command_that_it_prints_and_a_signal_ends_all_of_it(tmp_path):
    with champion_server(tmp_path, "--workers", "2") as (server, url):
        port = url.rpartition(":")[2]
        printed = (tmp_path / f"{port}.log").read_text()
        found = re.match(
            r"Version 1 of skipcast was registered before .*\nmlflow models serve -m (/.*/model) "
            rf"--env-manager local -p {port} -h 127\.0\.0\.1 -w 2\n",
            printed,
        )
        assert found is not None
        assert "model_version: '1'" in Path(found[1], "registered_model_meta").read_text()
        status, answer = Endpoint(f"{url}/invocations").post(REQUEST)
        assert status == 200
        assert len(answer["predictions"]) == 3
        server.send_signal(signal.SIGTERM)
        wait_for_end(server)
    assert server.returncode == -signal.SIGTERM
    assert not Path(found[1]).parent.exists()


def test_ctrl_c_ends_all_of_it(tmp_path):
    with champion_server(tmp_path) as (server, _):
        os.killpg(server.pid, signal.SIGINT)  # as a terminal does
        wait_for_end(server)


def test_a_server_that_was_killed_is_called_killed(tmp_path):
    with champion_server(tmp_path) as (server, url):
        (scoring,) = psutil.Process(server.pid).children()
        scoring.kill()
        wait_for_end(server)
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


@pytest.fixture
def proxy(tmp_path):
    """Run nginx as deploy/ has it; yield its folder and where it answers."""
    if NGINX is None:
        pytest.skip("There is no nginx: install it, e.g. `apt-get install nginx-light`.")
    nginx = NGINX
    folder, port = tmp_path / "deploy", free_port()
    shutil.copytree(ROOT / "deploy", folder)
    listen = (folder / "listen.conf").read_text()
    assert "127.0.0.1:8080" in listen
    (folder / "listen.conf").write_text(listen.replace("127.0.0.1:8080", f"127.0.0.1:{port}"))

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
            wait_for_end(old)
            clients.ask_again()
    first, last = clients.answers[0], clients.answers[-1]
    assert isinstance(first, float)
    assert isinstance(last, float)
    assert first != last
    assert set(clients.answers) == {first, last}  # every request was answered, by one or the other
    assert set(clients.answers[:before_switch]) == {first}
    assert set(clients.answers[after_switch:]) == {last}  # `count`: asked before, not kept yet
