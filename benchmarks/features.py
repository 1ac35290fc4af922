"""How fast the features are: `python benchmarks/features.py`.

Times, in one run on the twin: all groups in bulk and their memory; the outcome, previous-track and
running-mean features against plain pandas, against window functions in Postgres and against
mlforecast (in an environment of its own, it holds pandas below 3); one request; growing data.
The ratios are what counts: both sides of each are timed in turns, the best of several is taken.
"""

import gc
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from skipcast.archive.sample import read_subset
from skipcast.database.server import connect
from skipcast.database.tables import load_tables
from skipcast.features.build import GROUPS, build_features, feature_set
from skipcast.features.feature import FeatureGroup
from skipcast.features.feature_set import FeatureSet
from skipcast.features.table import join_tracks
from skipcast.schema import HORIZONS, LOG, TRACK, TRACK_INPUTS, names
from skipcast.twin.write import write_twin

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from oracle import oracle_query

SESSIONS = 10_200
MLFORECAST = "mlforecast==1.0.31"
WEIGHT, RATE = 2.0, 0.517  # as in skip_rate


# What all competitors compute: no decayed rates, which SQL can only do by a join with itself.
def _some(group: FeatureGroup, pattern: str) -> FeatureGroup:
    """Return the blocks whose first feature has a name that matches."""
    return tuple(block for block in group if re.match(pattern, block.features[0].name))


PARTS = FeatureSet(
    HORIZONS["started"],
    (
        _some(GROUPS["outcomes"], "(?!.*half_life)"),
        _some(GROUPS["behaviour"], ".*_rate$"),
        GROUPS["previous_track"],
    ),
)
LAGS = FeatureSet(HORIZONS["started"], (_some(GROUPS["outcomes"], "depth_|skip_rate$"),))


def main() -> None:
    """Print all figures."""
    plays, tracks = _twin(SESSIONS)
    joined = _join(plays, tracks)
    print(f"{len(joined)} plays, {len(feature_set('started').names)} features\n")
    _all_groups(joined)
    _ratios(joined, plays, tracks)
    _request(joined)
    _growth(joined)


def _twin(sessions: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    with tempfile.TemporaryDirectory() as folder:
        write_twin(Path(folder, "mssd"), sessions=sessions, seed=0)
        return read_subset(Path(folder, "mssd"), None, rows=10**9, seed=0)


def _join(plays: pd.DataFrame, tracks: pd.DataFrame) -> pd.DataFrame:
    return join_tracks(plays, tracks)[names(LOG + TRACK[1:])]


def _seconds(*tasks: Callable[[], object], rounds: int = 5) -> list[float]:
    """Return the best time of each task, all timed in turns."""
    best = [np.inf] * len(tasks)
    for _ in range(rounds):
        for i, task in enumerate(tasks):
            gc.collect()
            started = time.perf_counter()
            task()
            best[i] = min(best[i], time.perf_counter() - started)
    return best


def _all_groups(plays: pd.DataFrame) -> None:
    (seconds,) = _seconds(lambda: build_features(plays, "started"))
    tracemalloc.start()
    table = build_features(plays, "started")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    output = table.to_numpy().nbytes
    print(f"all groups: {seconds:.2f} s, {len(plays) / seconds:,.0f} plays/s")
    print(f"peak memory: {peak / 1e6:.0f} MB, {peak / output:.2f} times the output\n")


def _pandas(plays: pd.DataFrame) -> pd.DataFrame:
    """Compute `PARTS` with plain pandas: one groupby, whole columns, float32 as ours."""
    by = plays["session_id"]
    position = plays["session_position"]
    count = position - 1
    skipped = plays["skip_2"].astype(float)
    depth = 3 - plays[["skip_1", "skip_2", "skip_3"]].sum(axis=1) + plays["not_skipped"]
    outcome = pd.DataFrame({"depth": depth, "skipped": skipped}).groupby(by, sort=False)
    out = {f"depth_{k}": outcome["depth"].shift(k) for k in range(1, 6)}
    out["previous_skipped"] = outcome["skipped"].shift(1)
    at = pd.DataFrame(
        {
            "skip": position.where(plays["skip_2"]),
            "listen": position.where(~plays["skip_2"]),
            "full": position.where(plays["not_skipped"]),
        }
    )
    last = at.groupby(by, sort=False).ffill().groupby(by, sort=False).shift(1)
    streak = np.where(
        out["previous_skipped"] == 1,
        count - last["listen"].fillna(0),
        last["skip"].fillna(0) - count,
    )
    out["streak"] = np.where(count == 0, np.nan, streak)
    ended = plays["hist_user_behavior_reason_end"]
    flags = pd.DataFrame(
        {
            "skipped": skipped,
            **{
                reason: (ended == reason).astype(float)
                for reason in ("fwdbtn", "backbtn", "trackdone")
            },
        }
    )
    total = flags.groupby(by, sort=False).cumsum() - flags
    out["skip_rate"] = (total["skipped"] + RATE * WEIGHT) / (count + WEIGHT)
    out["plays_since_skip"] = position - last["skip"]
    out["plays_since_full_listen"] = position - last["full"]
    for name, reason in (("forward", "fwdbtn"), ("back", "backbtn"), ("done", "trackdone")):
        out[f"{name}_rate"] = total[reason] / count.where(count > 0)
    track = plays[list(TRACK_INPUTS)].assign(mode=(plays["mode"] == "major").astype(float))
    previous = track.groupby(by, sort=False).shift(1)
    change = track - previous
    table = pd.DataFrame(out)
    table = table.join(previous.add_prefix("previous_")).join(change.add_prefix("change_of_"))
    return table.astype(np.float32)


def _ratios(joined: pd.DataFrame, plays: pd.DataFrame, tracks: pd.DataFrame) -> None:
    ours = PARTS.build(joined)
    theirs = _pandas(joined)[list(ours)]
    np.testing.assert_allclose(theirs.to_numpy(), ours.to_numpy(), rtol=1e-5, atol=1e-5)
    one, other = _seconds(lambda: PARTS.build(joined), lambda: _pandas(joined), rounds=9)
    print(f"{ours.shape[1]} outcome, previous-track and running-mean features")
    print(f"  ours           {one:6.3f} s")
    print(f"  plain pandas   {other:6.3f} s, {other / one:5.2f} times as long")
    _postgres(plays, tracks, list(ours), lambda: PARTS.build(joined))
    _mlforecast(joined, lambda: LAGS.build(joined))


def _postgres(
    plays: pd.DataFrame, tracks: pd.DataFrame, wanted: list[str], ours: Callable[[], object]
) -> None:
    os.environ.pop("DATABASE_URL", None)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        with connect() as connection, connection.cursor() as cursor:
            load_tables(connection, plays, tracks, schema="bench")
            cursor.execute("ANALYZE bench.training_set, bench.track_features")
            query = oracle_query(wanted, "bench")

            def run() -> None:  # into a table: nothing is counted for bringing rows to Python
                cursor.execute(f"CREATE TEMPORARY TABLE result AS {query}")
                cursor.execute("DROP TABLE result")

            one, other = _seconds(ours, run, rounds=3)
        os.chdir("/")
    print(f"  Postgres       {other:6.3f} s, {other / one:5.2f} times as long")


PROGRAM = """
import json, sys, time
import pandas as pd
from mlforecast import MLForecast
from mlforecast.lag_transforms import ExpandingMean
data = pd.read_parquet(sys.argv[1])
best = 1e9
for _ in range(5):
    forecast = MLForecast(
        models=[], freq=1, lags=[1, 2, 3, 4, 5], lag_transforms={1: [ExpandingMean()]}
    )
    started = time.perf_counter()
    forecast.preprocess(data, static_features=[], dropna=False)
    best = min(best, time.perf_counter() - started)
print(json.dumps(best))
"""


def _mlforecast(joined: pd.DataFrame, ours: Callable[[], object]) -> None:
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
        subprocess.run(["uv", "venv", "--quiet", python.parents[1]], check=True)
        subprocess.run(
            ["uv", "pip", "install", "--quiet", "--python", python, MLFORECAST, "pyarrow"],
            check=True,
        )
        run = [python, "-c", PROGRAM, data]
        other = json.loads(subprocess.run(run, check=True, capture_output=True, text=True).stdout)
    (one,) = _seconds(ours)
    print(
        f"{len(LAGS.names)} features, five lags and a running mean\n"
        f"  ours           {one:6.3f} s\n"
        f"  mlforecast     {other:6.3f} s, {other / one:5.2f} times as long\n"
    )


def _request(joined: pd.DataFrame) -> None:
    """Time one session of twenty plays; the server holds columns as arrays, pandas a frame."""
    session = joined[joined["session_length"] == 20].head(20).reset_index(drop=True)
    arrays = {name: session[name].to_numpy() for name in session}
    (everything,) = _seconds(lambda: build_features(arrays, "started"), rounds=200)
    parts, pandas = _seconds(lambda: PARTS.build(arrays), lambda: _pandas(session), rounds=200)
    print(f"a request of 20 plays, all features: {everything * 1e3:.2f} ms")
    print(f"  the parts: ours {parts * 1e3:.2f} ms, pandas {pandas / parts:.1f} times as long\n")


def _growth(joined: pd.DataFrame) -> None:
    sessions = joined["session_id"].astype(object)
    for times in (1, 2, 4, 8, 16, 32):
        base = joined.iloc[: 100_000 + 20]
        base = base[base["session_id"] != base["session_id"].iloc[-1]]
        copies = [base.assign(session_id=f"{i}-" + sessions[base.index]) for i in range(times)]
        plays = pd.concat(copies, ignore_index=True)
        (seconds,) = _seconds(lambda plays=plays: build_features(plays, "started"), rounds=2)
        print(
            f"{len(plays):>9} plays: {seconds:6.2f} s, {seconds / len(plays) * 1e6:.2f} us a play"
        )


if __name__ == "__main__":
    main()
