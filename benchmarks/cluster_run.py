"""Runs a stage or a fit once, in one process or on workers of Dask that are started for it.

Usage: `python benchmarks/cluster_run.py fetch|features|FAMILY FOLDER [--workers N]`.
`cluster.py` calls it for each of its runs, so that each has processes of its own. It prints JSON:
the seconds, the most bytes of any process, and what a fit found. The scheduler and the workers, of
one thread each, are the commands that a user types; before the clock starts, they are there and
have loaded their libraries, as if they had worked before.
Without workers, a stage or a fit has all cores of this machine.
"""

import json
import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from arguments import make_parser, parse_family
from commands import SKIPCAST, settings
from from_tests import own_cluster

from skipcast.artifacts import FEATURES
from skipcast.cli.refit import place_of
from skipcast.cli.search import read_job
from skipcast.features.table import KEY_COLUMNS, PART, SKIPPED, feature_columns
from skipcast.files import hash_file
from skipcast.models.families import FAMILIES, Family
from skipcast.overrides import VARIABLE
from skipcast.params import read_params
from skipcast.parts import Parts
from skipcast.search.plays import read_all

STAGES = {
    "fetch": ["skipcast.archive.sample"],
    "features": ["skipcast.database.plays", "skipcast.features.table"],
}
"""By stage, the modules that its tasks need."""


def most(whose: int) -> int:
    """Return the most bytes that a process had: this one, or any that it started and has ended."""
    return resource.getrusage(whose).ru_maxrss * 1024


@contextmanager
def cluster(count: int, modules: list[str]) -> Iterator[list[str]]:
    """Yield the values of params that have `count` workers do the work; none are needed for 0.

    The workers have loaded the modules.
    """
    if not count:
        yield []
        return
    from distributed import Client

    with tempfile.TemporaryDirectory() as place, own_cluster(Path(place)) as own:
        for _ in range(count):
            own.add()
        with Client(own.address) as client:
            client.wait_for_workers(count, timeout=60)
            client.run(load, modules)
        yield [f"cluster.scheduler={own.address}", f"cluster.workers={count}"]


def run_stage(folder: Path, stage: str, values: list[str]) -> dict[str, Any]:
    """Run a stage as it is typed."""
    command = [str(SKIPCAST), "run", stage, *settings(values)]
    started = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True)
    return {"seconds": time.perf_counter() - started, "bytes": 0}


def run_fit(folder: Path, what: str, values: list[str]) -> dict[str, Any]:
    """Fit a model with the library's own parameters, as the stage `refit` does; let it answer."""
    os.chdir(folder)
    os.environ[VARIABLE] = json.dumps(dict(value.split("=", 1) for value in values))
    params = read_params()
    plays = read_all(read_job(params))
    family = parse_family(what)
    with place_of(params.cluster) as place:
        load(modules_of(what))
        started = time.perf_counter()
        model = place.fit(family, FAMILIES[family].defaults({}), plays, _ignore, params.search.seed)
        found = {"seconds": time.perf_counter() - started, "bytes": most(resource.RUSAGE_SELF)}
    FAMILIES[family].save(model, Path("model"))
    return found | {"model": hash_file(Path("model")), **_answer(family, model)}


def modules_of(what: str) -> list[str]:
    """Return the modules that a stage or the fits of a family need."""
    if what in STAGES:
        return STAGES[what]
    return ["pandas", "scipy.special", *FAMILIES[parse_family(what)].libraries]


def load(modules: list[str]) -> None:
    """Load modules; it is sent to workers as a whole."""
    import importlib

    for name in modules:
        importlib.import_module(name)


def _ignore(_: float, __: float) -> None:
    """Nobody shows the rounds."""


def _answer(family: Family, model: Any) -> dict[str, Any]:
    """Keep the model's answers to the test plays; return the file and the scores."""
    answers, skips, sessions = [], [], []
    for table in Parts.read(FEATURES, made_by="features"):
        test = table[table[PART] == "test"]
        matrix = test[feature_columns(test)].to_numpy(np.float32)
        answers.append(FAMILIES[family].predict(model, matrix))
        skips.append(test[SKIPPED].to_numpy(bool))
        sessions.append(test[KEY_COLUMNS[0]].to_numpy(str))
    answer, skipped = np.concatenate(answers), np.concatenate(skips)
    _, session = np.unique(np.concatenate(sessions), return_inverse=True)
    file = Path(f"answers-{time.time_ns()}.npz").absolute()
    np.savez(file, answer=answer, skipped=skipped, session=session)
    likely = np.where(skipped, answer, 1 - answer)
    return {
        "answers": str(file),
        "accuracy": float(((answer >= 0.5) == skipped).mean()),
        "loss": float(-np.log(likely).mean()),
    }


def main() -> None:
    """Print what a run took and found, as JSON."""
    parser = make_parser(__doc__)
    parser.add_argument("what", choices=[*STAGES, *FAMILIES])
    parser.add_argument("folder", type=Path, help="of the project, with params.yaml")
    parser.add_argument("--workers", type=int, default=0, help="0: this machine, without Dask")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="values")
    options = parser.parse_args()
    folder = options.folder.absolute()
    run = run_stage if options.what in STAGES else run_fit
    with cluster(options.workers, modules_of(options.what)) as values:
        found = run(folder, options.what, options.values + values)
    found["bytes"] = max(found["bytes"], most(resource.RUSAGE_CHILDREN))  # workers are among them
    print(json.dumps(found))


if __name__ == "__main__":
    main()
