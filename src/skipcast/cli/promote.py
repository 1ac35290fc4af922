"""The commands of promotion: `promote` and `rollback`."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from skipcast.artifacts import FEATURES, PLAYS, TRACKS, LoadReceipt, Refit
from skipcast.commits import MISSING
from skipcast.files import read_parquet
from skipcast.mlflow_store.place import MAKE_AGAIN
from skipcast.params import read_params
from skipcast.parts import Parts

if TYPE_CHECKING:
    from skipcast.promotion.ledger import Entry
    from skipcast.promotion.registry import Registry


def promote(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the verdict and change nothing.")
    ] = False,
    history: Annotated[
        bool, typer.Option("--history", help="Print all decisions, the latest first.")
    ] = False,
    without_champion: Annotated[
        bool,
        typer.Option(
            "--without-champion",
            help="Pass over a champion of another horizon, or with files gone or changed.",
        ),
    ] = False,
) -> None:
    """Score the best model on the test sessions; make it champion if it is better."""
    from skipcast.promotion import publish
    from skipcast.promotion.judge import judge
    from skipcast.promotion.registry import Registry
    from skipcast.promotion.sources import Sources

    params = read_params()
    registry = Registry.of(params.promote)
    if history:
        _print_history(registry.history())
        return
    result, receipt = Refit.read(), LoadReceipt.read()
    tracks = read_parquet(TRACKS, made_by="fetch")
    plays, features = Parts.read(PLAYS, made_by="fetch"), Parts.read(FEATURES, made_by="features")
    sources = Sources(plays, features, tracks, params)
    arguments = sources, result, params, registry
    judged = partial(judge, *arguments, with_champion=not without_champion)
    if dry_run:
        entry = publish.entry_of(judged(), 0)
        _print_verdict(entry, "would be ")
        return
    with one_at_a_time(registry), Console(stderr=True).status("Scoring on the test sessions"):
        judgement = judged()
        entry = publish.conclude(
            judgement, registry, params, tracks, result=result, receipt=receipt
        )
    _print_verdict(entry, "is ")


def rollback(
    to: Annotated[
        int | None, typer.Option(help="An earlier champion; else the one before this one.")
    ] = None,
) -> None:
    """Make an earlier champion champion again."""
    from skipcast.promotion.registry import Registry

    registry = Registry.of(read_params().promote)
    with one_at_a_time(registry):
        entry = registry.roll_back(to)
    typer.echo(
        f"champion of {registry.name} is version {entry.version} again, no longer "
        f"{entry.champion}. A server that runs goes on with the version that it has loaded: "
        "start it again.",
        err=True,
    )


@contextmanager
def one_at_a_time(registry: "Registry") -> Iterator[None]:
    """Let nobody else promote, roll back or refresh the model meanwhile."""
    import mlflow

    from skipcast.database.locks import open_locks
    from skipcast.database.server import readable_errors, server

    name = f"promote {mlflow.get_registry_uri()} {registry.name}"
    with server() as url, readable_errors(url), open_locks(url) as locks, locks.exclusive(name):
        registry.end_dead()
        yield


def _print_verdict(entry: "Entry", verb: str) -> None:
    version = f"version {entry.version}" if entry.version else "the candidate"
    champion = f" (champion until now: version {entry.champion})" if entry.champion else ""
    typer.echo(f"{version} {verb}{entry.decision}{champion}: {entry.reason}", err=True)
    for line in _score_lines(entry):
        typer.echo(line, err=True)


def _score_lines(entry: "Entry") -> Iterator[str]:
    skip = f", features.skip {entry.skip}" if entry.skip else ""
    for who, scores in ((f"its scores{skip}", entry.scores), ("champion's", entry.champion_scores)):
        if scores:
            texts = [
                f"{name.replace('_', ' ')} {value:.4f} ({low:.4f}..{high:.4f})"
                for name, (value, low, high) in scores.items()
            ]
            yield f"  {who}: {', '.join(texts)}"


def _print_history(entries: "list[Entry]") -> None:
    if not entries:
        typer.echo(
            "No decision yet. `dvc repro` makes the first. If DVC finds all up to date, this is "
            f"another MLflow store than then, or it was emptied: {MAKE_AGAIN} makes it anew."
        )
    for entry in entries:
        before = f"version {entry.champion}" if entry.champion else "none"
        failed = "" if entry.status == "FINISHED" else f" [{entry.status}: not carried out]"
        typer.echo(f"{entry.when}  version {entry.version} {entry.decision}{failed}")
        typer.echo(f"  {entry.reason}")
        for line in _score_lines(entry):
            typer.echo(line)
        commit = (entry.commit or MISSING)[:10]
        typer.echo(f"  champion before: {before}; data {entry.data or '-'}; commit {commit}")
