"""The command of the stage `search`: checks its inputs, shows how far it is, writes its result."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from skipcast.artifacts import FEATURES, FEATURES_RECEIPT, RECEIPT, SEARCH, TRACKS
from skipcast.files import existing, read_json, write_json
from skipcast.params import read_params

REFRESH_SECONDS = 1.0
console = Console(stderr=True)


def search() -> None:
    """Search each family for its most accurate model; log every trial to MLflow."""
    from skipcast.database.server import server
    from skipcast.search.spec import make_job
    from skipcast.search.trials import search

    job = make_job(
        read_params(),
        existing(FEATURES, made_by="features"),
        existing(TRACKS, made_by="fetch"),
        receipt=read_json(RECEIPT, made_by="load"),
        features_receipt=read_json(FEATURES_RECEIPT, made_by="features"),
    )
    with server() as url:
        found = search(job, url, live if console.is_terminal else _quiet)
    write_json(SEARCH, found)
    if console.is_terminal:
        console.print(_results(found))
    else:
        for family, scores in found["families"].items():
            console.print(f"{family}: validation accuracy {scores['accuracy']:.4f}")


@contextmanager
def _quiet(progress: Callable[[], Mapping[Any, Any]]) -> Iterator[None]:
    yield


@contextmanager
def live(progress: Callable[[], Mapping[Any, Any]]) -> Iterator[None]:
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


def _lines(progress: Mapping[Any, Any]) -> Table:
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


def _results(found: Mapping[str, Any]) -> Table:
    table = Table(title="Best of each family, validation sessions", title_justify="left")
    for heading in ("family", "accuracy", "log loss", ""):
        table.add_column(heading, justify="left" if heading in ("family", "") else "right")
    for family, scores in found["families"].items():
        chosen = "best" if family == found["best"] else ""
        table.add_row(family, f"{scores['accuracy']:.4f}", f"{scores['log_loss']:.4f}", chosen)
    return table
