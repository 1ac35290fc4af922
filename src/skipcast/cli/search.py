"""The command of the stage `search`: checks its inputs, shows how far it is, writes its result."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.table import Table

from skipcast.artifacts import (
    FEATURES,
    LISTENER_TABLE,
    TRACK_TABLE,
    FeaturesReceipt,
    LoadReceipt,
    SearchResult,
)
from skipcast.files import existing
from skipcast.params import Params, read_params

if TYPE_CHECKING:  # commands that do not search start faster without
    from skipcast.models.families import Family
    from skipcast.search.spec import Job
    from skipcast.search.studies import Progress

REFRESH_SECONDS = 1.0
console = Console(stderr=True)


def search() -> None:
    """Search each family for its most accurate model; log every trial to MLflow."""
    from skipcast.database.server import server
    from skipcast.mlflow_store.client import check_experiment, open_client, promotions_of
    from skipcast.search import trials

    params = read_params()
    # A promotion that could not be recorded is found out before the search, not after.
    check_experiment(open_client(), promotions_of(params.promote.model))
    job = read_job(params)
    with server() as url:
        result = trials.search(job, url, live if console.is_terminal else _quiet)
    result.write()
    print_result(result)


def read_job(params: Params) -> "Job":
    """Put together what search and refit work on; check that it fits together.

    Raises:
        SkipcastError: what earlier stages left is not there, or not of the params.
    """
    from skipcast.search.spec import make_job

    return make_job(
        params,
        FEATURES,
        existing(TRACK_TABLE, made_by="features"),
        existing(LISTENER_TABLE, made_by="features"),
        receipt=LoadReceipt.read(),
        features_receipt=FeaturesReceipt.read(),
    )


def print_result(result: SearchResult) -> None:
    """Print the scores of the best of each family."""
    if console.is_terminal:
        console.print(_results(result))
    else:
        for family, best in result.families.items():
            more = "".join(f", {name} {text}" for name, text in best.challenge_scores().items())
            console.print(f"{family}: validation accuracy {best.accuracy:.4f}{more}")


@contextmanager
def _quiet(_: "Callable[[], Mapping[Family, Progress]]") -> Iterator[None]:
    yield


@contextmanager
def live(progress: "Callable[[], Mapping[Family, Progress]]") -> Iterator[None]:
    """Show a line per family while the search runs, whoever does its trials."""
    ended = threading.Event()
    with Live(console=console, transient=True) as display:

        def refresh() -> None:
            while not ended.wait(REFRESH_SECONDS):
                display.update(_lines(progress()))

        thread = threading.Thread(target=refresh, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _lines(progress: "Mapping[Family, Progress]") -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("family", "best accuracy", "trials", "pruned", "time left"):
        table.add_column(heading, justify="left" if heading == "family" else "right")
    for family, state in progress.items():
        done = state.complete + state.pruned
        left = (state.total - done) * state.seconds
        table.add_row(
            family,
            "" if state.accuracy is None else f"{state.accuracy:.4f}",
            f"{done}/{state.total}",
            str(state.pruned),
            f"{left:.0f} s" if done else "",
        )
    return table


def _results(result: SearchResult) -> Table:
    table = Table(title="Best of each family, validation sessions", title_justify="left")
    more = result.candidate.challenge_scores()
    for heading in ("family", "accuracy", "log loss", *more, ""):
        table.add_column(heading, justify="left" if heading in ("family", "") else "right")
    for family, best in result.families.items():
        mark = "best" if family == result.best else ""
        scores = (f"{best.accuracy:.4f}", f"{best.log_loss:.4f}")
        table.add_row(family, *scores, *best.challenge_scores().values(), mark)
    return table
