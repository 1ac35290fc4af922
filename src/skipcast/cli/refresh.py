"""The command `refresh`."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from skipcast.artifacts import PLAYS, LoadReceipt
from skipcast.cli.promote import one_at_a_time
from skipcast.errors import SkipcastError
from skipcast.params import read_params
from skipcast.parts import Parts

if TYPE_CHECKING:
    import pandas as pd

console = Console(stderr=True)


def refresh(
    source: Annotated[
        str | None,
        typer.Option(
            help="A newer export of the listeners' history; else the plays that were loaded."
        ),
    ] = None,
) -> None:
    """Let the champion know what its listeners have played since; nothing is trained."""
    from skipcast.promotion.refresh import refresh as renew
    from skipcast.promotion.registry import Registry

    registry = Registry.of(read_params().promote)
    registry.require_champion()
    plays, data = _loaded() if source is None else (_exported(source), None)
    with one_at_a_time(registry), console.status("Renewing the listener table"):
        entry = renew(registry, plays, data=data)
    if entry is None:
        typer.echo(
            f"Nothing is new: the champion of {registry.name} counts all these plays already. "
            "It was not changed.",
            err=True,
        )
        return
    typer.echo(
        f"champion of {registry.name} is version {entry.version}, the refreshed version "
        f"{entry.champion}: {entry.reason}. A server that runs goes on with the version that it "
        "has loaded: start it again.",
        err=True,
    )


def _exported(source: str) -> "pd.DataFrame":
    from skipcast.archive.streaming_history import read_history

    with console.status("Reading the history"):
        history = read_history(source, timezone=read_params().fetch.timezone)
    for sentence in history.report.warnings:
        typer.echo(sentence, err=True)
    return history.plays


def _loaded() -> tuple["pd.DataFrame", str]:
    """Return the plays that were loaded, and their fingerprint."""
    import pandas as pd

    from skipcast.database.plays import check_loaded, open_plays

    receipt = LoadReceipt.read()
    if not receipt.listeners:
        raise SkipcastError(
            "The plays that were loaded must be of listeners' own histories to refresh from but "
            "name no listeners. Name an export by --source; or by fetch.source, then `dvc repro "
            "load`."
        )
    files = Parts.read(PLAYS, made_by="fetch")
    with (
        console.status("Reading the plays"),
        check_loaded(receipt, read_params().load, files),
        open_plays(receipt, files) as loaded,
    ):
        plays = pd.concat([loaded.part(n) for n in range(len(files))], ignore_index=True)
    return plays, receipt.tables["training_set"].hash
