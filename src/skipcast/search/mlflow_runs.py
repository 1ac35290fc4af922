"""Runs in MLflow: one per search, a child for each trial, written in batches and ended for sure.

Every run of a search carries the tag `search`, its id, by which it is found again after a kill.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import mlflow
import requests
import yaml
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.utils.git_utils import get_git_commit
from mlflow.utils.validation import MAX_METRICS_PER_BATCH

from skipcast.errors import SkipcastError, hide_credentials

LOCK_FILE = Path("dvc.lock")
PARENT = "mlflow.parentRunId"
SEARCH = "search"
STATE = "state"  # of a trial: running, complete, pruned or failed
TRIALS = "trials"  # of a search that is done: how many of each family, as JSON
LONGEST_DIGEST = 36
KIND = "mlflow.experimentKind"  # which of its views the UI opens


@dataclass(frozen=True)
class Runs:
    """The runs of one search: where they are logged, and what each of them carries."""

    client: MlflowClient
    experiment_id: str
    tags: Mapping[str, str]  # of every run
    data: Dataset

    def start(self, name: str, tags: Mapping[str, str]) -> str:
        """Start a run that names its data; return its id."""
        run = self.client.create_run(self.experiment_id, run_name=name, tags={**self.tags, **tags})
        run_id = str(run.info.run_id)
        context = InputTag("mlflow.data.context", "training and validation")
        self.client.log_inputs(run_id, [DatasetInput(self.data, [context])])
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

    def end(self, run_id: str, state: str, status: str = "FINISHED") -> None:
        """End a run, whether it has ended before or not."""
        self.client.log_batch(run_id, tags=[RunTag(STATE, state)])
        self.client.set_terminated(run_id, status)

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


@contextmanager
def tracking_errors() -> Iterator[None]:
    """Raise the error of a tracking server that does not answer as one that a user can mend."""
    try:
        yield
    except (MlflowException, requests.RequestException) as error:
        address = hide_credentials(mlflow.get_tracking_uri())
        raise SkipcastError(
            f"The MLflow tracking server {address} must do what it is asked but failed: "
            f"{hide_credentials(str(error))}\nCorrect MLFLOW_TRACKING_URI or mend the server, "
            "then `dvc repro`: what is finished is kept."
        ) from error


def open_runs(experiment: str, tags: Mapping[str, str], *, data: str) -> Runs:
    """Find or make the experiment; its runs will carry `tags`, the git commit and DVC's hashes.

    Args:
        experiment: its name.
        tags: of every run.
        data: the fingerprint of the data, which every run names as its input.

    Raises:
        SkipcastError: the experiment was deleted.
    """
    client = MlflowClient()
    existing = client.get_experiment_by_name(experiment)
    if existing is not None and existing.lifecycle_stage != "active":
        raise SkipcastError(
            f"The MLflow experiment {experiment} must be active but got "
            f"{existing.lifecycle_stage}. `mlflow experiments restore -x {existing.experiment_id}` "
            "brings it back; or change search.experiment."
        )
    # Two processes may start at once: only set_experiment copes with another that was quicker.
    experiment_id = str(mlflow.set_experiment(experiment).experiment_id)
    client.set_experiment_tag(experiment_id, KIND, "custom_model_development")
    origin = {
        "mlflow.source.name": "skipcast search",
        "mlflow.source.git.commit": str(get_git_commit(str(Path.cwd()))),
    }
    dataset = Dataset(
        name="training_set",
        digest=data[:LONGEST_DIGEST],
        source_type="local",
        source="data/features.parquet",
    )
    return Runs(client, experiment_id, {**tags, **origin, **stage_hashes()}, dataset)


def stage_hashes(path: Path = LOCK_FILE) -> dict[str, str]:
    """Return a tag for each stage in DVC's lock file: its outputs, each with its hash."""
    if not path.is_file():
        return {}
    stages = yaml.safe_load(path.read_text(encoding="utf-8")).get("stages", {})
    return {
        f"dvc.{name}": " ".join(f"{out['path']}:{out['md5']}" for out in stage.get("outs", []))
        for name, stage in stages.items()
    }
