"""What tests of the search share: a small job, and a process that searches and may kill itself.

`python searching.py URL JOB MOMENT COUNT` searches the pickled job; the COUNT-th time that it comes
to MOMENT, such as `before search.mlflow_runs.Runs.end`, it kills itself as a power cut would.
"""

import importlib
import os
import pickle
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from skipcast.artifacts import FeaturesReceipt, LoadReceipt, SearchResult, TableFingerprint
from skipcast.database.server import open_in_schema
from skipcast.files import hash_file
from skipcast.params import Params, read_params
from skipcast.search.spec import Job, make_job
from skipcast.search.trials import search

DEFAULTS = Path(__file__).parents[1] / "params.yaml"
TRIALS = {"logistic": 2, "lightgbm": 3}
RECEIPT = LoadReceipt(
    database="embedded",
    schema="skipcast",
    synthetic=True,
    tables={"training_set": TableFingerprint(rows=1, hash="7")},
)


def small_params(name: str, **search_changes: object) -> Params:
    """Return params of a small search with studies and an experiment of its own."""
    defaults = read_params(DEFAULTS)
    changes = {"families": TRIALS, "experiment": name, **search_changes}
    return defaults.model_copy(
        update={
            "search": defaults.search.model_copy(update=changes),
            "load": defaults.load.model_copy(update={"schema_": name}),
        }
    )


def receipt_of(params: Params, features: Path) -> FeaturesReceipt:
    return FeaturesReceipt(
        hash=hash_file(features), tables=RECEIPT.tables, **params.features.model_dump()
    )


def make_small_job(name: str, files: tuple[Path, Path], **changes: object) -> Job:
    """Return a job on the features and tracks of `files`; changes are those of `search`."""
    params = small_params(name, **changes)
    receipts = {"receipt": RECEIPT, "features_receipt": receipt_of(params, files[0])}
    return make_job(params, *files, **receipts)


def runs(experiment: str) -> list:
    client = MlflowClient()
    return client.search_runs([client.get_experiment_by_name(experiment).experiment_id])


def trial_states(url: str, job: Job) -> list[str]:
    """Return the states of all trials in the database, of this and any earlier fingerprint."""
    opened = open_in_schema(url, f"{job.params.load.schema_}_optuna")
    with closing(opened), opened.cursor() as cursor:
        cursor.execute("SELECT state FROM trials ORDER BY state")
        return [state for (state,) in cursor.fetchall()]


def check_complete(job: Job, url: str, result: SearchResult, parents: int = 1) -> None:
    """Check that each trial was done once and that nothing is left running."""
    logged = runs(job.params.search.experiment)
    assert not [run.info.run_name for run in logged if run.info.status == "RUNNING"]
    assert "RUNNING" not in trial_states(url, job)
    complete = [run for run in logged if run.data.tags["state"] in ("complete", "pruned")]
    children = [
        run.info.run_name
        for run in complete
        if run.data.tags.get("mlflow.parentRunId") == result.run_id
    ]
    assert sorted(children) == sorted(
        f"{family}-{i:03d}"
        for family, trials in job.params.search.families.items()
        for i in range(trials)
    )
    assert len([run for run in complete if run.info.run_name == "search"]) == parents


def start(url: str, job: Job, moment: str = "never", count: int = 1) -> subprocess.Popen[str]:
    """Start a process that searches; MLflow's current store is inherited."""
    path = Path(f"{job.params.search.experiment}.job")
    path.write_bytes(pickle.dumps(job))
    command = [sys.executable, __file__, url, path, moment, str(count)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def kill_at(moment: str, count: int) -> None:
    """Make a function end this process at its `count`-th call, before or after it does its work."""
    when, target = moment.split()
    module, *owners, name = target.split(".")
    owner: Any = importlib.import_module(f"skipcast.{module}")
    for attribute in owners:
        owner = getattr(owner, attribute)
    original, calls = getattr(owner, name), 0

    def deadly(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == count and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*args, **kwargs)
        if calls == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, deadly)


if __name__ == "__main__":
    url, path, moment, count = sys.argv[1:]
    if moment != "never":
        kill_at(moment, int(count))
    print(search(pickle.loads(Path(path).read_bytes()), url)["best"])
