"""Batch prediction of a table in parts: each part is scored by a worker, as one machine does."""

import json
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow.parquet as pq

from skipcast.archive.work import fingerprint
from skipcast.clients.answer_files import writer
from skipcast.clients.batch import score_file
from skipcast.clients.outcome import Outcome
from skipcast.distributed.pool import DaskPool
from skipcast.files import hash_bytes, replacing, write_json
from skipcast.folders import begin, discard
from skipcast.mlflow_store.place import choose_store
from skipcast.parts import Parts
from skipcast.reading.categories import NewTexts
from skipcast.storage import reachable
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

    def outcome(self, number: int) -> Path:
        """Return the file that says what the answers are; it is there as soon as they are whole."""
        return self.place / f"{number:05}.json"

    @property
    def run(self) -> str:
        """Return a fingerprint of all that decides what is answered."""
        from mlflow.exceptions import MlflowException
        from mlflow.models import get_model_info

        model = None
        with suppress(MlflowException, OSError):  # who scores says what is wrong with it
            model = get_model_info(self.model).model_uuid
        return fingerprint(self.parts.hash, self.model, model, self.history, self.summary)


@dataclass(frozen=True)
class _Task:
    scoring: Scoring
    number: int

    def __call__(self, _: OnStep) -> tuple[int, Outcome]:
        scoring = self.scoring
        done = scoring.outcome(self.number)
        if done.is_file():
            return self.number, _read(done)
        choose_store()
        with (
            reachable(scoring.parts.folder),
            replacing(scoring.answers(self.number)) as temporary,
        ):
            outcome = score_file(
                scoring.parts.file(self.number),
                temporary,
                scoring.model,
                history=scoring.history,
                summary=scoring.summary,
            )
        write_json(done, vars(outcome) | {"new_texts": [*outcome.new_texts.items()]})
        return self.number, outcome


def _read(path: Path) -> Outcome:
    content = json.loads(path.read_bytes())
    texts = NewTexts({tuple(key): count for key, count in content.pop("new_texts")})
    return Outcome(**content, new_texts=texts)


def predict(pool: DaskPool, scoring: Scoring, target: Path) -> Outcome:
    """Score all parts; write their answers to `target`, in order, as `batch.predict` does.

    What is finished when it ends by an error or a kill is used by the next attempt.

    Raises:
        SkipcastError: as there.
    """
    name = hash_bytes(str(target.absolute()).encode())[:16]
    placed = replace(scoring, place=pool.root / f".predict-{name}")
    begin(placed.place, scoring.run)
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
    discard(placed.place)
    return outcome
