"""What `serve.log` costs and tells: the same model served with a log and without.

Usage: `python benchmarks/request_log.py [FAMILY] [--rounds N] [--quick]`. It takes about 3 minutes
and needs wrk (Debian: `apt-get install wrk`).

It makes a model of a family (LightGBM, if left out) from a twin and serves it twice. wrk drives
both in turn over one connection, 5 seconds each, with a request of 20 plays, and then with one of
the last plays of 100 sessions.

Then it sends sessions that did not train the model play by play to the server with a log.

Prints the p50 with a log divided by that without, as the median of the rounds with the lowest and
the highest; and the accuracy of these sessions, from the log and from one request for all of them.
Exit code 1 means that these differ, or that the log costs more than 5 % with 20 plays, which is not
judged with `--quick`.
"""

import json
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pandas as pd
from arguments import make_parser, parse_family
from from_tests import Endpoint, batch, model_server, records, replay, requests
from rounds import Figures, Spread, run_in_turn
from serving import drive, wrk_script
from twin_inputs import QUICK_SESSIONS, make_model, make_twin

from skipcast.cli.serve import CONFIG, configuration
from skipcast.evaluation.metrics import accuracy
from skipcast.params import Serve
from skipcast.schema import TARGET
from skipcast.serving.log_reader import read_log

LOG, NONE = "log", "no log"
MOST = 1.05  # times the p50
PLAYS = "20 plays"
REPLAYED = 200  # sessions


def bodies(plays: pd.DataFrame) -> dict[str, bytes]:
    """Return the requests by what they hold."""
    twenty = plays.groupby("session_id").filter(lambda session: len(session) == 20).head(20)
    rows = {PLAYS: requests(twenty, 1), "100 sessions": requests(plays, 100)}
    return {
        name: json.dumps({"dataframe_records": records(request)}).encode()
        for name, request in rows.items()
    }


def compare(ports: dict[str, int], script: Path, seconds: int, rounds: int) -> Spread:
    """Drive both servers in turn; print the p50 of both and their ratio, and return it."""
    sides: dict[str, Callable[[], Figures]] = {
        name: partial(drive, port, 1, script, seconds) for name, port in ports.items()
    }
    measured = run_in_turn(sides, rounds=rounds, warm_up=1)
    for side in sides:
        print(f"    {side}: p50 {measured.median(side, 'p50'):.3f} ms")
    ratio = measured.ratio(LOG, NONE, "p50")
    print("    " + ratio.sentence("p50 with a log is {} times that without"), flush=True)
    return ratio


def compare_accuracy(endpoint: Endpoint, plays: pd.DataFrame, log: Path) -> bool:
    """Print live accuracy and that of the same plays at once; tell whether they are equal."""
    started = pd.Timestamp.now("UTC")
    replay(endpoint, plays)
    answers = read_log(log).answers
    answers = answers[answers["at"] >= started].dropna(subset="skipped")
    live = accuracy(answers["skipped"].to_numpy(bool), answers["probability"].to_numpy())
    at_once = accuracy(plays[TARGET].to_numpy(bool), batch(endpoint, plays))
    print(
        f"  live accuracy of {len(answers)} of {len(plays)} plays: {live!r}; at once: {at_once!r}"
    )
    return len(answers) == len(plays) and live == at_once


def main() -> None:
    """Serve a model with a log and without."""
    parser = make_parser(__doc__)
    parser.add_argument("family", nargs="?", type=parse_family, default="lightgbm")
    parser.add_argument("--rounds", type=int, default=9, help="of both sides")
    parser.add_argument("--quick", action="store_true", help="few plays, one round of a second")
    options = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("wrk must be installed but is not: apt-get install wrk")
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    rounds, seconds = (1, 1) if options.quick else (options.rounds, 5)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        os.chdir(folder)
        plays, tracks = make_twin(folder, sessions=QUICK_SESSIONS if options.quick else 10_000)
        uri = make_model(options.family, plays, tracks)
        settings = Serve(host="127.0.0.1", port=5001, workers=1)
        config = configuration(str(folder / "log"), settings)
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        env = os.environ | {"PATH": path}
        with (
            model_server(uri, folder / "with.log", env=env | {CONFIG: config}) as one,
            model_server(uri, folder / "without.log", env=env) as other,
        ):
            ratios = {}
            for what, body in bodies(plays).items():
                print(f"  {what}")
                script = wrk_script(folder, body)
                ports = {LOG: one.port, NONE: other.port}
                ratios[what] = compare(ports, script, seconds, rounds)
            last = plays["session_id"].unique()[-(REPLAYED // 10 if options.quick else REPLAYED) :]
            replayed = plays[plays["session_id"].isin(last)]
            is_equal = compare_accuracy(one, replayed, folder / "log")
    sys.exit(int(not is_equal or (ratios[PLAYS].median > MOST and not options.quick)))


if __name__ == "__main__":
    main()
