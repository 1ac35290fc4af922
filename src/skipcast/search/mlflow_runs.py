"""Runs in MLflow: one per search, a child for each trial, written in batches and ended for sure.

Every run of a search carries the tag `search`, its id, by which it is found again after a kill.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import mlflow
import yaml
from mlflow import MlflowClient
from mlflow.entities import DatasetInput, Metric, Param, Run, RunTag
from mlflow.utils.validation import MAX_METRICS_PER_BATCH

from skipcast.commits import MISSING, git_commit
from skipcast.mlflow_store.client import make_experiment, open_client
from skipcast.mlflow_store.files import missing_of_run
from skipcast.overrides import are_overridden
from skipcast.search.screen import describe

LOCK_FILE = Path("dvc.lock")
PARENT = "mlflow.parentRunId"
SEARCH = "search"
STATE = "state"  # of a trial: running, complete, pruned or failed
# The files of a trial that is complete.
TRIAL_FOLDER, MODEL_FILE, PROBABILITY_FILE = "trial", "classifier", "validation.npy"
TRIALS = "trials"  # of a search that is done: how many of each family, as JSON


@dataclass(frozen=True)
class Runs:
    """The runs of one search: where they are logged, and what each of them carries."""

    client: MlflowClient
    experiment_id: str
    tags: Mapping[str, str]  # of every run
    data: Sequence[DatasetInput]  # what trains and what validates

    def start(self, name: str, tags: Mapping[str, str]) -> str:
        """Start a run that names its data; return its id."""
        run = self.client.create_run(self.experiment_id, run_name=name, tags={**self.tags, **tags})
        run_id = str(run.info.run_id)
        self.client.log_inputs(run_id, [*self.data])
        return run_id

    def log(
        self,
        run_id: str,
        scores: Mapping[str, float],
        losses: Sequence[float],
        params: Mapping[str, object],
    ) -> None:
        """Log a trial in as few batches as can be, the loss of each round as a curve."""
        now = int(time.time() * 1000)
        metrics = [Metric(name, value, now, 0) for name, value in scores.items()]
        metrics += [Metric("round_log_loss", loss, now, i) for i, loss in enumerate(losses)]
        settings = [Param(name, str(value)) for name, value in params.items()]
        for first in range(0, max(len(metrics), 1), MAX_METRICS_PER_BATCH):
            batch = metrics[first : first + MAX_METRICS_PER_BATCH]
            self.client.log_batch(run_id, metrics=batch, params=settings if first == 0 else [])

    def log_folder(self, run_id: str, folder: str, path: str) -> None:
        """Log the files of a folder as artifacts under `path`."""
        self.client.log_artifacts(run_id, folder, path)

    def is_whole(self, run_id: str) -> bool:
        """Tell whether the files of a complete trial are there."""
        files = [f"{TRIAL_FOLDER}/{name}" for name in (MODEL_FILE, PROBABILITY_FILE)]
        return missing_of_run(self.client, run_id, files) is None

    def end(self, run_id: str, state: str, status: str = "FINISHED") -> None:
        """End a run, whether it has ended before or not."""
        self.mark(run_id, state)
        self.terminate(run_id, status)

    def mark(self, run_id: str, state: str) -> None:
        """Note in a run how its trial is about to end."""
        self.client.log_batch(run_id, tags=[RunTag(STATE, state)])

    def terminate(self, run_id: str, status: str) -> None:
        """End a run that is marked."""
        self.client.set_terminated(run_id, status)

    def end_left(self, run: Run) -> None:
        """End a run of a process that is dead: as it is marked if its trial was done."""
        run_id, state = str(run.info.run_id), run.data.tags.get(STATE)
        if PARENT in run.data.tags and state in ("complete", "pruned"):
            self.terminate(run_id, "FINISHED")  # its model was being logged, or it was about to end
        else:
            self.end(run_id, "failed", "KILLED")

    def reopen(self, run_id: str) -> None:
        """Let a run that has ended go on."""
        self.client.update_run(run_id, status="RUNNING")

    def find(self, condition: str) -> list[Run]:
        """Return all runs of the experiment for which the condition holds."""
        runs: list[Run] = []
        token = None
        while True:
            page = self.client.search_runs([self.experiment_id], condition, page_token=token)
            runs += page
            token = page.token
            if not token:
                return runs


def open_runs(
    experiment: str, tags: Mapping[str, str], *, data: Sequence[DatasetInput], model: str
) -> Runs:
    """Find or make the experiment; its runs will carry `tags`, the git commit and DVC's hashes.

    Args:
        experiment: its name.
        tags: of every run.
        data: what trains and what validates; every run names them as its inputs.
        model: under which name champions are registered.

    Raises:
        SkipcastError: the store does not answer, or the experiment was deleted.
    """
    client = open_client()
    experiment_id = make_experiment(client, experiment)
    mlflow.set_experiment(experiment_id=experiment_id)
    describe(client, experiment_id, model)
    commit = {"mlflow.source.git.commit": git_commit() or MISSING}
    return Runs(client, experiment_id, {**tags, **commit, **stage_hashes()}, data)


def stage_hashes(path: Path = LOCK_FILE) -> dict[str, str]:
    """Return a tag for each stage in DVC's lock file: its outputs, each with its hash.

    None where params were changed: what is there now was made without DVC.
    """
    if are_overridden() or not path.is_file():
        return {}
    stages = yaml.safe_load(path.read_text(encoding="utf-8")).get("stages", {})
    return {
        f"dvc.{name}": " ".join(f"{out['path']}:{out['md5']}" for out in stage.get("outs", []))
        for name, stage in stages.items()
    }
