"""nginx for other machines, set up as docs/operating.md says: TLS, tokens, limits."""

import json
import os
import re
import shutil
import ssl
import subprocess
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
from harness.prometheus import needs_prometheus, scrape
from harness.servers import ROOT, free_port, running

from skipcast.clients.proxy import PLACES

NGINX = shutil.which("nginx", path=os.pathsep.join(PLACES))
pytestmark = pytest.mark.skipif(
    NGINX is None, reason="There is no nginx: install it, e.g. `apt-get install nginx-light`."
)
TEXT = (ROOT / "docs/operating.md").read_text()
NOT_THERE = "The path must be /invocations, /ping or /metrics but is not."
TOO_LONG = (
    "The body must have at most the bytes that nginx allows but has more. Send several requests."
)
TOO_FAST = (
    "Requests must come at most as fast as nginx allows but come faster. Wait, then try again."
)


class Upstream(BaseHTTPRequestHandler):
    """Answers what it was sent."""

    seen: ClassVar[list[dict[str, str]]] = []

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append(dict(self.headers))
        self.do_GET()

    def do_GET(self):
        self.send_response(200)
        if self.path == "/metrics":
            self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(b"skipcast_plays_total 7\n" if self.path == "/metrics" else b"{}")

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a copy of deploy/ after the commands of docs/operating.md, for the name localhost."""
    made = tmp_path_factory.mktemp("proxy") / "deploy"
    shutil.copytree(ROOT / "deploy", made)
    script = re.search(r"```\ncd ~/proxy\n(.*?)```", TEXT, re.DOTALL)
    assert script is not None
    commands = script[1].replace("skipcast.example", "localhost")
    subprocess.run(["bash", "-euc", commands], cwd=made, check=True, capture_output=True)
    return made


@pytest.fixture(scope="module")
def port(folder, tmp_path_factory):
    """Run nginx before `Upstream`; yield the port on which it answers by TLS."""
    upstream = ThreadingHTTPServer(("127.0.0.1", 0), Upstream)
    threading.Thread(target=upstream.serve_forever, daemon=True).start()
    tls, plain = free_port(), free_port()
    conf = (folder / "listen.conf").read_text()
    assert "listen 8443 ssl;" in conf
    # Beside it one without TLS, by which the harness sees that nginx is ready.
    ready = f"server {{ listen 127.0.0.1:{plain}; return 200; }}\n"
    (folder / "listen.conf").write_text(conf.replace("8443", f"127.0.0.1:{tls}") + ready)
    (folder / "upstream.conf").write_text(f"server 127.0.0.1:{upstream.server_port};\n")
    command = [NGINX, "-p", f"{folder}/", "-c", "nginx.conf", "-g", "daemon off;"]
    with running(command, f"http://127.0.0.1:{plain}/", folder.parent / "log"):
        yield tls
    upstream.shutdown()
    upstream.server_close()


@pytest.fixture(scope="module")
def token(folder):
    return token_of(folder, "alice")


def token_of(folder, client):
    tokens = (folder / "tokens.conf").read_text()
    return re.search(rf'"(Bearer [0-9a-f]{{64}})" {client};', tokens)[1]


@pytest.fixture(scope="module")
def ask(port, folder):
    """Return a function that asks by TLS; it returns the status, and the answer as text."""
    trust = ssl.create_default_context(cafile=folder / "cert.pem")

    def run(path="/invocations", token=None, body=b"{}", headers=None):
        connection = HTTPSConnection("localhost", port, context=trust, timeout=30)
        headers = (headers or {}) | ({} if token is None else {"Authorization": token})
        method = "GET" if path in ("/ping", "/metrics") else "POST"
        connection.request(method, path, body if method == "POST" else None, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        if answer.status != 200:
            assert answer.headers["Content-Type"] == "application/json"
            text = json.loads(text)["message"]
        return answer.status, text

    return run


def test_a_token_is_let_in_and_not_passed_on(ask, token):
    assert ask(token=token)[0] == 200
    assert "Authorization" not in Upstream.seen[-1]


@pytest.mark.parametrize("wrong", [None, "Bearer ", "Bearer 0", "Basic YWxpY2U6eA==", ""])
def test_who_has_no_token_is_told_and_reaches_nothing(ask, wrong):
    before = len(Upstream.seen)
    status, text = ask(token=wrong)
    assert status == 401
    assert "must be Bearer and a token that is known here" in text
    assert len(Upstream.seen) == before


def test_ping_needs_no_token_and_nothing_else_is_there(ask, token):
    assert ask("/ping")[0] == 200
    for path in ("/version", "/invocations/", "/docs", "/metrics/"):
        assert ask(path, token) == (404, NOT_THERE)


def test_metrics_are_for_the_client_prometheus_alone(ask, token, folder):
    assert ask("/metrics", token_of(folder, "prometheus"))[0] == 200
    assert ask("/metrics", token)[0] == 403
    for wrong in (None, "Bearer prometheus", "Bearer "):
        assert ask("/metrics", wrong)[0] == 401


def test_http_at_the_port_of_https_is_told(port):
    connection = HTTPConnection("localhost", port, timeout=30)
    connection.request("GET", "/ping")
    answer = connection.getresponse()
    assert answer.status == 400
    assert "must begin with https://" in json.loads(answer.read())["message"]
    connection.close()


def test_a_body_has_a_limit(ask, token):
    assert ask(token=token, body=b" " * 3_900_000)[0] == 200
    # The header suffices: nginx closes before all would be sent.
    assert ask(token=token, headers={"Content-Length": "4300000"}) == (413, TOO_LONG)


def test_a_client_has_a_rate(ask, token):
    with ThreadPoolExecutor(8) as pool:
        answers = Counter(pool.map(lambda _: ask(token=token), range(400)))
    assert set(answers) == {(200, "{}"), (429, TOO_FAST)}
    assert answers[200, "{}"] >= 100  # the burst


@needs_prometheus
def test_a_prometheus_elsewhere_scrapes_by_the_pages_configuration(port, folder, tmp_path):
    config = re.search(r"```yaml\n(scrape_configs:.*?)```", TEXT, re.DOTALL)[1]
    config = config.replace("skipcast.example:8443", f"localhost:{port}")
    for name in ("cert.pem", "prometheus.token"):
        shutil.copy(folder / name, tmp_path)
    found = scrape("global: {scrape_interval: 200ms}\n" + config, tmp_path)
    assert found["metric"]["instance"] == f"localhost:{port}"
    assert found["value"][1] == "7"
