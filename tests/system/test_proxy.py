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
from http.client import HTTPException, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
from harness.servers import ROOT, free_port, running

from skipcast.clients.proxy import PLACES

NGINX = shutil.which("nginx", path=os.pathsep.join(PLACES))
pytestmark = pytest.mark.skipif(
    NGINX is None, reason="There is no nginx: install it, e.g. `apt-get install nginx-light`."
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
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a copy of deploy/ after the commands of docs/operating.md, for the name localhost."""
    made = tmp_path_factory.mktemp("proxy") / "deploy"
    shutil.copytree(ROOT / "deploy", made)
    text = (ROOT / "docs/operating.md").read_text()
    script = re.search(r"```\ncd ~/proxy\n(.*?)```", text, re.DOTALL)
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
    return re.search(r'"(Bearer [0-9a-f]{64})" alice;', (folder / "tokens.conf").read_text())[1]


@pytest.fixture(scope="module")
def ask(port, folder):
    """Return a function that asks by TLS; it returns the status, and the answer as text."""
    trust = ssl.create_default_context(cafile=folder / "cert.pem")

    def run(path="/invocations", token=None, body=b"{}"):
        connection = HTTPSConnection("localhost", port, context=trust, timeout=30)
        headers = {} if token is None else {"Authorization": token}
        method = "GET" if path == "/ping" else "POST"
        connection.request(method, path, body if method == "POST" else None, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
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
    assert "must be Bearer and a token that is known here" in json.loads(text)["message"]
    assert len(Upstream.seen) == before


def test_ping_needs_no_token_and_nothing_else_is_there(ask, token):
    assert ask("/ping")[0] == 200
    for path in ("/metrics", "/version", "/invocations/"):
        assert ask(path, token)[0] == 404


def test_a_body_has_a_limit(ask, token):
    assert ask(token=token, body=b" " * 3_900_000)[0] == 200
    try:
        status = ask(token=token, body=b" " * 4_300_000)[0]
    except (OSError, HTTPException):  # nginx may close before all is sent
        status = 413
    assert status == 413


def test_a_client_has_a_rate(ask, token):
    with ThreadPoolExecutor(8) as pool:
        statuses = Counter(pool.map(lambda _: ask(token=token)[0], range(400)))
    assert set(statuses) == {200, 429}
    assert statuses[200] >= 100  # the burst
