"""`GET /metrics` of the scoring server, in the text format of Prometheus.

MLflow's server has no such route and makes its app in a function of its own, after it has loaded
the model. So a model that the server loads has MLflow make an app that has the route, and that
counts requests before anything else sees them. This needs `prometheus_client`, which is no
requirement of a model: where it is not installed, there is no such route.

Several workers share a folder, which `PROMETHEUS_MULTIPROC_DIR` names and `skipcast serve` makes.
"""

import logging
import multiprocessing
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from skipcast.arrays import Bools, Floats
from skipcast.schema import THRESHOLD
from skipcast.serving.log_reader import read_log
from skipcast.serving.request_log import RequestLog

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
PATH = "/invocations"
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
RECENT_BYTES = 1_000_000  # of the log, from which live accuracy is computed
FRESH = 10.0  # seconds for which it is not computed anew
FILE_BYTES = 1 << 16  # of a file of prometheus_client; ours never need more
KINDS = ("counter", "histogram")  # whose values have a file each
STATUSES = ("200", "400", "413", "415", "500", "504")  # told as 0 until they come

Event = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Event]]
Send = Callable[[Event], Awaitable[None]]
App = Callable[[Event, Receive, Send], Awaitable[None]]

_logger = logging.getLogger(__name__)


class Metrics:
    """What one worker counts, and what all of them have counted together."""

    def __init__(self, about: Mapping[str, str], log: RequestLog | None) -> None:
        """Make the counters of this worker.

        Args:
            about: the model, such as its `version`.
            log: of its answers, None where there is none.
        """
        from prometheus_client import CollectorRegistry, Counter, Histogram

        self._about, self._log = dict(about), log
        self._own = own = CollectorRegistry()
        self._requests = Counter(
            "skipcast_requests", "Requests to /invocations.", ["status"], registry=own
        )
        self._seconds = Histogram(
            "skipcast_request_seconds",
            "Seconds from a request to the end of its answer.",
            buckets=SECONDS,
            registry=own,
        )
        self._plays = Counter("skipcast_plays", "Plays in requests.", registry=own)
        self._unknown = Counter(
            "skipcast_unknown_tracks", "Plays whose track the model does not know.", registry=own
        )
        self._scored = Counter("skipcast_scored_plays", "Plays that were scored.", registry=own)
        self._probability = Counter(
            "skipcast_probability", "Sum of the skip probabilities of plays.", registry=own
        )
        self._lost = Counter(
            "skipcast_log_lost", "Lines of serve.log that could not be written.", registry=own
        )
        for status in STATUSES:
            self._requests.labels(status)
        self._lost_before = 0
        self._live: tuple[float, list[tuple[str, float, int]]] = (-np.inf, [])
        self._lock = Lock()

    def count_plays(self, known: Bools, probability: Floats) -> None:
        """Count the plays of a request: whether each track is known, and the probabilities."""
        self._plays.inc(len(known))
        self._unknown.inc(len(known) - int(known.sum()))
        scored = probability[~np.isnan(probability)]
        self._scored.inc(len(scored))
        self._probability.inc(float(scored.sum()))
        if self._log is not None:
            self._lost.inc(self._log.lost - self._lost_before)
            self._lost_before = self._log.lost

    def counting(self, app: App) -> App:
        """Return an app that answers as `app` does, and counts requests to `PATH`."""

        async def counted(scope: Event, receive: Receive, send: Send) -> None:
            if scope.get("path") != PATH or scope["type"] != "http":
                return await app(scope, receive, send)
            started, status = time.perf_counter(), "500"

            async def send_on(event: Event) -> None:
                nonlocal status
                if event["type"] == "http.response.start":
                    status = str(event["status"])
                await send(event)

            try:
                await app(scope, receive, send_on)
            finally:
                self._requests.labels(status).inc()
                self._seconds.observe(time.perf_counter() - started)
            return None

        return counted

    def answer(self) -> Any:
        """Answer `GET /metrics`."""
        from fastapi.responses import PlainTextResponse
        from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        registry = self._own
        if FOLDER in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        elif multiprocessing.parent_process() is not None:
            return PlainTextResponse(
                f"{FOLDER} must name an empty folder where there are several workers but is not "
                "set. `skipcast serve` sets it.\n",
                status_code=503,
            )
        totals = {
            sample.name.removesuffix("_total"): sample.value
            for metric in registry.collect()
            for sample in metric.samples
            if not sample.labels
        }
        now = CollectorRegistry()
        now.register(_Now(partial(self._now, totals)))
        text = generate_latest(registry) + generate_latest(now)
        return PlainTextResponse(text, media_type=CONTENT_TYPE_LATEST)

    def _now(self, totals: Mapping[str, float]) -> Iterator[Any]:
        """Yield what is computed when somebody asks."""
        from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily

        yield InfoMetricFamily("skipcast_model", "The model that answers.", self._about)
        for name, text, part, whole in (
            ("unknown_track_share", "Share of plays of unknown tracks", "unknown_tracks", "plays"),
            ("mean_probability", "Mean skip probability", "probability", "scored_plays"),
        ):
            if totals.get(f"skipcast_{whole}"):
                share = totals[f"skipcast_{part}"] / totals[f"skipcast_{whole}"]
                yield GaugeMetricFamily(f"skipcast_{name}", f"{text}, since the start.", share)
        if self._log is None:
            return
        right = GaugeMetricFamily(
            "skipcast_live_accuracy",
            "Share of the latest answers in serve.log that were right, where it is known.",
            labels=["version"],
        )
        plays = GaugeMetricFamily(
            "skipcast_live_outcomes", "Answers that it is computed from.", labels=["version"]
        )
        for version, accuracy, count in self._recent(self._log.folder):
            right.add_metric([version], accuracy)
            plays.add_metric([version], count)
        yield from (right, plays)

    def _recent(self, folder: Path) -> list[tuple[str, float, int]]:
        """Return each version with its live accuracy and the outcomes that it is of."""
        with self._lock:
            if time.monotonic() > self._live[0] + FRESH:
                answers = read_log(folder, most=RECENT_BYTES).answers.dropna(subset="skipped")
                is_right = (answers["probability"] >= THRESHOLD) == (answers["skipped"] > 0)
                by_version = is_right.groupby(answers["version"]).agg(["mean", "size"])
                rows = by_version.itertuples(name=None)
                self._live = time.monotonic(), [(str(v), float(m), int(n)) for v, m, n in rows]
            return self._live[1]


class _Now:
    """Prometheus' collector of values that a function yields."""

    def __init__(self, collect: Callable[[], Iterator[Any]]) -> None:
        self.collect = collect


def watch(about: Mapping[str, str], log: RequestLog | None) -> Metrics | None:
    """Have the scoring server that loads its model in this process tell metrics.

    Returns:
        What to count plays by, or None where there is no prometheus_client or no room for its
        files: the server then answers all the same.
    """
    if find_spec("prometheus_client") is None:
        return None
    try:
        _reserve()
        metrics = Metrics(about, log)
    except OSError as error:
        _logger.warning("%s must have room for metrics but: %s", os.environ.get(FOLDER), error)
        return None
    _route(metrics)
    return metrics


def _reserve() -> None:
    """Write the files of this worker in full, because prometheus_client maps them into memory.

    A write to such a memory that the disk has no room for would kill the process.
    """
    if FOLDER in os.environ:
        for kind in KINDS:
            path = Path(os.environ[FOLDER], f"{kind}_{os.getpid()}.db")
            if not path.exists():
                path.write_bytes(bytes(FILE_BYTES))


def _route(metrics: Metrics) -> None:
    """Have the next app of FastAPI, which MLflow makes as soon as the model is loaded, be ours."""
    fastapi: Any = sys.modules["fastapi"]
    usual = fastapi.FastAPI

    class Watched(usual):  # type: ignore[misc, valid-type]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            fastapi.FastAPI = usual
            super().__init__(*args, **kwargs)
            self.add_api_route("/metrics", metrics.answer, include_in_schema=False)

        def build_middleware_stack(self) -> App:
            return metrics.counting(super().build_middleware_stack())

    fastapi.FastAPI = Watched
