"""The command `skipcast monitor`: whether the served model does what its test sessions promised."""

import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

from skipcast.artifacts import REPORTS, Promotion
from skipcast.cli.serve import log_folder
from skipcast.errors import SkipcastError
from skipcast.params import read_params

if TYPE_CHECKING:
    from skipcast.clients.monitor import Period, Version
    from skipcast.promotion.registry import Registry
    from skipcast.serving.log_reader import Log

FAULTY = 3  # the exit code


def monitor(
    log: Annotated[str | None, typer.Option(help="A folder, instead of serve.log.")] = None,
    out: Annotated[Path, typer.Option(help="PNG to write.")] = REPORTS / "monitor.png",
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Then run `dvc repro`; the gate decides.")
    ] = False,
) -> None:
    """Compare what the served model answered with what happened; exit 3 where it is too far off."""
    from skipcast.clients import monitor_figure, monitor_runs
    from skipcast.clients.monitor import by_day, judge, latest
    from skipcast.evaluation import plots
    from skipcast.promotion.registry import Registry

    params = read_params()
    folder = _folder(log or params.serve.log)
    registry = Registry(params.promote.model)
    content = _read(folder, registry)
    versions = {name: _version(name, registry) for name in content.answers["version"].unique()}
    days = by_day(content, versions, params)
    present = latest(content, versions, params, now=datetime.now(UTC))
    _print_days(days, versions)
    _tell_damage(content)
    if days:
        plots.save(monitor_figure.draw(days, versions, params), out)
        count = monitor_runs.log_days(registry.client, registry.name, days)
        name = monitor_runs.live_of(registry.name)
        typer.echo(f"{out}, and the MLflow experiment {name}: {count} days", err=True)
    if present is None:
        typer.echo(f"No answer of the last {params.monitor.days} days: nothing to tell.")
        return
    verdict = judge(present, versions[present.version], params)
    for sentence in (*verdict.untold, *verdict.faults):
        typer.echo(f"Version {present.version}, {present.day}: {sentence}.")
    if not verdict.faults:
        if not verdict.untold:
            typer.echo(f"Version {present.version}, {present.day}: all is well.")
        return
    if retrain:
        _retrain(registry, present.version)
    raise typer.Exit(FAULTY)


def _folder(text: str | None) -> Path:
    if text is None:
        raise SkipcastError(
            "serve.log must name a folder to monitor but is null. Set it in params.yaml and start "
            "the server again, or name the folder of another server by --log."
        )
    folder = log_folder(text)
    if not folder.is_dir():
        raise SkipcastError(
            f"serve.log must be a folder that a server has made but {folder} is none. Start the "
            "server by `skipcast serve`, or name another folder by --log."
        )
    return folder


def _read(folder: Path, registry: "Registry") -> "Log":
    """Read the log; a model that was served by its id is called by its version."""
    from dataclasses import replace

    from skipcast.serving.log_reader import read_log

    with Console(stderr=True).status("Reading the log"):
        content = read_log(folder)
    found = {name: registry.find(f"models:/{name}") for name in content.features if name[:1] == "m"}
    names = {name: str(version) for name, version in found.items() if version is not None}
    answers = content.answers.assign(version=content.answers["version"].replace(names))
    features = {names.get(name, name): columns for name, columns in content.features.items()}
    return replace(content, answers=answers, features=features)


def _version(name: str, registry: "Registry") -> "Version":
    from skipcast.clients.monitor import Version
    from skipcast.evaluation.bootstrap import Interval
    from skipcast.promotion.contents import trained_of

    is_registered = name.isdecimal()
    uri = f"models:/{registry.name}/{name}" if is_registered else f"models:/{name}"
    scores = registry.test_scores(int(name)) if is_registered else None
    tested = {key: Interval(*ends) for key, ends in scores.items()} if scores else None
    try:
        return Version(tested, trained_of(uri))
    except SkipcastError as error:  # deleted since
        typer.echo(f"Version {name}: its drift cannot be told: {error}", err=True)
        return Version(tested, None)


def _print_days(days: Sequence["Period"], versions: dict[str, "Version"]) -> None:
    from skipcast.clients.monitor import SCORES, text
    from skipcast.evaluation.metrics import METRICS

    table = Table(title="What the served model answered, by day (UTC)", title_justify="left")
    for heading in ("day", "version", "answers", "outcomes", "sessions"):
        table.add_column(heading, justify="left" if heading in ("day", "version") else "right")
    for name in SCORES:
        table.add_column(METRICS[name].heading, justify="right")
    table.add_column("largest stability index")
    for period in days:
        drift = period.most_drifted
        table.add_row(
            period.day,
            period.version,
            *(f"{count:,}" for count in (period.answers, period.outcomes, period.sessions)),
            *(text(period.scores[name]) if period.scores else "" for name in SCORES),
            f"{drift[1]:.4f} {drift[0]}" if drift else "",
        )
    table.add_section()
    for name, version in versions.items():
        if version.tested:
            scores = [text(version.tested[s]) if s in version.tested else "" for s in SCORES]
            table.add_row("test sessions", name, "", "", "", *scores)
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def _tell_damage(content: "Log") -> None:
    if content.broken:
        typer.echo(f"{content.broken} lines of the log are cut off and left out.", err=True)
    if content.lost:
        typer.echo(f"{content.lost} lines had no room on the disk of the server.", err=True)


def _retrain(registry: "Registry", version: str) -> None:
    """Make what is out of date; where a newer champion waits to be served, nothing."""
    champion = registry.champion()
    if champion is not None and str(champion) != version:
        typer.echo(
            f"The champion is version {champion} already, so nothing is trained: start the server "
            "again."
        )
        return
    decisions = len(registry.history())
    done = subprocess.run([sys.executable, "-m", "dvc", "repro"], check=False)
    if done.returncode:
        raise SkipcastError(
            f"`dvc repro` must end well but ended with {done.returncode}. Mend what it says above, "
            "then type it again."
        )
    if len(registry.history()) == decisions:
        typer.echo(
            "Nothing was out of date, so nothing was trained: give it newer data (fetch.source), "
            "or change params.yaml."
        )
        return
    decision = Promotion.read()
    typer.echo(
        f"The gate: version {decision.candidate.version} is {decision.decision}; the champion is "
        f"version {decision.champion.version}."
    )
