"""Small searches for tests, and a process that searches or refits and may kill itself.

`python -m harness.searches URL FILE` does what FILE holds pickled: a job; a `Moment` or None; and
what a search has found, to be fitted again, or None to search. When the process comes to that
moment, it kills itself as a power cut would.
"""

import os
import pickle
import pkgutil
import signal
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from mlflow import MlflowClient
from mlflow.entities import Run

from skipcast.artifacts import FeaturesReceipt, LoadReceipt, SearchResult, TableFingerprint
from skipcast.database.server import open_in_schema
from skipcast.files import hash_file
from skipcast.models.families import Family
from skipcast.params import Params, read_params
from skipcast.parts import Parts
from skipcast.schema import Group
from skipcast.search.refit import refit
from skipcast.search.spec import Job, make_job
from skipcast.search.trials import search

TESTS = Path(__file__).parents[1]
DEFAULTS = TESTS.parent / "params.yaml"
TRIALS: dict[Family, int] = {"logistic": 2, "lightgbm": 3}
RECEIPT = LoadReceipt(
    into="postgres",
    database="embedded",
    schema="skipcast",
    synthetic=True,
    listeners=False,
    tables={"training_set": TableFingerprint(rows=1, hash="7")},
)
KILLED = -signal.SIGKILL
FINISH_SECONDS = 300
Process = subprocess.Popen[str]


@dataclass(frozen=True)
class Moment:
    """The `count`-th call of a function: before or after it does its work."""

    when: Literal["before", "after"]
    owner: str  # of the function, as `pkgutil.resolve_name` takes it
    name: str
    count: int


def moment(
    when: Literal["before", "after"], owner: ModuleType | type, name: str, count: int
) -> Moment:
    """Return a moment of a function that `owner`, a module or a class, has under `name`."""
    assert callable(getattr(owner, name))
    is_class = isinstance(owner, type)
    path = f"{owner.__module__}:{owner.__qualname__}" if is_class else owner.__name__
    return Moment(when, path, name, count)


def small_params(
    name: str, *, groups: tuple[Group, ...] | None = None, **search_changes: object
) -> Params:
    """Return params of a small search with studies and an experiment of its own."""
    defaults = read_params(DEFAULTS)
    changes = {"families": TRIALS, "experiment": name, **search_changes}
    return defaults.model_copy(
        update={
            "search": defaults.search.model_copy(update=changes),
            "load": defaults.load.model_copy(update={"schema_": name}),
            "features": defaults.features.model_copy(update={"groups": groups}),
        }
    )


def receipt_of(params: Params, features: Path, tracks: Path, listeners: Path) -> FeaturesReceipt:
    """Return the receipt that the stage `features` writes for its files."""
    return FeaturesReceipt(
        hash=Parts.read(features, made_by="features").hash,
        track_table=hash_file(tracks),
        listener_table=hash_file(listeners),
        tables=RECEIPT.tables,
        split=params.split,
        horizon=params.features.horizon,
        skip=params.features.skip,
        groups=params.features.groups_of(listeners=False),
    )


def make_small_job(
    name: str,
    files: tuple[Path, Path, Path],
    *,
    groups: tuple[Group, ...] | None = None,
    **changes: object,
) -> Job:
    """Return a job on features, tracks and listeners, `files`; changes as of `small_params`."""
    params = small_params(name, groups=groups, **changes)
    return make_job(params, *files, receipt=RECEIPT, features_receipt=receipt_of(params, *files))


def runs(experiment: str) -> list[Run]:
    """Return all runs of an experiment."""
    client = MlflowClient()
    known = client.get_experiment_by_name(experiment)
    assert known is not None
    return list(client.search_runs([known.experiment_id]))


def trials(experiment: str) -> list[Run]:
    """Return the runs of an experiment that are a trial's."""
    return [run for run in runs(experiment) if "mlflow.parentRunId" in run.data.tags]


def trial_states(url: str, job: Job) -> list[str]:
    """Return the states of all trials in the database, of this and any earlier fingerprint."""
    opened = open_in_schema(url, f"{job.params.load.schema_}_optuna")
    with closing(opened), opened.cursor() as cursor:
        cursor.execute("SELECT state FROM trials ORDER BY state")
        return [state for (state,) in cursor.fetchall()]


def scores(result: SearchResult) -> dict[Family, tuple[float, float]]:
    """Return accuracy and log loss by family: a result without ids, which differ each time."""
    return {family: (best.accuracy, best.log_loss) for family, best in result.families.items()}


def params_of(result: SearchResult) -> dict[Family, dict[str, str]]:
    """Return the parameters of the best trials."""
    client = MlflowClient()
    return {
        family: client.get_run(best.run_id).data.params for family, best in result.families.items()
    }


def check_complete(job: Job, url: str, result: SearchResult, parents: int = 1) -> None:
    """Check that each trial was done once and that nothing is left running."""
    logged = runs(job.params.search.experiment)
    complete = [run for run in logged if run.data.tags["state"] in ("complete", "pruned")]
    children = [
        run.info.run_name
        for run in complete
        if run.data.tags.get("mlflow.parentRunId") == result.run_id
    ]
    found = {
        "runs that are left running": [r for r in logged if r.info.status == "RUNNING"],
        "trials that are left running": trial_states(url, job).count("RUNNING"),
        "trials that are done": sorted(children),
        "searches that are done": [run.info.run_name for run in complete].count("search"),
    }
    assert found == {
        "runs that are left running": [],
        "trials that are left running": 0,
        "trials that are done": sorted(
            f"{family}-{i:03d}"
            for family, count in job.params.search.families.items()
            for i in range(count)
        ),
        "searches that are done": parents,
    }


def start(
    url: str, job: Job, killed_at: Moment | None = None, found: SearchResult | None = None
) -> Process:
    """Start a process that searches, or refits what was found; it inherits MLflow's store."""
    path = Path(f"{job.params.search.experiment}.job")
    path.write_bytes(pickle.dumps((job, killed_at, found)))
    return subprocess.Popen(
        [sys.executable, "-m", "harness.searches", url, path],
        env=os.environ | {"PYTHONPATH": str(TESTS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def check_exit(process: Process, code: int = 0) -> None:
    """Wait until a process of `start` ends; check its exit code."""
    _, errors = process.communicate(timeout=FINISH_SECONDS)
    assert process.returncode == code, errors


def kill_at(moment: Moment) -> None:
    """Make this process kill itself at a moment."""
    owner = pkgutil.resolve_name(moment.owner)
    original, calls = getattr(owner, moment.name), 0

    def deadly(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == moment.count and moment.when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*args, **kwargs)
        if calls == moment.count:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, moment.name, deadly)


def main(url: str, path: str) -> None:
    """Search or refit, up to a moment."""
    job, killed_at, found = pickle.loads(Path(path).read_bytes())
    if killed_at is not None:
        kill_at(killed_at)
    search(job, url) if found is None else refit(job, url, found)


if __name__ == "__main__":
    main(*sys.argv[1:])
