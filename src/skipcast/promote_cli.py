"""The commands of promotion: `promote`, `rollback`, `figure` and `report`."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from skipcast.errors import SkipcastError
from skipcast.files import (
    FEATURES,
    METRICS,
    PLAYS,
    RECEIPT,
    REPORTS,
    SEARCH,
    TRACKS,
    read_json,
    read_parquet,
)
from skipcast.params import read_params
from skipcast.schema import SYNTHETIC_NOTE, TRACK_INPUTS, is_synthetic
from skipcast.serve_cli import serve_command

if TYPE_CHECKING:
    import pandas as pd

    from skipcast.registry import Entry, Registry


def promote(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the verdict and change nothing.")
    ] = False,
    history: Annotated[
        bool, typer.Option("--history", help="Print all decisions, the latest first.")
    ] = False,
) -> None:
    """Score the best model on the test sessions; make it champion if it is better."""
    from skipcast.conclude import conclude, entry_of
    from skipcast.promote import judge
    from skipcast.registry import Registry

    params = read_params()
    registry = Registry(params.promote.model)
    if history:
        _print_history(registry.history())
        return
    found, receipt = read_json(SEARCH, made_by="search"), read_json(RECEIPT, made_by="load")
    tracks, features = (
        read_parquet(TRACKS, made_by="fetch"),
        read_parquet(FEATURES, made_by="features"),
    )
    plays = _plays_with_tracks(tracks)
    if dry_run:
        entry = entry_of(judge(plays, features, found, params, registry), 0)
        _print_verdict(entry, "would be ")
        return
    with _alone(registry), Console(stderr=True).status("Scoring on the test sessions"):
        judgement = judge(plays, features, found, params, registry)
        entry = conclude(judgement, registry, params, tracks, found=found, receipt=receipt)
    _print_verdict(entry, "is ")


def rollback(
    to: Annotated[
        int | None, typer.Option(help="An earlier champion; else the one before this one.")
    ] = None,
) -> None:
    """Make an earlier champion champion again."""
    from skipcast.registry import Registry

    registry = Registry(read_params().promote.model)
    with _alone(registry):
        entry = registry.roll_back(to)
    typer.echo(
        f"champion of {registry.name} is version {entry.version} again, no longer "
        f"{entry.champion}. A server that runs goes on with the version that it has loaded: "
        "start it again.",
        err=True,
    )


@contextmanager
def _alone(registry: "Registry") -> Iterator[None]:
    """Let no other promotion or rollback of the model happen meanwhile."""
    import mlflow

    from skipcast.database import connect
    from skipcast.locks import Locks

    name = f"promote {mlflow.get_registry_uri()} {registry.name}"
    with connect() as connection, Locks(connection).exclusive(name):
        yield


def _plays_with_tracks(tracks: "pd.DataFrame") -> "pd.DataFrame":
    plays = read_parquet(PLAYS, made_by="fetch")
    joined = plays.merge(tracks.rename(columns={"track_id": "track_id_clean"}), on="track_id_clean")
    return joined.sort_values(["session_id", "session_position"], ignore_index=True)


def _print_verdict(entry: "Entry", verb: str) -> None:
    version = f"version {entry.version}" if entry.version else "the candidate"
    champion = f" (champion until now: version {entry.champion})" if entry.champion else ""
    typer.echo(f"{version} {verb}{entry.decision}{champion}: {entry.reason}", err=True)
    for line in _score_lines(entry):
        typer.echo(line, err=True)


def _score_lines(entry: "Entry") -> Iterator[str]:
    for who, scores in (("its scores", entry.scores), ("champion's", entry.champion_scores)):
        if scores:
            shown = [
                f"{name.replace('_', ' ')} {value:.4f} ({low:.4f}..{high:.4f})"
                for name, (value, low, high) in scores.items()
            ]
            yield f"  {who}: {', '.join(shown)}"


def _print_history(entries: "list[Entry]") -> None:
    if not entries:
        typer.echo("No decision yet. `dvc repro promote` makes the first.")
    for entry in entries:
        before = f"version {entry.champion}" if entry.champion else "none"
        failed = "" if entry.status == "FINISHED" else f" [{entry.status}: not carried out]"
        typer.echo(f"{entry.when}  version {entry.version} {entry.decision}{failed}")
        typer.echo(f"  {entry.reason}")
        for line in _score_lines(entry):
            typer.echo(line)
        commit = (entry.commit or "unknown")[:10]
        typer.echo(f"  champion before: {before}; data {entry.data or '-'}; commit {commit}")


def figure(
    feature: Annotated[str, typer.Option(help="A number of the tracks.")] = "loudness",
    session: Annotated[
        str | None, typer.Option(help="Its id; else one with both outcomes.")
    ] = None,
    out: Annotated[Path, typer.Option(help="PNG to write.")] = REPORTS / "session.png",
) -> None:
    """Draw one session's skips against a feature of its tracks."""
    from skipcast import plots, plots_data
    from skipcast.reports import lively_session

    numbers = [name for name in TRACK_INPUTS if name != "mode"]
    if feature not in numbers:
        raise SkipcastError(f"--feature must be one of {', '.join(numbers)} but got {feature}.")
    plays = _plays_with_tracks(read_parquet(TRACKS, made_by="fetch"))
    chosen = lively_session(plays) if session is None else plays[plays["session_id"] == session]
    if chosen.empty:
        raise SkipcastError(f"--session must be the id of a session in {PLAYS} but got {session}.")
    synthetic = is_synthetic(chosen["session_id"])
    plots.save(plots_data.session(chosen, feature, synthetic=synthetic), out)
    typer.echo(f"Wrote {out}.", err=True)


def report() -> None:
    """Print the accuracy of families, baselines and champion, and what to type next."""
    metrics = read_json(METRICS, made_by="promote")
    synthetic = read_json(RECEIPT, made_by="load")["synthetic"]
    output = Console(soft_wrap=True)
    output.print(_accuracy_table(metrics, SYNTHETIC_NOTE if synthetic else ""))
    params = read_params()
    output.print("Next, here in the root of the project:", highlight=False)
    for command in (
        ". .venv/bin/activate",
        "mlflow ui",
        shlex.join(serve_command(params.promote.model, params.serve)),
    ):
        output.print(f"  {command}", highlight=False)


def _accuracy_table(metrics: dict[str, Any], note: str) -> Table:
    from skipcast.baselines import BASELINES

    table = Table(title=f"Accuracy{note}", title_justify="left")
    for heading in ("", "sessions", "accuracy", "95 %", "log loss"):
        table.add_column(heading, justify="left" if heading in ("", "sessions") else "right")
    for name, scores in metrics["families"].items():
        _add_row(table, name, "validation", scores)
    table.add_section()
    candidate = metrics["candidate"]
    role = "candidate" if metrics["decision"] == "refused" else "champion"
    name = f"{role}: {candidate['family']}, version {candidate['version']}, {metrics['decision']}"
    _add_row(table, name, "test", metrics["test"]["candidate"], metrics["interval"]["candidate"])
    if "champion" in metrics["test"] and metrics["decision"] == "refused":
        name = (
            f"champion: {metrics['champion']['family']}, version {metrics['champion']['version']}"
        )
        _add_row(table, name, "test", metrics["test"]["champion"], metrics["interval"]["champion"])
    for key, text in BASELINES.items():
        _add_row(table, text, "test", metrics["baselines"][key])
    return table


def _add_row(
    table: Table,
    name: str,
    sessions: str,
    scores: dict[str, float],
    ends: dict[str, dict[str, float]] | None = None,
) -> None:
    log_loss = f"{scores['log_loss']:.4f}" if "log_loss" in scores else ""
    spread = f"{ends['accuracy']['low']:.4f}..{ends['accuracy']['high']:.4f}" if ends else ""
    table.add_row(name, sessions, f"{scores['accuracy']:.4f}", spread, log_loss)
