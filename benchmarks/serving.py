"""The served model beside an empty model with the same signature: latency, throughput, memory.

Usage: `python benchmarks/serving.py [FAMILY ...] [--model URI] [--rounds N] [--quick]`. A family
takes about 4 minutes, a minute of good and bad requests at once among them. It needs wrk (Debian:
`apt-get install wrk`).

It makes a model of each family from a twin, or takes the model URI as it is. `mlflow models serve`
serves it and the empty model, which answers without computing anything. wrk drives both in turn
with the same request of 20 plays, 5 seconds each, over one connection and over eight. Loading
either model in a new process is timed in turn, too.

Prints the medians of both sides; the model's p50, requests a second and loading time divided by
those of the empty model, as the median of the rounds with the lowest and the highest; the memory of
a worker; and how many of the good and bad requests were answered wrongly. Exit code 1 means that a
target was missed, which is not judged with `--quick`.
"""

import argparse
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import get_args

import mlflow
import psutil
from arguments import make_parser, parse_family
from from_tests import Endpoint, model_server, records, requests
from rounds import SECONDS, Figures, Rounds, run_in_turn
from twin_inputs import QUICK_SESSIONS, make_model, make_twin

from skipcast.models.families import Family
from skipcast.processes import cpu_count
from skipcast.serving.packaging import signature

MODEL, EMPTY = "model", "empty"
# Of p50 and requests the ratio to the empty model, of loading the seconds more, of memory MB.
TARGETS = {"p50": 1.5, "requests": 0.7, "load": 3.0, "memory": 600.0}
EMPTY_CODE = """
import mlflow
import numpy as np
import pandas as pd


class Empty(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input: pd.DataFrame, params=None) -> pd.DataFrame:
        nothing = np.full(len(model_input), None, object)
        return pd.DataFrame(
            {
                "session_id": model_input["session_id"],
                "session_position": model_input["session_position"],
                "track_id_clean": model_input["track_id_clean"],
                "skip_probability": nothing,
                "skipped": nothing,
                "track_known": True,
                "history_until": nothing,
            }
        )


mlflow.models.set_model(Empty())
"""
LOAD = """
import sys, time, mlflow, pandas
started = time.perf_counter()
mlflow.pyfunc.load_model(sys.argv[1])
print(time.perf_counter() - started)
"""


def drive(port: int, connections: int, script: Path, seconds: int) -> Figures:
    """Return p50 and p99 in milliseconds and requests a second, by wrk; all must be answered."""
    url = f"http://127.0.0.1:{port}/invocations"
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script), url]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    p50, p99, rate, bad = map(float, out.strip().splitlines()[-1].split())
    if bad:
        sys.exit(f"All requests must be answered but {bad:.0f} were not:\n{out}")
    return {"p50": p50 / 1000, "p99": p99 / 1000, "requests": rate}


def wrk_script(folder: Path, body: bytes) -> Path:
    """Write what wrk sends and how it reports."""
    (folder / "body.json").write_bytes(body)
    script = folder / "post.lua"
    script.write_text(
        f"""
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = io.open("{folder}/body.json", "rb"):read("*a")
done = function(summary, latency, requests)
  print(latency:percentile(50), latency:percentile(99),
        summary.requests / summary.duration * 1e6, summary.errors.status + summary.errors.timeout)
end
"""
    )
    return script


def load(uri: str) -> Figures:
    """Return how many seconds `load_model` takes in a new process."""
    command = [sys.executable, "-W", "ignore", "-P", "-c", LOAD, uri]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return {SECONDS: float(run.stdout)}


def memory(port: int) -> float:
    """Return the resident memory, in MB, of the process that listens on a port."""
    for process in psutil.Process().children(recursive=True):
        if any(
            c.laddr.port == port for c in process.net_connections("tcp") if c.status == "LISTEN"
        ):
            return float(process.memory_info().rss) / 1e6
    raise LookupError(port)


def good_and_bad(endpoint: Endpoint, body: bytes, seconds: int) -> Counter[str]:
    """Send good and bad requests at once; count answers, `wrong` ones among them."""
    expected = endpoint.send(body)
    until = time.monotonic() + seconds
    good = [body] * 3
    bad = [body[:-9], body.replace(b'"session_position":2', b'"session_position":9'), b"[]"]

    def send(content: bytes) -> Counter[str]:
        counts = Counter[str]()
        while time.monotonic() < until:
            status, answer = endpoint.send(content)
            right = (status, answer) == expected if content == body else status == 400
            counts[str(status) if right else "wrong"] += 1
        return counts

    with ThreadPoolExecutor(len(good + bad)) as pool:
        return sum(pool.map(send, good + bad), Counter())


def compare_load(models: dict[str, str], rounds: int) -> list[str]:
    """Load both models in turn and print; return the target if it was missed."""
    sides = {name: partial(load, uri) for name, uri in models.items()}
    measured = run_in_turn(sides, rounds=rounds)
    model, empty = measured.median(MODEL), measured.median(EMPTY)
    print(f"  loading: model {model:.2f} s, empty {empty:.2f} s, {model - empty:+.2f} s")
    print("  " + measured.ratio(MODEL, EMPTY).sentence("loading takes {} times as long"))
    return ["load"] * (model - empty > TARGETS["load"])


def compare_speed(ports: dict[str, int], script: Path, options: argparse.Namespace) -> list[str]:
    """Drive both servers in turn and print; return the targets that were missed."""
    missed = []
    for connections in (1, 8):
        sides: dict[str, Callable[[], Figures]] = {
            name: partial(drive, port, connections, script, options.seconds)
            for name, port in ports.items()
        }
        measured = run_in_turn(sides, rounds=options.rounds, warm_up=1)
        print(f"  {connections} connection{'s' * (connections > 1)}")
        missed += [f"{figure}, {connections}" for figure in show_speed(measured)]
    return missed


def show_speed(measured: Rounds) -> list[str]:
    """Print what both sides reach and their ratios; return the figures that miss their target."""
    for side in (MODEL, EMPTY):
        p50, p99, rate = (measured.median(side, name) for name in ("p50", "p99", "requests"))
        print(f"    {side}: p50 {p50:.2f} ms, p99 {p99:.2f} ms, {rate:.0f} requests/s")
    p50_ratio = measured.ratio(MODEL, EMPTY, "p50")
    rate_ratio = measured.ratio(MODEL, EMPTY, "requests")
    print("    " + p50_ratio.sentence("p50 of the model is {} times that of the empty model"))
    print("    " + rate_ratio.sentence("it answers {} times as many requests"), flush=True)
    missed = ["p50"] * (p50_ratio.median > TARGETS["p50"])
    return missed + ["requests"] * (rate_ratio.median < TARGETS["requests"])


def compare(
    models: dict[str, str], body: bytes, folder: Path, options: argparse.Namespace
) -> list[str]:
    """Serve both models, compare and print; return the targets that were missed."""
    script = wrk_script(folder, body)
    with (
        model_server(models[MODEL], folder / "model.log") as model,
        model_server(models[EMPTY], folder / "empty.log") as empty,
    ):
        missed = compare_speed({MODEL: model.port, EMPTY: empty.port}, script, options)
        resident = memory(model.port)
        print(f"  memory of a worker: {resident:.0f} MB, empty {memory(empty.port):.0f} MB")
        missed += ["memory"] * (resident > TARGETS["memory"])
        if options.minute:
            counts = good_and_bad(model, body, options.minute)
            print(f"  good and bad at once for {options.minute} s: {dict(counts)}")
            missed += ["answers"] * bool(counts["wrong"] or not counts["200"])
    return missed + compare_load(models, options.rounds)


def save_empty(folder: Path) -> str:
    """Write the empty model; return where."""
    (folder / "empty.py").write_text(EMPTY_CODE)
    mlflow.pyfunc.save_model(
        folder / "empty",
        python_model=folder / "empty.py",
        signature=signature(),
        pip_requirements=["mlflow"],
    )
    return str(folder / "empty")


def parse_arguments() -> argparse.Namespace:
    """Return the arguments."""
    parser = make_parser(__doc__)
    parser.add_argument(
        "families", nargs="*", type=parse_family, metavar="FAMILY", help="all, if left out"
    )
    parser.add_argument("--model", help="MLflow's name of a model, instead of a family")
    parser.add_argument("--rounds", type=int, default=5, help="of both sides")
    parser.add_argument("--minute", type=int, default=60, help="seconds of good and bad requests")
    parser.add_argument("--quick", action="store_true", help="few plays, one round of a second")
    options = parser.parse_args()
    options.seconds = 5
    if options.quick:
        options.rounds, options.seconds, options.minute = 1, 1, 1
    return options


def main() -> None:
    """Compare all models."""
    options = parse_arguments()
    if not shutil.which("wrk"):
        sys.exit("wrk must be installed but is not: apt-get install wrk")
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
        plays, tracks = make_twin(folder, sessions=QUICK_SESSIONS if options.quick else 10_000)
        if not options.model:
            os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
            os.chdir(folder)
        empty = save_empty(folder)
        twenty = plays.groupby("session_id").filter(lambda s: len(s) == 20).head(20)
        rows = {"dataframe_records": records(requests(twenty, 1))}
        body = json.dumps(rows, separators=(",", ":")).encode()
        cores, load_before = cpu_count(), os.getloadavg()[0]
        print(f"{len(body)} bytes of 20 plays; {cores} cores, load {load_before:.1f}")
        missed = []
        for family in [options.model] if options.model else options.families or get_args(Family):
            uri = options.model or make_model(family, plays, tracks)
            stored = Path(mlflow.artifacts.download_artifacts(uri))
            size = sum(path.stat().st_size for path in stored.rglob("*") if path.is_file())
            print(f"{family}: {len(tracks)} tracks, folder of {size / 1e6:.1f} MB")
            # Both from a folder: asking the store would be part of the time of one of them only.
            models = {MODEL: str(stored), EMPTY: empty}
            missed += [f"{family}: {what}" for what in compare(models, body, folder, options)]
    sys.exit(f"Missed: {missed}" if missed and not options.quick else 0)


if __name__ == "__main__":
    main()
