"""Files through `skipcast predict` beside the obvious way: plays a second, CPU and memory.

Usage: `python benchmarks/batch.py [FAMILY] [--rounds N] [--quick]`. Three rounds take about 5
minutes on two idle cores.

It makes a model of a twin, LightGBM if no family is named, and files of plays: a million and five
million as CSV, a million as gzipped CSV and as Parquet. `skipcast predict` scores each of them. The
obvious way reads the CSV of a million plays by pandas as a whole, calls `predict` once and writes
CSV. All run in turn. Times are those of the whole command, from its start to its end, with the
model in MLflow's store.

Prints a Markdown table with the medians of each file and of the obvious way; how many times as long
the obvious way takes, as the median of the rounds with the lowest and the highest; and whether both
give the same bits. Exit code 1 means that a CSV file was scored too slowly, which is not judged
with `--quick`.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from arguments import make_parser, parse_family
from rounds import SECONDS, Figures, Rounds, run_in_turn
from twin_inputs import QUICK_SESSIONS, make_model, make_twin

from skipcast.processes import cpu_count
from skipcast.schema import LOG, names

TARGET = 100_000  # plays a second, from CSV
FIRST, OBVIOUS = "1.csv", "1.csv, the obvious way"
ROOT = Path(__file__).parents[1]
COMMAND: list[str | Path] = [
    Path(sys.executable).with_name("skipcast"),
    "predict",
    "--score-history",
]
OBVIOUS_CODE = """
import sys
import mlflow
import pandas as pd

source, target, model = sys.argv[1:]
plays = pd.read_csv(source)
loaded = mlflow.pyfunc.load_model(model, model_config={"max_plays": sys.maxsize})
loaded.predict(plays, params={"score_history": True}).to_csv(target, index=False)
"""


def run(command: list[str | Path]) -> Figures:
    """Run a command, which must succeed; return seconds, those of CPU and its peak memory in MB."""
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
    return {SECONDS: seconds, "cpu": cpu, "memory": peak / 1e6}


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


def write_one(plays: pd.DataFrame, folder: Path) -> dict[str, int]:
    """Write the first file with the plays as they are; return how many it holds."""
    write(plays, 1, folder / FIRST)
    return {FIRST: len(plays)}


def write_all(plays: pd.DataFrame, folder: Path) -> dict[str, int]:
    """Write files of a million plays and of five; return how many each holds."""
    copies = -(-1_000_000 // len(plays))
    counts = {"1.csv": copies, "5.csv": 5 * copies}
    for name, count in counts.items():
        write(plays, count, folder / name)
    subprocess.run(["gzip", "--keep", "--fast", folder / "1.csv"], check=True)
    pd.read_csv(folder / "1.csv").to_parquet(folder / "1.parquet")
    counts |= {"1.csv.gz": copies, "1.parquet": copies}
    return {name: count * len(plays) for name, count in counts.items()}


def sides(uri: str, folder: Path, counts: dict[str, int]) -> dict[str, Callable[[], Figures]]:
    """Return the command for each file, and the obvious way for the first CSV."""
    commands: dict[str, list[str | Path]] = {
        name: [
            *COMMAND, "--input", folder / name, "--output", folder / f"answer-{name}",
            "--model", uri,
        ]
        for name in counts
    }  # fmt: skip
    python = [sys.executable, "-W", "ignore", "-c", OBVIOUS_CODE]
    commands[OBVIOUS] = [*python, folder / FIRST, folder / "obvious.csv", uri]
    return {name: partial(run, command) for name, command in commands.items()}


def show(measured: Rounds, counts: dict[str, int]) -> None:
    """Print the medians as a table, and the ratio."""
    rows = []
    for name in measured.runs:
        plays = counts.get(name, counts[FIRST])
        seconds, cpu, memory = (measured.median(name, f) for f in (SECONDS, "cpu", "memory"))
        numbers = [f"{seconds:.1f}", f"{plays / seconds:,.0f}", f"{cpu:.1f}", f"{memory:,.0f} MB"]
        rows.append([name, f"{plays:,}", *numbers])
    heads = ["file", "plays", "seconds", "plays a second", "CPU seconds", "peak memory"]
    print(pd.DataFrame(rows, columns=heads).to_markdown(index=False, disable_numparse=True))
    print(measured.ratio(OBVIOUS, FIRST).sentence("the obvious way takes {} times as long"))


def check_same(ours: Path, other: Path) -> None:
    """Check that both ways give the same bits."""
    one, two = (
        pd.read_csv(path, dtype=str)["skip_probability"].astype(float) for path in (ours, other)
    )
    np.testing.assert_array_equal(one, two)
    print(f"and gives the same {len(one)} probabilities, bit for bit")


def parse_arguments() -> argparse.Namespace:
    """Return the arguments."""
    parser = make_parser(__doc__)
    parser.add_argument(
        "family", nargs="?", default="lightgbm", type=parse_family, metavar="FAMILY"
    )
    parser.add_argument("--rounds", type=int, default=3, help="of all files")
    parser.add_argument("--quick", action="store_true", help="one small file, one round")
    return parser.parse_args()


def main() -> None:
    """Score all files in turn and print."""
    options = parse_arguments()
    sessions = QUICK_SESSIONS if options.quick else 10_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        os.chdir(folder)
        shutil.copy(ROOT / "params.yaml", folder)
        plays, tracks = make_twin(folder, sessions=sessions)
        uri = make_model(options.family, plays, tracks)
        cores, load = cpu_count(), os.getloadavg()[0]
        print(f"{options.family}: {cores} cores, load {load:.1f}", flush=True)
        counts = write_one(plays, folder) if options.quick else write_all(plays, folder)
        runs = sides(uri, folder, counts)
        runs[FIRST]()  # compiles the code that the model brings
        measured = run_in_turn(runs, rounds=1 if options.quick else options.rounds)
        show(measured, counts)
        check_same(folder / f"answer-{FIRST}", folder / "obvious.csv")
    slow = [
        name
        for name in ("1.csv", "5.csv")
        if not options.quick and counts[name] / measured.median(name) < TARGET
    ]
    sys.exit(f"Missed: {slow} under {TARGET} plays/s" if slow else 0)


if __name__ == "__main__":
    main()
