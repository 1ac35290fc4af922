"""The command `refresh`."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from skipcast.artifacts import LoadReceipt
from skipcast.cli.promote import one_at_a_time
from skipcast.errors import SkipcastError
from skipcast.params import read_params

if TYPE_CHECKING:
    import pandas as pd

console = Console(stderr=True)


def refresh(
    source: Annotated[
        str | None,
        typer.Option(help="A newer export of the listeners' history; else the plays in Postgres."),
    ] = None,
) -> None:
    """Let the champion know what its listeners have played since; nothing is trained."""
    from skipcast.promotion.refresh import refresh as renew
    from skipcast.promotion.registry import Registry

    registry = Registry(read_params().promote.model)
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
    """Return the plays in Postgres and their fingerprint."""
    from skipcast.database.server import connect
    from skipcast.database.tables import check_receipt, read_plays

    receipt = LoadReceipt.read()
    if not receipt.listeners:
        raise SkipcastError(
            "The plays in Postgres must be of listeners' own histories to refresh from but name no "
            "listeners. Name an export by --source; or by fetch.source, then `dvc repro load`."
        )
    with console.status("Reading from Postgres"), connect() as connection:
        check_receipt(connection, receipt)
        plays = read_plays(connection, schema=receipt.schema_)
    return plays, receipt.tables["training_set"].hash
