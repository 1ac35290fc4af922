"""The served model beside an empty one with the same signature: latency, throughput, load, memory.

`python benchmarks/serving.py [FAMILY ...]` makes a twin model, or takes `--model URI` as it is, and
drives both by `mlflow models serve` in turn with the same request of 20 plays. It needs wrk
(Debian: `apt-get install wrk`). Then a minute of good and bad requests at once. Exit code 1 means
that a target was missed.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mlflow
import pandas as pd
import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from scoring import Endpoint, records, requests, serving

from skipcast.archive.sample import read_subset
from skipcast.features.build import ALL, build_features
from skipcast.models.families import FAMILIES
from skipcast.models.family import Part
from skipcast.schema import LOG, TARGET, TRACK, names
from skipcast.serving.packaging import log_model, signature
from skipcast.twin.write import write_twin

ROUNDS = 5
TARGETS = {"p50": 1.5, "requests": 0.7, "load": 3.0, "memory": 600.0}
EMPTY = """
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


def twin(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return plays with their track features, and 50,000 tracks or more."""
    write_twin(folder / "mssd", sessions=10_000, seed=0)
    plays, tracks = read_subset(folder / "mssd", None, rows=10**9, seed=0)
    joined = plays.merge(tracks, left_on="track_id_clean", right_on="track_id")
    joined = joined.sort_values(["session_id", "session_position"], ignore_index=True)
    return joined[names(LOG + TRACK[1:])], tracks


def make(family: str, plays: pd.DataFrame, tracks: pd.DataFrame) -> str:
    """Fit and log a model; return its name."""
    features, skipped = build_features(plays, "started").to_numpy(), plays[TARGET].to_numpy()
    cut = len(plays) * 4 // 5
    train, validation = Part(features[:cut], skipped[:cut]), Part(features[cut:], skipped[cut:])
    methods = FAMILIES[family]
    data = methods.prepare(train, validation)
    fitted = methods.fit(methods.defaults({}), data, 0, os.cpu_count() or 1, lambda *_: None)
    with mlflow.start_run():
        info = log_model(fitted, tracks, family=family, horizon="started", groups=ALL, train=train)
    return str(info.model_uri)


def drive(port: int, connections: int, script: Path, seconds: int = 5) -> tuple[float, ...]:
    """Return p50 and p99 in milliseconds and requests a second, by wrk; all must be answered."""
    url = f"http://127.0.0.1:{port}/invocations"
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script), url]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    p50, p99, rate, bad = map(float, out.strip().splitlines()[-1].split())
    assert not bad, out
    return p50 / 1000, p99 / 1000, rate


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


def load_seconds(uri: str) -> float:
    """Return how long `load_model` takes in a fresh process, the best of three."""
    command = [sys.executable, "-W", "ignore", "-P", "-c", LOAD, uri]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(3)]
    return min(float(run.stdout) for run in runs)


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


def compare(uri: str, empty: str, body: bytes, folder: Path, minute: int) -> list[str]:
    """Serve both, drive them in turn, print; return the targets that were missed."""
    script, missed = wrk_script(folder, body), []
    with serving(uri, folder / "ours.log") as ours, serving(empty, folder / "empty.log") as other:
        for connections in (1, 8):
            found: dict[int, list[tuple[float, ...]]] = {ours.port: [], other.port: []}
            for port in found:
                drive(port, connections, script, 2)  # warm
            for _ in range(ROUNDS):
                for port, runs in found.items():
                    runs.append(drive(port, connections, script))
            rows = [
                [statistics.median(v) for v in zip(*runs, strict=True)] for runs in found.values()
            ]
            for name, (p50, p99, rate) in zip(("model", "empty"), rows, strict=True):
                print(f"  {connections} connections, {name}: ", end="")
                print(f"p50 {p50:.2f} ms, p99 {p99:.2f} ms, {rate:.0f} requests/s")
            p50, rate = rows[0][0] / rows[1][0], rows[0][2] / rows[1][2]
            print(f"  {connections} connections, ratio: p50 {p50:.2f}, requests {rate:.2f}")
            missed += [f"p50, {connections}"] * (p50 > TARGETS["p50"])
            missed += [f"requests, {connections}"] * (rate < TARGETS["requests"])
        resident = memory(ours.port)
        print(f"  memory of the worker: {resident:.0f} MB (empty: {memory(other.port):.0f} MB)")
        if minute:
            counts = good_and_bad(ours, body, minute)
            print(f"  good and bad at once for {minute} s: {dict(counts)}, {counts['wrong']} wrong")
            missed += ["answers"] * bool(counts["wrong"] or not counts["200"])
    loads = load_seconds(uri) - load_seconds(empty)
    print(f"  load: {loads:+.2f} s against the empty model")
    missed += ["memory"] * (resident > TARGETS["memory"]) + ["load"] * (loads > TARGETS["load"])
    return missed


def main() -> None:
    """Run all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", nargs="*", default=[*FAMILIES], help="of the twin's models")
    parser.add_argument("--model", help="MLflow's name of a model, instead")
    parser.add_argument("--minute", type=int, default=60, help="seconds of good and bad requests")
    given = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("wrk must be installed but is not: apt-get install wrk")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plays, tracks = twin(folder)
        if not given.model:
            os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
            os.chdir(folder)
        (folder / "empty.py").write_text(EMPTY)
        mlflow.pyfunc.save_model(
            folder / "empty",
            python_model=folder / "empty.py",
            signature=signature(),
            pip_requirements=["mlflow"],
        )
        twenty = plays.groupby("session_id").filter(lambda s: len(s) == 20).head(20)
        rows = {"dataframe_records": records(requests(twenty, 1))}
        body = json.dumps(rows, separators=(",", ":")).encode()
        missed = []
        print(
            f"{len(body)} bytes of 20 plays; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
        )
        for family in [given.model] if given.model else given.families:
            uri = given.model or make(family, plays, tracks)
            stored = Path(mlflow.artifacts.download_artifacts(uri))
            size = sum(path.stat().st_size for path in stored.rglob("*") if path.is_file())
            print(f"{family}: {len(tracks)} tracks, folder of {size / 1e6:.1f} MB")
            # Both from a folder: asking the store would be part of the time of one of them only.
            missed += compare(str(stored), str(folder / "empty"), body, folder, given.minute)
    sys.exit(f"Missed: {missed}" if missed else 0)


if __name__ == "__main__":
    main()
