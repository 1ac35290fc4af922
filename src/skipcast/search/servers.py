"""The servers that search and refit need: locks in Postgres, and runs in MLflow."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Literal

from skipcast.database.locks import Locks, open_locks
from skipcast.database.server import readable_errors
from skipcast.files import disk_errors
from skipcast.mlflow_store.client import store_errors
from skipcast.mlflow_store.datasets import as_input, dataset
from skipcast.schema import Part
from skipcast.search.mlflow_runs import Runs, open_runs
from skipcast.search.spec import Job


@contextmanager
def opened(job: Job, url: str, stage: Literal["search", "refit"]) -> Iterator[tuple[Runs, Locks]]:
    """Yield the runs and the locks of a stage.

    Args:
        job: what to search or to fit, on what.
        url: of the database.
        stage: which one.

    Raises:
        SkipcastError: the database, the tracking server or the disk fail, inside the `with` block,
            too; what is finished is kept.
    """
    with ExitStack() as stack:
        for readable in (disk_errors(), readable_errors(url), store_errors(f"log the {stage}")):
            stack.enter_context(readable)
        locks = stack.enter_context(open_locks(url))
        parts: tuple[Part, ...] = ("train", "validation")
        data = [as_input(dataset(part, job.data, job.params.split)) for part in parts]
        tags = {**job.tags, "mlflow.source.name": f"skipcast {stage}"}
        model = job.params.promote.model
        yield open_runs(job.params.search.experiment, tags, data=data, model=model), locks
