"""What tests of the search share: a small job, and a process that searches and may kill itself.

`python searching.py URL JOB MOMENT COUNT` searches the pickled job; the COUNT-th time that it comes
to MOMENT, such as `before tracking.Runs.end`, it kills itself as a power cut would.
"""

import importlib
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from skipcast.job import Job
from skipcast.params import Params, read_params
from skipcast.search import search

DEFAULTS = Path(__file__).parents[1] / "params.yaml"
TRIALS = {"logistic": 2, "lightgbm": 3}


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
