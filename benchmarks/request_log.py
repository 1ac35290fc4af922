"""What `serve.log` costs and tells: the same model served with a log and without.

Usage: `python benchmarks/request_log.py [FAMILY] [--rounds N] [--quick]`. It takes about a minute.

It makes a model of a family (LightGBM, if left out) from a twin, and two of MLflow's scoring apps
of it in this process: one keeps a log. It asks them in turn, request by request and without a
network, which would hide what the log costs: two servers that do the same differ by more. One
request has 20 plays, another the last plays of 100 sessions.

Then it serves the model with a log and sends sessions that did not train it play by play.

Prints the p50 with a log divided by that without, as the median of the rounds with the lowest and
the highest; and the accuracy of the sessions, from the log and from one request for all of them.
Exit code 1 means that these differ, or that the log costs more than 5 %, which is not judged with
`--quick`.
"""

import asyncio
import gc
import json
import logging
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import mlflow
import pandas as pd
from arguments import make_parser, parse_family
from from_tests import Endpoint, batch, model_server, records, replay, requests
from mlflow.pyfunc import scoring_server
from rounds import Figures, Rounds, Spread
from twin_inputs import QUICK_SESSIONS, make_model, make_twin

from skipcast.cli.serve import CONFIG, configuration
from skipcast.evaluation.metrics import accuracy
from skipcast.params import Serve
from skipcast.schema import TARGET
from skipcast.serving.guard import SERVER
from skipcast.serving.log_reader import read_log

LOG, NONE = "log", "no log"
MOST = 1.05  # times the p50
SECONDS = 1.0  # that a round asks either app, about
REPLAYED = 200  # sessions
SCOPE = {
    "type": "http",
    "asgi": {"version": "3.0"},
    "http_version": "1.1",
    "method": "POST",
    "scheme": "http",
    "path": "/invocations",
    "raw_path": b"/invocations",
    "query_string": b"",
    "root_path": "",
    "client": ("127.0.0.1", 1),
    "server": ("127.0.0.1", 80),
    "headers": [(b"content-type", b"application/json")],
}


def make_app(uri: str, config: str) -> Any:
    """Return MLflow's app of a model with a configuration; the model takes it for the server's."""
    sys.modules[f"{SERVER}.app"] = ModuleType("app")
    return scoring_server.init(mlflow.pyfunc.load_model(uri, model_config=json.loads(config)))


async def ask(app: Any, body: bytes) -> float:
    """Return the seconds until an app has answered."""
    parts = [{"type": "http.request", "body": body, "more_body": False}]
    statuses = []

    async def receive() -> dict[str, Any]:
        if not parts:
            await asyncio.Future()  # the client stays
        return parts.pop()

    async def send(event: dict[str, Any]) -> None:
        statuses.append(event.get("status"))

    started = time.perf_counter()
    await app(dict(SCOPE), receive, send)
    seconds = time.perf_counter() - started
    assert statuses[0] == 200
    return seconds


async def run_round(apps: dict[str, Any], body: bytes, count: int) -> dict[str, Figures]:
    """Ask each app so often, in turn; return the p50 of each in milliseconds."""
    seconds: dict[str, list[float]] = {side: [] for side in apps}
    gc.collect()
    for i in range(count):
        for side in reversed([*apps]) if i % 2 else apps:
            seconds[side].append(await ask(apps[side], body))
    return {side: {"p50": 1000 * statistics.median(seconds[side])} for side in apps}


async def compare(apps: dict[str, Any], body: bytes, rounds: int) -> Spread:
    """Ask the apps in turn; print the p50 of both and their ratio, and return it."""
    warm = [await ask(app, body) for _ in range(5) for app in apps.values()]
    count = max(5, round(SECONDS / min(warm)))
    runs = [await run_round(apps, body, count) for _ in range(rounds)]
    measured = Rounds({side: [run[side] for run in runs] for side in apps})
    for side in apps:
        print(f"    {side}: p50 {measured.median(side, 'p50'):.3f} ms")
    ratio = measured.ratio(LOG, NONE, "p50")
    print("    " + ratio.sentence("p50 with a log is {} times that without"), flush=True)
    return ratio


def bodies(plays: pd.DataFrame) -> dict[str, bytes]:
    """Return the requests by what they hold."""
    twenty = plays.groupby("session_id").filter(lambda session: len(session) == 20).head(20)
    rows = {"20 plays": requests(twenty, 1), "100 sessions": requests(plays, 100)}
    return {
        name: json.dumps({"dataframe_records": records(request)}).encode()
        for name, request in rows.items()
    }


def compare_accuracy(endpoint: Endpoint, plays: pd.DataFrame, log: Path) -> bool:
    """Print live accuracy and that of the same plays at once; tell whether they are equal."""
    replay(endpoint, plays)
    answers = read_log(log).answers.dropna(subset="skipped")
    live = accuracy(answers["skipped"].to_numpy(bool), answers["probability"].to_numpy())
    at_once = accuracy(plays[TARGET].to_numpy(bool), batch(endpoint, plays))
    print(
        f"  live accuracy of {len(answers)} of {len(plays)} plays: {live!r}; at once: {at_once!r}"
    )
    return len(answers) == len(plays) and live == at_once


def main() -> None:
    """Ask a model with a log and without."""
    parser = make_parser(__doc__)
    parser.add_argument("family", nargs="?", type=parse_family, default="lightgbm")
    parser.add_argument("--rounds", type=int, default=9, help="of both sides")
    parser.add_argument("--quick", action="store_true", help="few plays, one round")
    options = parser.parse_args()
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    rounds = 1 if options.quick else options.rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        os.chdir(folder)
        plays, tracks = make_twin(folder, sessions=QUICK_SESSIONS if options.quick else 10_000)
        uri = make_model(options.family, plays, tracks)
        settings = Serve(host="127.0.0.1", port=5001, workers=1)
        apps = {
            LOG: make_app(uri, configuration(str(folder / "log"), settings)),
            NONE: make_app(uri, "{}"),
        }
        ratios = []
        for what, body in bodies(plays).items():
            print(f"  {what}")
            ratios.append(asyncio.run(compare(apps, body, rounds)))
        last = plays["session_id"].unique()[-(REPLAYED // 10 if options.quick else REPLAYED) :]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        log = folder / "replay"
        env = os.environ | {"PATH": path, CONFIG: configuration(str(log), settings)}
        with model_server(uri, folder / "server.log", env=env) as endpoint:
            replayed = plays[plays["session_id"].isin(last)]
            is_equal = compare_accuracy(endpoint, replayed, log)
    costs_too_much = any(ratio.median > MOST for ratio in ratios) and not options.quick
    sys.exit(int(not is_equal or costs_too_much))


if __name__ == "__main__":
    main()
