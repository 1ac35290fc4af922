"""What `serve.log` costs and tells: the same model served with a log and without.

Usage: `python benchmarks/request_log.py [FAMILY] [--rounds N] [--quick]`. It takes about 3 minutes
and needs wrk (Debian: `apt-get install wrk`).

It makes a model of a family (LightGBM, if left out) from a twin and serves it with a log and
without, by three servers each: two processes that do the same differ by some percent. wrk drives a
server of either side in turn over one connection, 3 seconds each, with a request of 20 plays, and
then with one of the last plays of 100 sessions.

Then it sends sessions that did not train the model play by play to the server with a log.

Prints the p50 with a log divided by that without, as the median of the rounds with the lowest and
the highest; and the accuracy of these sessions, from the log and from one request for all of them.
Exit code 1 means that these differ, or that the log costs more than 5 %, which is not judged with
`--quick`.
"""

import json
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import cycle
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
SERVERS = 3  # of each side
REPLAYED = 200  # sessions

Servers = Mapping[str, Sequence[Endpoint]]  # by side
Ports = Mapping[str, Sequence[int]]


def bodies(plays: pd.DataFrame) -> dict[str, bytes]:
    """Return the requests by what they hold."""
    twenty = plays.groupby("session_id").filter(lambda session: len(session) == 20).head(20)
    rows = {"20 plays": requests(twenty, 1), "100 sessions": requests(plays, 100)}
    return {
        name: json.dumps({"dataframe_records": records(request)}).encode()
        for name, request in rows.items()
    }


def compare(ports: Ports, script: Path, seconds: int, rounds: int) -> Spread:
    """Drive a server of each side in turn; print the p50 of both and their ratio; return it."""
    sides: dict[str, Callable[[], Figures]] = {
        name: partial(_drive_next, cycle(of_side), script, seconds)
        for name, of_side in ports.items()
    }
    measured = run_in_turn(sides, rounds=rounds, warm_up=len(ports[LOG]))
    for side in sides:
        print(f"    {side}: p50 {measured.median(side, 'p50'):.3f} ms")
    ratio = measured.ratio(LOG, NONE, "p50")
    print("    " + ratio.sentence("p50 with a log is {} times that without"), flush=True)
    return ratio


def _drive_next(ports: Iterator[int], script: Path, seconds: int) -> Figures:
    return drive(next(ports), 1, script, seconds)


@contextmanager
def servers(uri: str, folder: Path, count: int, configs: Mapping[str, str]) -> Iterator[Servers]:
    """Run so many servers of each side, which begin in turn; yield them by side."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    made: dict[str, list[Endpoint]] = {side: [] for side in configs}
    with ExitStack() as stack:
        for number in range(count):
            for side in reversed([*configs]) if number % 2 else configs:
                env = os.environ | {"PATH": path, CONFIG: configs[side]}
                log = folder / f"{side}{number}.log"
                made[side].append(stack.enter_context(model_server(uri, log, env=env)))
        yield made


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
    parser.add_argument("--rounds", type=int, default=12, help="of both sides")
    parser.add_argument("--quick", action="store_true", help="few plays, one round of a second")
    options = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("wrk must be installed but is not: apt-get install wrk")
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    rounds, seconds = (1, 1) if options.quick else (options.rounds, 3)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        os.chdir(folder)
        plays, tracks = make_twin(folder, sessions=QUICK_SESSIONS if options.quick else 10_000)
        uri = make_model(options.family, plays, tracks)
        settings = Serve(host="127.0.0.1", port=5001, workers=1)
        configs = {LOG: configuration(str(folder / "log"), settings), NONE: "{}"}
        with servers(uri, folder, 1 if options.quick else SERVERS, configs) as made:
            ports = {side: [endpoint.port for endpoint in made[side]] for side in made}
            ratios = {}
            for what, body in bodies(plays).items():
                print(f"  {what}")
                ratios[what] = compare(ports, wrk_script(folder, body), seconds, rounds)
            last = plays["session_id"].unique()[-(REPLAYED // 10 if options.quick else REPLAYED) :]
            replayed = plays[plays["session_id"].isin(last)]
            is_equal = compare_accuracy(made[LOG][0], replayed, folder / "log")
    costs_too_much = any(ratio.median > MOST for ratio in ratios.values()) and not options.quick
    sys.exit(int(not is_equal or costs_too_much))


if __name__ == "__main__":
    main()
