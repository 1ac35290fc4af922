"""Tracking servers that are away, not MLflow's, too old, or let nobody in: in their own words."""

import base64
import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from skipcast.errors import SkipcastError
from skipcast.mlflow_store.client import open_client

Answer = tuple[int, str]


@contextmanager
def serving(answer: Callable[[str], Answer], login: str | None = None) -> Iterator[str]:
    """Run a server that gives an answer by the path that is asked for; yield its address.

    Args:
        answer: status and text.
        login: the header Authorization of who may ask; None for all.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_known = login in (None, self.headers["Authorization"])
            status, text = answer(self.path) if is_known else (401, "Who is it?")
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


HOST = "Invalid Host header - possible DNS rebinding attack detected"
PAGE = "<html><style>p {}</style><title>Jupyter</title> <p>Log in</p></html>"
EXPERIMENTS = json.dumps({"experiments": []})


def refusal(monkeypatch, answer, user="") -> str:
    """Return the message about a server that gives an answer."""
    with serving(answer if callable(answer) else lambda path: answer) as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{user}{address}")
        with pytest.raises(SkipcastError) as caught:
            open_client()
    message = str(caught.value)
    assert "dvc repro" not in message
    assert "MLFLOW_TRACKING_URI" in message
    return message.replace(address, "HOST")


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ((403, HOST), f"HTTP 403: {HOST}\nIf it does not know itself by this name, start it by "
                      "`mlflow server --allowed-hosts HOST`"),
        ((403, '{"message": "Permission denied"}'), "Permission denied"),
        ((401, "You are not authenticated."), "You are not authenticated.\nSet MLFLOW_TRACKING_U"),
        ((404, "Not Found"), "must be one of MLflow but answers HTTP 404: Not Found"),
        ((200, PAGE), "must be one of MLflow but answers HTTP 200: Jupyter Log in"),
        ((200, '{"name": "elastic"}'), 'must be one of MLflow but answers HTTP 200: {"name"'),
        ((200, "[]"), "must be one of MLflow but"),
        ((405, ""), "must be one of MLflow but"),
        ((502, "Bad Gateway"), "must work but answers HTTP 502: Bad Gateway"),
    ],
)  # fmt: skip
def test_a_server_that_refuses_is_told_in_its_own_words(monkeypatch, answer, text):
    assert text in refusal(monkeypatch, answer)


@pytest.mark.parametrize("version", ["2.9.2", "1.30.0"])
def test_a_server_that_is_too_old_is_told(monkeypatch, version):
    message = refusal(
        monkeypatch, lambda path: (200, version if path == "/version" else EXPERIMENTS)
    )
    assert f"must be of version 3 or later but is {version}. Update it" in message


@pytest.mark.parametrize("version", [(200, "3.17.2"), (404, ""), (200, PAGE)])
def test_a_server_that_is_new_or_tells_no_version_will_do(monkeypatch, version):
    with serving(lambda path: version if path == "/version" else (200, EXPERIMENTS)) as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{address}")
        open_client()


@pytest.mark.parametrize("host", ["127.0.0.1:9", "no-such-host.invalid"])
def test_a_server_that_is_away_is_told(monkeypatch, host):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{host}")
    with pytest.raises(SkipcastError, match=rf"http://{host} must answer but failed: (.|\n)*Start"):
        open_client()


@pytest.mark.parametrize("answer", [(401, "Who?"), (404, "No")])
def test_no_message_has_the_password(monkeypatch, answer):
    assert "sekret" not in refusal(monkeypatch, answer, user="me:sekret@")


def test_no_message_about_a_server_that_is_away_has_the_password(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:sekret@127.0.0.1:9")
    with pytest.raises(SkipcastError) as caught:
        open_client()
    assert "sekret" not in str(caught.value)


def test_a_folder_that_cannot_hold_a_store_is_told(monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////dev/null/mlflow.db")
    with pytest.raises(SkipcastError, match="must answer but failed"):
        open_client()


def test_a_store_of_another_version_of_mlflow_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/new.db")
    open_client()
    with closing(sqlite3.connect(tmp_path / "new.db")) as store, store:
        store.execute("UPDATE alembic_version SET version_num = 'later'")
    copied = shutil.copy(tmp_path / "new.db", tmp_path / "later.db")  # MLflow knows the first
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{copied}")
    with pytest.raises(SkipcastError, match=r"later.db must answer but failed: .*later"):
        open_client()


def test_what_the_message_says_lets_a_user_in(monkeypatch):
    login = f"Basic {base64.b64encode(b'me:sekret').decode()}"
    with serving(lambda path: (200, EXPERIMENTS), login) as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{address}")
        with pytest.raises(SkipcastError, match=r"Who is it\?\nSet MLFLOW_TRACKING_USERNAME and"):
            open_client()
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "sekret")
        open_client()
