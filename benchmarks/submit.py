"""Sessions a second and memory of `skipcast submit`, by family, and where the time goes.

Usage: `python benchmarks/submit.py [--sessions 50000] [--gigabytes 1] [--quick]`. It takes about
four minutes on two idle cores.

In a project of its own, `skipcast run` searches models of the horizon second_half as params.yaml
says. The best of each family then answers two test sets of the twin: so many sessions, and four
times as many. The rate is that of the sessions that the larger one has more, so without the start.
No process may have more data in memory than the limit (RLIMIT_DATA, which children inherit). The
most that any process had (its resident set) is read five times a second: it must not grow with the
sessions.

Then one process does each step for itself, over the plays of some sessions, and tells what it takes
of a core. With `--quick`, there are few sessions and a logistic model alone.
"""

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from arguments import make_parser
from commands import run_command, settings
from mlflow.artifacts import download_artifacts

from skipcast.archive.challenge import INPUT, Pair, find_pairs, lines
from skipcast.archive.csv_files import open_file
from skipcast.arrays import Floats, Matrix
from skipcast.clients import batch
from skipcast.clients.model_process import ARROW_ANSWER
from skipcast.clients.scorer import batch_of, frame_of, load
from skipcast.clients.submission import second_halves
from skipcast.features.build import feature_set
from skipcast.models.families import FAMILIES
from skipcast.processes import cpu_count
from skipcast.schema import MSSD_LOG
from skipcast.serving.request import Plays
from skipcast.serving.tracks import read_tracks

ROOT = Path(__file__).parents[1]
TIMES = 4  # as many sessions in the larger test set
QUICK = {"fetch.twin_sessions": 400, "promote.max_ece": 0.9, "split.test": 0.3}


def train(*, quick: bool) -> dict[str, str]:
    """Search, refit and promote in this folder; return MLflow's name of the best by family."""
    families = {"logistic": 1} if quick else None
    values = {"load.into": "none", "features.horizon": "second_half"} | (QUICK if quick else {})
    if families:
        values["search.families"] = json.dumps(families)
    run_command("run", *settings([f"{name}={value}" for name, value in values.items()]))
    found = json.loads(Path("data/refit.json").read_text(encoding="utf-8"))
    return {family: best["model_uri"] for family, best in found["families"].items()}


def measure(families: dict[str, str], sessions: int, limit: float) -> pd.DataFrame:
    """Answer both test sets by each model."""
    rows = []
    for family, uri in families.items():
        taken = [
            run_command(
                *("submit", "--test-set", kit, "--output", "submission.txt", "--model", uri),
                limit=limit,
            )
            for kit in ("small", "small", "large")  # the first compiles the code of the model
        ][1:]
        (one, least), (four, most) = taken
        rate = (TIMES - 1) * sessions / (four - one)
        rows.append([family, f"{rate:,.0f}", f"{one:.1f} s", f"{four:.1f} s",
                     f"{least / 1e6:.0f} MB", f"{most / 1e6:.0f} MB"])  # fmt: skip
    heads = ["model", "sessions a second", f"{sessions:,} sessions", f"{TIMES * sessions:,}"]
    return pd.DataFrame(rows, columns=[*heads, "most of any process", f"{TIMES} times as many"])


class Steps:
    """The seconds of CPU of each step, for a number of sessions."""

    def __init__(self, sessions: int) -> None:
        self.sessions, self.taken = sessions, dict[str, float]()

    def time(self, name: str, step: Callable[[], Any]) -> Any:
        """Do a step and note what it takes."""
        started = time.process_time()
        result = step()
        self.taken[name] = (time.process_time() - started) / self.sessions * 1e6
        return result


class Parts:
    """What a served model does, part by part."""

    def __init__(self, artifacts: Path) -> None:
        about = json.loads((artifacts / "model.json").read_text(encoding="utf-8"))
        self.horizon = about["horizon"]
        self.tracks = read_tracks(artifacts / "tracks.parquet")
        self.feature_set = feature_set(self.horizon, about["groups"])
        self.family = FAMILIES[about["family"]]
        self.model = self.family.load(artifacts / "classifier", threads=1)

    def check(self, frame: pd.DataFrame) -> Plays:
        """Read a request."""
        return Plays(frame, self.tracks, self.horizon, limit=sys.maxsize)

    def features(self, plays: Plays) -> Matrix:
        """Return the features of the plays to predict."""
        return plays.features(self.feature_set, plays.predicted & plays.open)

    def predict(self, rows: Matrix) -> Floats:
        """Return the probabilities."""
        return self.family.predict(self.model, rows)


def read_only(pair: Pair) -> None:
    """Read both files of a day without joining them."""
    for path, columns in ((pair.prehistory, MSSD_LOG), (pair.second, INPUT)):
        for file in open_file(path, path.name, bar=False):
            for _ in file.read(columns, file=path.name):
                pass


def steps_of(uri: str, pair: Pair, sessions: int) -> dict[str, float]:
    """Return the microseconds of a core that a session takes, by step."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(download_artifacts(uri, dst_path=name))
        model = load(folder)
        parts = Parts(folder / "artifacts")
    blocks = list(batch.blocks(pair.read()))
    model.predict(frame_of(blocks[0]))  # imports what it needs
    steps = Steps(sessions)
    steps.time("read", lambda: read_only(pair))
    steps.time("read and join", lambda: list(batch.blocks(pair.read())))
    frames = steps.time("to pandas", lambda: [*map(frame_of, blocks)])
    answers = steps.time("answer", lambda: [model.predict(frame) for frame in frames])
    plays = steps.time("of it: check", lambda: [parts.check(frame) for frame in frames])
    rows = steps.time("of it: features", lambda: [*map(parts.features, plays)])
    steps.time("of it: predict", lambda: [*map(parts.predict, rows)])
    batches = steps.time(
        "to Arrow",
        lambda: [
            batch_of(answer, block, ARROW_ANSWER)
            for answer, block in zip(answers, blocks, strict=True)
        ],
    )
    steps.time("write", lambda: [*map(text_of, batches)])
    return steps.taken


def text_of(answer: pa.RecordBatch) -> bytes:
    """Return the lines of a submission for an answer."""
    is_asked, is_last = second_halves(answer)
    skipped = answer["skipped"].fill_null(False).to_numpy(zero_copy_only=False)
    return lines(skipped[is_asked], is_last[is_asked])


def main() -> None:
    """Train, answer and print."""
    parser = make_parser(__doc__)
    parser.add_argument("--sessions", type=int, default=50_000, help="of the smaller test set")
    parser.add_argument("--gigabytes", type=float, default=1.0, help="that a process may have")
    parser.add_argument("--quick", action="store_true", help="few sessions, one model")
    options = parser.parse_args()
    sessions = 300 if options.quick else options.sessions
    with tempfile.TemporaryDirectory(prefix="submit.") as name:
        os.chdir(name)
        shutil.copy(ROOT / "params.yaml", ".")
        families = train(quick=options.quick)
        sizes = {"small": sessions, "large": TIMES * sessions}
        for kit, size in sizes.items():
            run_command("twin", "--test-set", kit, "--sessions", size, "--seed", 0)
        print(f"{cpu_count()} cores, load {os.getloadavg()[0]:.1f}, synthetic sessions", flush=True)
        table = measure(families, sessions, options.gigabytes * 1e9)
        print(f"\n{table.to_markdown(index=False, disable_numparse=True)}\n", flush=True)
        pair, *others = find_pairs(Path("small"))
        some = sessions // (1 + len(others))
        os.environ |= {
            "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db",
            "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
        }
        taken = {f"{family}, us": steps_of(uri, pair, some) for family, uri in families.items()}
        print(pd.DataFrame(taken).map("{:,.1f}".format).to_markdown(disable_numparse=True))


if __name__ == "__main__":
    main()
