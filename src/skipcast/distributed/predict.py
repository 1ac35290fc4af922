"""Batch prediction of a table in parts: each part is scored by a worker, as one machine does."""

from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow.parquet as pq

from skipcast.clients.answer_files import writer
from skipcast.clients.batch import score_file
from skipcast.clients.outcome import Outcome
from skipcast.distributed.pool import DaskPool
from skipcast.files import replacing, unfinished
from skipcast.mlflow_store.place import choose_store
from skipcast.parts import Parts
from skipcast.workers import OnStep


@dataclass(frozen=True)
class Scoring:
    """What is scored, and how.

    Attributes:
        parts: plays.
        model: MLflow's name of the model.
        history: whether plays that have ended are scored, too.
        summary: whether summaries are wanted.
        place: folder of the answers to each part.
    """

    parts: Parts
    model: str
    history: bool
    summary: bool
    place: Path = Path()

    def answers(self, number: int) -> Path:
        """Return the file of the answers to a part."""
        return self.place / f"{number:05}.parquet"


@dataclass(frozen=True)
class _Task:
    scoring: Scoring
    number: int

    def __call__(self, _: OnStep) -> tuple[int, Outcome]:
        choose_store()
        scoring = self.scoring
        outcome = score_file(
            scoring.parts.file(self.number),
            scoring.answers(self.number),
            scoring.model,
            history=scoring.history,
            summary=scoring.summary,
        )
        return self.number, outcome


def predict(pool: DaskPool, scoring: Scoring, target: Path) -> Outcome:
    """Score all parts; write their answers to `target`, in order, as `batch.predict` does.

    Raises:
        SkipcastError: as there.
    """
    with unfinished(pool.root / "predict") as folder:
        placed = replace(scoring, place=folder)
        tasks = (_Task(placed, number) for number in range(len(scoring.parts)))
        outcomes = dict(pool.run(tasks, lambda _: None))
        outcome = Outcome()
        with replacing(target) as temporary:
            with writer(temporary) as write:
                for number in range(len(scoring.parts)):
                    outcome += outcomes[number]
                    for batch in pq.ParquetFile(placed.answers(number)).iter_batches():
                        write(batch)
            outcome.check(scoring.parts.folder)
    return outcome
