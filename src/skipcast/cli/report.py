"""The commands `report` and `figure`."""

import shlex
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from skipcast.artifacts import NAMES, PLAYS, REPORTS, TRACKS, LoadReceipt, Metrics, Promotion, Role
from skipcast.cli.listening import draw_listening
from skipcast.cli.serve import serve_command
from skipcast.errors import SkipcastError
from skipcast.files import existing, read_parquet
from skipcast.params import read_params
from skipcast.parts import Parts
from skipcast.promotion.alias import champion_uri
from skipcast.schema import SYNTHETIC_NOTE, TRACK_INPUTS, is_synthetic

if TYPE_CHECKING:
    import pandas as pd


def figure(
    feature: Annotated[str, typer.Option(help="A number of the tracks.")] = "loudness",
    session: Annotated[
        str | None, typer.Option(help="Its id; else one with both outcomes.")
    ] = None,
    out: Annotated[Path, typer.Option(help="PNG to write.")] = REPORTS / "session.png",
) -> None:
    """Draw one session's skips against a feature of its tracks."""
    from skipcast.evaluation import plots
    from skipcast.features.table import join_tracks
    from skipcast.promotion import figures

    numbers = [name for name in TRACK_INPUTS if name != "mode"]
    if feature not in numbers:
        raise SkipcastError(f"--feature must be one of {', '.join(numbers)} but got {feature}.")
    tracks = read_parquet(TRACKS, made_by="fetch")
    if tracks[feature].isna().all():
        raise SkipcastError(
            f"The tracks must have {feature} but none has: a listener's own history does not tell "
            "it. `skipcast listening` draws what it tells."
        )
    rows = join_tracks(_plays_of(session), tracks)
    synthetic = is_synthetic(rows["session_id"])
    plots.save(figures.session(rows, feature, synthetic=synthetic), out)
    typer.echo(f"Wrote {out}.", err=True)


def _plays_of(session: str | None) -> "pd.DataFrame":
    """Return the plays of a session, of the liveliest of all by default."""
    from skipcast.evaluation.held_out import lively_session

    lively = None
    for plays in Parts.read(PLAYS, made_by="fetch"):
        if session is None:
            lively = lively_session(plays, lively)
        elif not (own := plays[plays["session_id"] == session]).empty:
            return own
    if lively is None:
        raise SkipcastError(f"--session must be the id of a session in {PLAYS} but got {session}.")
    return lively


def report() -> None:
    """Print the accuracy of families, baselines and champion, and what to type next."""
    from skipcast.mlflow_store.client import find_experiment
    from skipcast.mlflow_store.place import typed
    from skipcast.mlflow_store.screen import runs_page
    from skipcast.promotion.registry import Registry

    receipt, metrics, promotion = LoadReceipt.read(), Metrics.read(), Promotion.read()
    output = Console(soft_wrap=True)
    output.print(_accuracy_table(metrics, promotion, receipt))
    listeners = _listeners() if receipt.listeners else []
    if len(listeners) > 1:  # one is in the table above
        output.print(listener_table(listeners))
    params = read_params()
    registry = Registry(params.promote.model)
    if promotion.champion.version is not None:
        registry.require_champion()
    searches = find_experiment(registry.client, params.search.experiment)
    output.print("Next, here in the root of the project:", highlight=False)
    for command in (
        ". .venv/bin/activate",
        *(["skipcast refresh"] if receipt.listeners else []),  # with the sessions that tested
        "mlflow ui",
        typed(shlex.join(serve_command(champion_uri(params.promote.model), params.serve))),
    ):
        output.print(f"  {command}", highlight=False)
    if searches is not None:
        page = f"http://localhost:5000/{runs_page(searches.experiment_id)}"
        output.print(f"The MLflow UI shows the trials by accuracy at {page}", highlight=False)
    if receipt.listeners:
        output.print(f"What you skip, and when: {draw_listening()}", highlight=False)


def _accuracy_table(metrics: Metrics, promotion: Promotion, receipt: LoadReceipt) -> Table:
    from skipcast.evaluation.baselines import BASELINES
    from skipcast.models.families import FAMILIES
    from skipcast.twin.limits import limits_of

    note = SYNTHETIC_NOTE if receipt.synthetic else ""
    table = Table(title=f"Accuracy, features.skip {promotion.skip}{note}", title_justify="left")
    for heading in ("", "sessions", "accuracy", "95 %", "log loss"):
        table.add_column(heading, justify="left" if heading in ("", "sessions") else "right")
    for family in FAMILIES:
        if family in metrics.validation:
            _add_row(table, family, "validation", metrics.validation[family].model_dump())
    table.add_section()
    candidate, champion = promotion.candidate, promotion.champion
    refused = promotion.decision == "refused"
    role, version = ("candidate", candidate.version) if refused else ("champion", champion.version)
    name = f"{role}: {candidate.family}, version {version}, {promotion.decision}"
    _add_row(table, name, "test", metrics.test["candidate"], _ends(metrics, "candidate"))
    if "champion" in metrics.test and refused:
        name = f"champion: {champion.family}, version {champion.version}"
        _add_row(table, name, "test", metrics.test["champion"], _ends(metrics, "champion"))
    for name, baseline in BASELINES.items():
        if name in metrics.test:
            _add_row(table, baseline.label, "test", metrics.test[name])
    table.add_section()
    for name, scores in limits_of(receipt, promotion.skip).items():
        _add_row(table, f"limit: {name}", "of five twins", scores)
    return table


def _listeners() -> list[dict[Hashable, Any]]:
    """Return how well each listener's test plays are predicted, by listener."""
    import pandas as pd

    from skipcast.promotion.reports import LISTENERS

    file = existing(REPORTS / LISTENERS, made_by="promote")
    return pd.read_csv(file).to_dict("records")


def listener_table(rows: Iterable[Mapping[Hashable, Any]]) -> Table:
    """Return a table of listeners by their local names, which stay on this screen.

    Args:
        rows: of `reports/curves/listeners.csv`.
    """
    from skipcast.evaluation.baselines import BASELINES
    from skipcast.evaluation.look_up import LookUp

    look_up = LookUp.read(NAMES)
    table = Table(title="The candidate by listener, on test plays", title_justify="left")
    headings = ("listener", "plays", "skip rate", "accuracy", "95 %", "log loss", "best rule")
    for heading in headings:
        table.add_column(heading, justify="left" if heading in headings[::6] else "right")
    for row in rows:
        table.add_row(
            escape(look_up.listener(row["listener"])),
            str(row["plays"]),
            f"{row['skip_rate']:.4f}",
            f"{row['accuracy']:.4f}",
            f"{row['accuracy_low']:.4f}..{row['accuracy_high']:.4f}",
            f"{row['log_loss']:.4f}",
            f"{row['rule_accuracy']:.4f}, {BASELINES[row['best_rule']].label}",
        )
    return table


def _ends(metrics: Metrics, role: Role) -> str:
    """Write the 95 % interval of a model's accuracy."""
    low, high = (ends[role]["accuracy"] for ends in (metrics.test_low, metrics.test_high))
    return f"{low:.4f}..{high:.4f}"


def _add_row(
    table: Table, name: str, sessions: str, scores: Mapping[str, float], interval: str = ""
) -> None:
    log_loss = f"{scores['log_loss']:.4f}" if "log_loss" in scores else ""
    table.add_row(name, sessions, f"{scores['accuracy']:.4f}", interval, log_loss)
