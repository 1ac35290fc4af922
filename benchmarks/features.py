"""How fast the features are built, in bulk and for a request, beside other ways to build them.

Usage: `python benchmarks/features.py [--rounds N] [--quick] [--stage]`. Nine rounds take about 5
minutes on two idle cores. `--stage` measures the stage alone.

It runs the stage `features` on a million plays of a twin, and times what it does in Postgres alone.
On a smaller twin it measures all groups in bulk and their memory, a request of 20 plays, and
growing data. It compares the outcome, previous-track and running-mean features with plain pandas
and with window functions in Postgres, and five lags and a running mean with mlforecast. Plain
pandas is compared for a request, too. All ways compute the same features; that of pandas is checked
here, that of Postgres by the tests. The sides of a comparison run in turn. mlforecast runs in a
process and an environment of its own, as it needs pandas below 3; `--quick` leaves it out, because
installing it takes a network.

Prints the median seconds of each side, and how many times as long as ours the others take: the
median of the rounds with the lowest and the highest.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import chdir, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd
import yaml
from arguments import make_parser
from from_tests import oracle_query
from pandas_features import compute_by_pandas
from rounds import SECONDS, Figures, Rounds, run_in_turn, timed
from twin_inputs import DEFAULTS, QUICK_SESSIONS, with_counts

from skipcast.archive.sample import read_subset
from skipcast.artifacts import PLAYS, LoadReceipt
from skipcast.cli.data import fetch, load
from skipcast.cli.features import features
from skipcast.database.embedded import running
from skipcast.database.loading import load_tables
from skipcast.database.plays import check_loaded, open_plays
from skipcast.database.server import open_connection
from skipcast.features.build import GROUPS, feature_set
from skipcast.features.feature import FeatureGroup
from skipcast.features.feature_set import FeatureSet
from skipcast.params import read_params
from skipcast.parts import Parts, write_parts
from skipcast.schema import HORIZONS, Group
from skipcast.twin.write import write_twin

ROOT = Path(__file__).parents[1]
SESSIONS = 10_200
STAGE_SESSIONS, STAGE_PLAYS, STAGE_ROUNDS = 61_000, 1_000_000, 3
MLFORECAST = "mlforecast==1.0.31"
CALLS = 20  # of a request in a run: one is too short for the clock


def _blocks(group: Group, is_compared: Callable[[str], bool]) -> FeatureGroup:
    """Return the blocks of a group whose features all have a name that is compared."""
    return tuple(
        block for block in GROUPS[group] if all(is_compared(f.name) for f in block.features)
    )


EVERYTHING = feature_set("started")
# What all competitors compute: no decayed rates, which SQL can only do by a join with itself.
COMPARED = FeatureSet(
    HORIZONS["started"],
    (
        _blocks("outcomes", lambda name: "half_life" not in name),
        _blocks("behaviour", lambda name: name.endswith("_rate")),
        GROUPS["previous_track"],
    ),
)
LAGS = FeatureSet(
    HORIZONS["started"],
    (_blocks("outcomes", lambda name: name.startswith("depth_") or name == "skip_rate"),),
)


def parse_arguments() -> argparse.Namespace:
    """Return the arguments."""
    parser = make_parser(__doc__)
    parser.add_argument("--rounds", type=int, default=9, help="of each comparison")
    parser.add_argument("--quick", action="store_true", help="few plays, without mlforecast")
    parser.add_argument("--stage", action="store_true", help="nothing but the stage")
    options = parser.parse_args()
    if options.quick:
        options.rounds = 2
    return options


def main() -> None:
    """Print all figures."""
    options = parse_arguments()
    _stage(QUICK_SESSIONS if options.quick else STAGE_SESSIONS, min(options.rounds, STAGE_ROUNDS))
    if options.stage:
        return
    plays, tracks = _twin(QUICK_SESSIONS if options.quick else SESSIONS)
    joined = with_counts(plays, tracks)[0]
    print(f"{len(joined)} plays, {len(EVERYTHING.names)} features\n")
    _all_groups(joined, options.rounds)
    _compare_tables(joined, plays, tracks, options.rounds)
    if not options.quick:
        _compare_mlforecast(joined, options.rounds)
    _compare_requests(joined, options.rounds)
    _growth(joined, copies=(1,) if options.quick else (1, 2, 4, 8, 16, 32))


def _stage(sessions: int, rounds: int) -> None:
    """Time the stage `features`, and what it does in Postgres alone."""
    params = yaml.safe_load(DEFAULTS.read_text())
    params["fetch"] |= {"source": "twin", "twin_sessions": sessions, "rows": STAGE_PLAYS}
    with tempfile.TemporaryDirectory() as folder, running(Path(folder, "postgres")) as url:
        os.environ["DATABASE_URL"] = url
        with chdir(folder):
            Path("params.yaml").write_text(yaml.safe_dump(params))
            fetch()
            load()
            plays = len(_read())
            sides = {"all": timed(features), "Postgres": timed(_read)}
            measured = run_in_turn(sides, rounds=rounds)
    whole, reading = measured.median("all"), measured.median("Postgres")
    rate, alone = plays / whole, plays / (whole - reading)
    print(f"stage features of {plays} plays: {whole:.2f} s, {rate:,.0f} plays/s")
    print(f"  of it checking and reading in Postgres: {reading:.2f} s")
    print(f"  without Postgres: {whole - reading:.2f} s, {alone:,.0f} plays/s\n", flush=True)


def _read() -> pd.DataFrame:
    """Check and read the plays in Postgres, as the stage does."""
    receipt, files = LoadReceipt.read(), Parts.read(PLAYS, made_by="fetch")
    with check_loaded(receipt, read_params().load, files), open_plays(receipt, files) as loaded:
        return pd.concat([loaded.part(n) for n in range(len(files))], ignore_index=True)


def _twin(sessions: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    with tempfile.TemporaryDirectory() as folder:
        write_twin(Path(folder, "mssd"), sessions=sessions, seed=0)
        return read_subset(Path(folder, "mssd"), None, rows=10**9, seed=0)


def _median_seconds(task: Callable[[], object], rounds: int, calls: int = 1) -> float:
    return run_in_turn({"ours": timed(task, calls=calls)}, rounds=rounds).median("ours")


def _show(measured: Rounds, unit: str = "s", scale: float = 1.0) -> None:
    """Print the median of each side, and how many times as long as ours the others take."""
    for side in measured.runs:
        line = f"  {side:14} {scale * measured.median(side):6.3f} {unit}"
        if side != "ours":
            line += "  " + measured.ratio(side, "ours").sentence("{} times as long")
        print(line, flush=True)


def _all_groups(plays: pd.DataFrame, rounds: int) -> None:
    seconds = _median_seconds(lambda: EVERYTHING.build(plays), rounds)
    tracemalloc.start()
    table = EVERYTHING.build(plays)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    output = table.to_numpy().nbytes
    print(f"all groups: {seconds:.2f} s, {len(plays) / seconds:,.0f} plays/s")
    print(f"peak memory: {peak / 1e6:.0f} MB, {peak / output:.2f} times the output\n")


def _compare_tables(
    joined: pd.DataFrame, plays: pd.DataFrame, tracks: pd.DataFrame, rounds: int
) -> None:
    """Compare whole tables: ours, plain pandas and Postgres."""
    ours = COMPARED.build(joined)
    columns = list(COMPARED.names)
    theirs = compute_by_pandas(joined)[columns]
    np.testing.assert_allclose(theirs.to_numpy(), ours.to_numpy(), rtol=1e-5, atol=1e-5)
    with _postgres(plays, tracks, columns) as query:
        sides = {
            "ours": timed(lambda: COMPARED.build(joined)),
            "plain pandas": timed(lambda: compute_by_pandas(joined)),
            "Postgres": timed(query),
        }
        measured = run_in_turn(sides, rounds=rounds, warm_up=1)
    print(f"{ours.shape[1]} outcome, previous-track and running-mean features")
    _show(measured)


@contextmanager
def _postgres(
    plays: pd.DataFrame, tracks: pd.DataFrame, columns: list[str]
) -> Iterator[Callable[[], None]]:
    """Load the tables into a server of their own; yield what computes the features there."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder, "postgres")) as url,
        closing(open_connection(url)) as connection,
        connection.cursor() as cursor,
    ):
        files = write_parts(Path(folder, "plays"), [plays], made_by="fetch")
        load_tables([connection], files, [tracks], schema="bench")
        query = oracle_query(columns, "bench")

        def run() -> None:  # into a table: nothing is counted for bringing rows to Python
            cursor.execute(f"CREATE TEMPORARY TABLE result AS {query}")
            cursor.execute("DROP TABLE result")

        yield run


PROGRAM = """
import sys, time
import pandas as pd
from mlforecast import MLForecast
from mlforecast.lag_transforms import ExpandingMean
data = pd.read_parquet(sys.argv[1])
for _ in sys.stdin:
    forecast = MLForecast(
        models=[], freq=1, lags=[1, 2, 3, 4, 5], lag_transforms={1: [ExpandingMean()]}
    )
    started = time.perf_counter()
    forecast.preprocess(data, static_features=[], dropna=False)
    print(time.perf_counter() - started, flush=True)
"""


def _compare_mlforecast(joined: pd.DataFrame, rounds: int) -> None:
    """Compare lags and a running mean with mlforecast, which computes once per line it is sent."""
    with _mlforecast(joined) as (requests, answers):

        def other() -> Figures:
            requests.write("\n")
            requests.flush()
            return {SECONDS: float(answers.readline())}

        ours = timed(lambda: LAGS.build(joined))
        measured = run_in_turn({"ours": ours, "mlforecast": other}, rounds=rounds, warm_up=1)
    print(f"{len(LAGS.names)} features, five lags and a running mean")
    _show(measured)


@contextmanager
def _mlforecast(joined: pd.DataFrame) -> Iterator[tuple[IO[str], IO[str]]]:
    """Run `PROGRAM` in an environment with mlforecast; yield where it reads and where it writes."""
    series = pd.DataFrame(
        {
            "unique_id": joined["session_id"],
            "ds": joined["session_position"],
            "y": joined["skip_2"].astype(np.float32),
        }
    )
    with tempfile.TemporaryDirectory() as folder:
        data, python = Path(folder, "data.parquet"), Path(folder, "venv/bin/python")
        series.to_parquet(data)
        _uv("venv", "--quiet", python.parents[1])
        _uv("pip", "install", "--quiet", "--python", python, MLFORECAST, "pyarrow")
        command = [str(python), "-c", PROGRAM, str(data)]
        pipe = subprocess.PIPE
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
            assert process.stdin
            assert process.stdout
            yield process.stdin, process.stdout
            process.stdin.close()


def _uv(*arguments: str | Path) -> None:
    """Run uv; it says itself why it fails."""
    command = [sys.executable, ROOT / "tools/uv.py", *arguments]
    if subprocess.run(command, check=False).returncode:
        sys.exit(f"uv must install {MLFORECAST} but failed. `--quick` leaves mlforecast out.")


def _compare_requests(joined: pd.DataFrame, rounds: int) -> None:
    """Time one session of twenty plays; the server holds columns as arrays, pandas a frame."""
    session = joined[joined["session_length"] == 20].head(20).reset_index(drop=True)
    arrays = {str(name): session[name].to_numpy() for name in session}
    everything = _median_seconds(lambda: EVERYTHING.build(arrays), rounds, CALLS)
    sides = {
        "ours": timed(lambda: COMPARED.build(arrays), calls=CALLS),
        "plain pandas": timed(lambda: compute_by_pandas(session), calls=CALLS),
    }
    measured = run_in_turn(sides, rounds=rounds, warm_up=1)
    print(f"a request of 20 plays, all features: {everything * 1e3:.2f} ms")
    print("  of it the features that pandas computes, too")
    _show(measured, "ms", 1e3)


def _growth(joined: pd.DataFrame, copies: Sequence[int]) -> None:
    """Time tables of more and more plays: the time of a play must not grow."""
    base = joined.iloc[: 100_000 + 20]
    base = base[base["session_id"] != base["session_id"].iloc[-1]]
    sessions = base["session_id"].astype(object)
    for times in copies:
        parts = [base.assign(session_id=f"{i}-" + sessions) for i in range(times)]
        seconds = _median_seconds(
            partial(EVERYTHING.build, pd.concat(parts, ignore_index=True)), rounds=3
        )
        count = times * len(base)
        print(f"{count:>9} plays: {seconds:6.2f} s, {seconds / count * 1e6:.2f} us a play")


if __name__ == "__main__":
    main()
