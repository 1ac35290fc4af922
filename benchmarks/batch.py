"""Files through `skipcast predict`: plays a second, CPU, memory; beside pandas and one `predict`.

`python benchmarks/batch.py [FAMILY]` makes a twin model, LightGBM if nothing is said, and files of
it: a million plays and five million as CSV, a million as gzipped CSV and as Parquet. Times are
those of the whole command, from its start to its end, with the model in MLflow's store. Exit code 1
means that a CSV was too slow.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from serving import make, twin

from skipcast.models.families import FAMILIES
from skipcast.schema import LOG, names

TARGET = 100_000  # plays a second, from CSV
ROOT = Path(__file__).parents[1]
COMMAND = [Path(sys.executable).with_name("skipcast"), "predict", "--score-history"]
OBVIOUS = """
import sys
import mlflow
import pandas as pd

source, target, model = sys.argv[1:]
plays = pd.read_csv(source)
loaded = mlflow.pyfunc.load_model(model, model_config={"max_plays": sys.maxsize})
loaded.predict(plays, params={"score_history": True}).to_csv(target, index=False)
"""


@dataclass(frozen=True)
class Run:
    """A finished command: seconds of wall and CPU, and the peak of its processes' memory, in MB."""

    seconds: float
    cpu: float
    memory: float


def run(command: list[str | Path]) -> Run:
    """Run a command, which must succeed."""
    started, before, peak = time.perf_counter(), os.times(), 0
    process = psutil.Popen(command, stderr=subprocess.DEVNULL)
    while True:
        try:
            peak = max(peak, resident(process))
            code = process.wait(timeout=0.5)
            break
        except psutil.TimeoutExpired:
            pass
    seconds, after = time.perf_counter() - started, os.times()
    if code:
        raise subprocess.CalledProcessError(code, command)
    cpu = sum(after[2:4]) - sum(before[2:4])
    return Run(seconds, cpu, peak / 1e6)


def resident(process: psutil.Process) -> int:
    """Return the resident bytes of a process and those that it started."""
    total = 0
    try:
        for each in (process, *process.children(recursive=True)):
            total += each.memory_info().rss
    except psutil.NoSuchProcess:  # it has ended meanwhile
        pass
    return total


def write(plays: pd.DataFrame, copies: int, path: Path) -> None:
    """Write copies of the plays, each with session ids of its own."""
    for i in range(copies):
        part = plays[names(LOG)].assign(session_id=plays["session_id"] + f"-{i}")
        part.to_csv(path, index=False, header=i == 0, mode="a")


def files(plays: pd.DataFrame, folder: Path) -> dict[str, int]:
    """Write files into `folder`; return how many plays each holds."""
    million = -(-1_000_000 // len(plays))
    counts = {"1.csv": million, "5.csv": 5 * million}
    for name, copies in counts.items():
        write(plays, copies, folder / name)
    subprocess.run(["gzip", "--keep", "--fast", folder / "1.csv"], check=True)
    pd.read_csv(folder / "1.csv").to_parquet(folder / "1.parquet")
    counts |= {"1.csv.gz": million, "1.parquet": million}
    return {name: copies * len(plays) for name, copies in counts.items()}


def batch(uri: str, plays: pd.DataFrame, folder: Path) -> list[str]:
    """Score each file and print; return those CSV files that took too long."""
    counts, found = files(plays, folder), {}
    plays.head(20)[names(LOG)].to_csv(folder / "first.csv", index=False)
    for name, count in {"first.csv": 20, **counts}.items():  # the first compiles the model's code
        paths = ["--input", folder / name, "--output", folder / f"answer-{name}"]
        found[name] = run([*COMMAND, *paths, "--model", uri])
        show(name, count, found[name])
    answer = folder / "obvious.csv"
    other = run([sys.executable, "-W", "ignore", "-c", OBVIOUS, folder / "1.csv", answer, uri])
    show("1.csv, the obvious way", counts["1.csv"], other)
    print(f"the obvious way takes {other.seconds / found['1.csv'].seconds:.1f} times as long")
    same(folder / "answer-1.csv", answer)
    rates = {name: counts[name] / found[name].seconds for name in ("1.csv", "5.csv")}
    return [name for name, rate in rates.items() if rate < TARGET]


def show(name: str, plays: int, found: Run) -> None:
    """Print a line."""
    print(
        f"{name}: {plays} plays in {found.seconds:.1f} s, {plays / found.seconds:.0f} plays/s, "
        f"{found.cpu:.1f} s of CPU, at most {found.memory:.0f} MB"
    )


def same(ours: Path, other: Path) -> None:
    """Check that both ways give the same bits."""
    one, two = (
        pd.read_csv(path, float_precision="round_trip")["skip_probability"]
        for path in (ours, other)
    )
    np.testing.assert_array_equal(one, two)
    print(f"and gives the same {len(one)} probabilities, bit for bit")


def main() -> None:
    """Run all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("family", nargs="?", default="lightgbm", choices=[*FAMILIES])
    family = parser.parse_args().family
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        os.chdir(folder)
        shutil.copy(ROOT / "params.yaml", folder)
        plays, tracks = twin(folder)
        uri = make(family, plays, tracks)
        print(f"{family}: {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
        missed = batch(uri, plays, folder)
    sys.exit(f"Missed: {missed} under {TARGET} plays/s" if missed else 0)


if __name__ == "__main__":
    main()
