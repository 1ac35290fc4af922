"""What is counted, and what is said where it cannot be; tests/system/test_live.py has a server."""

import asyncio
import multiprocessing
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from skipcast.serving.metrics import FOLDER, PATH, Metrics, watch


@pytest.fixture
def metrics() -> Metrics:
    return Metrics({"version": "3"}, None)


def ask(metrics, app, path=PATH):
    async def nothing(*_):
        return {}

    def run():
        asyncio.run(metrics.counting(app)({"type": "http", "path": path}, nothing, nothing))

    with ThreadPoolExecutor(1) as pool:  # a browser of other tests has this thread's event loop
        pool.submit(run).result()


def text_of(metrics) -> str:
    return metrics.answer().body.decode()


def answering(status):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": status})
        await send({"type": "http.response.body"})

    return app


async def failing(scope, receive, send):
    raise RuntimeError


def test_requests_count_by_status_and_a_failure_as_500(metrics):
    for status in (200, 200, 418):
        ask(metrics, answering(status))
    with pytest.raises(RuntimeError):
        ask(metrics, failing)
    ask(metrics, answering(200), path="/ping")
    text = text_of(metrics)
    for line in ('{status="200"} 2.0', '{status="418"} 1.0', '{status="500"} 1.0'):
        assert f"skipcast_requests_total{line}" in text
    assert "skipcast_request_seconds_count 4.0" in text


def test_shares_are_of_what_was_counted(metrics):
    assert "share" not in text_of(metrics)
    metrics.count_plays(np.array([True, False]), np.array([0.25, np.nan]))
    metrics.count_plays(np.array([True, True]), np.array([0.75, np.nan]))
    text = text_of(metrics)
    assert "skipcast_unknown_track_share 0.25" in text
    assert "skipcast_mean_probability 0.5" in text
    assert 'skipcast_model_info{version="3"} 1.0' in text


def test_a_worker_without_a_shared_folder_says_what_to_set(metrics, monkeypatch):
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: "the server")
    answer = metrics.answer()
    assert answer.status_code == 503
    assert f"{FOLDER} must name an empty folder".encode() in answer.body


def test_a_server_without_room_for_metrics_answers_all_the_same(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv(FOLDER, str(tmp_path / "gone"))
    assert watch({"version": "3"}, None) is None
    assert "must have room for metrics but" in caplog.text


def test_a_server_without_prometheus_client_answers_all_the_same(monkeypatch):
    monkeypatch.setattr("skipcast.serving.metrics.find_spec", lambda name: None)
    assert watch({"version": "3"}, None) is None
