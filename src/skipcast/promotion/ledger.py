"""The ledger: who decided what about the champion, and when.

An entry is an MLflow run in the experiment `<model>-promotions`: it lives where the registry lives,
and concurrent writers only add.
"""

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Dataset, LoggedModelInput, Metric, Run

from skipcast.artifacts import Decision
from skipcast.mlflow_store.client import (
    check_experiment,
    find_experiment,
    make_experiment,
    promotions_of,
    store_errors,
)
from skipcast.mlflow_store.datasets import as_input
from skipcast.schema import Label

ENTRY = "skipcast.decision"  # the tag that holds an entry as JSON
MOVES = ("promoted", "rolled back", "refreshed")  # decisions that move the alias
Scores = Mapping[str, Sequence[float]]  # by the name of the score: it and its 95 % interval


@dataclass(frozen=True)
class Entry:
    """One decision."""

    decision: Decision
    version: int  # that it is about
    champion: int | None  # before it
    reason: str
    data: str | None = None  # fingerprint of the plays
    scores: Scores | None = None  # of the version, on the test sessions
    champion_scores: Scores | None = None
    skip: Label | None = None  # what counts as a skip in the scores; entries of old tell none
    when: str = ""  # UTC, ISO 8601
    commit: str | None = None
    status: str = "FINISHED"  # FAILED where the registry did not do what was decided


@dataclass(frozen=True)
class ModelScores:
    """What a decision was made of, in MLflow's terms: metrics of logged models on a data set.

    Attributes:
        data: the test sessions.
        models: by the id of a logged model, its scores; the last one's are the run's own, too.
        others: by name, the scores of what is no logged model, such as baselines.
    """

    data: Dataset
    models: Mapping[str, Mapping[str, float]]
    others: Mapping[str, Mapping[str, float]]

    def log(self, client: MlflowClient, run_id: str) -> None:
        """Log the scores to a run, linked to the models and to the data set."""
        models = [LoggedModelInput(model_id) for model_id in self.models]
        client.log_inputs(run_id, [as_input(self.data)], models)
        link = {"dataset_name": self.data.name, "dataset_digest": self.data.digest}
        now = int(time.time() * 1000)
        metrics = [
            Metric(f"{name}_{score}", value, now, 0, run_id=run_id, **link)
            for name, scores in self.others.items()
            for score, value in scores.items()
        ]
        metrics += [
            Metric(score, value, now + i, 0, model_id, run_id=run_id, **link)
            for i, (model_id, scores) in enumerate(self.models.items())
            for score, value in scores.items()
        ]
        client.log_batch(run_id, metrics=[m for m in metrics if not math.isnan(m.value)])


class Ledger:
    """The decisions on the versions of one registered model."""

    def __init__(self, model: str, client: MlflowClient) -> None:
        """Open the ledger of `model`, which may have no decision yet."""
        self._model = model
        self._client = client
        self._experiment = promotions_of(model)

    @contextmanager
    def write(
        self, entry: Entry, files: Path | None = None, scores: ModelScores | None = None
    ) -> Iterator[str]:
        """Write an entry, with the files of a folder; yield its run's id while it is carried out.

        If that fails, the entry's status is FAILED.
        """
        experiment_id = make_experiment(self._client, self._experiment)
        text = json.dumps({k: v for k, v in asdict(entry).items() if k != "status"})
        run = self._client.create_run(
            experiment_id, run_name=f"{entry.decision} {entry.version}", tags={ENTRY: text}
        )
        try:
            if files is not None:
                self._client.log_artifacts(run.info.run_id, str(files))
            if scores is not None:
                scores.log(self._client, run.info.run_id)
            yield run.info.run_id
        except BaseException:
            self._client.set_terminated(run.info.run_id, "FAILED")
            raise
        self._client.set_terminated(run.info.run_id, "FINISHED")

    def end_dead(self, champion: int | None) -> None:
        """End the entries whose process was killed, where nobody else writes any.

        Args:
            champion: the present one. The alias moves last: if it has, all was carried out.

        Raises:
            SkipcastError: the registry does not answer, or the experiment was deleted.
        """
        for run in self._runs("attributes.status = 'RUNNING'"):
            entry = Entry(**json.loads(run.data.tags[ENTRY]))
            has_moved = entry.decision in MOVES and entry.version == champion
            with store_errors("end the decision of a process that was killed"):
                self._client.set_terminated(run.info.run_id, "FINISHED" if has_moved else "KILLED")

    def check(self) -> None:
        """Find out whether entries can be written: a promotion must not fail at its end.

        Raises:
            SkipcastError: they cannot.
        """
        check_experiment(self._client, self._experiment)

    def history(self) -> list[Entry]:
        """Return all entries, the latest first.

        Raises:
            SkipcastError: the registry does not answer, or the experiment was deleted.
        """
        return [
            replace(Entry(**json.loads(run.data.tags[ENTRY])), status=run.info.status)
            for run in self._runs()
        ]

    def _runs(self, *conditions: str) -> list[Run]:
        """Return the runs of entries, the latest first."""
        experiment = find_experiment(self._client, self._experiment)
        if experiment is None:
            return []
        with store_errors(f"list the decisions on {self._model}"):
            return mlflow.search_runs(
                [experiment.experiment_id],
                filter_string=" and ".join([f"tags.`{ENTRY}` != ''", *conditions]),
                order_by=["attributes.start_time DESC"],
                output_format="list",
            )
