"""The command `listening`: what listeners' own histories show."""

from pathlib import Path

import typer
from rich.console import Console

from skipcast.artifacts import NAMES, PLAYS, REPORTS
from skipcast.errors import SkipcastError
from skipcast.params import read_params
from skipcast.parts import Parts

LISTENING = REPORTS / "listening"  # shows names: no output of a stage, so neither logged nor pushed


def listening() -> None:
    """Draw when, since when and what you skip, from your own streaming history."""
    typer.echo(f"Wrote {draw_listening()}.", err=True)


def draw_listening() -> Path:
    """Draw the figures of the listeners of the plays; return the folder.

    Raises:
        SkipcastError: the plays have no listeners.
    """
    from skipcast.evaluation.look_up import LookUp
    from skipcast.promotion.listening import write_listening
    from skipcast.sessions import has_listeners

    params = read_params()
    plays = Parts.read(PLAYS, made_by="fetch").part(0)
    if not has_listeners(plays):
        raise SkipcastError(
            f"{PLAYS} must hold the history of a listener but its sessions are of nobody known. "
            "Set fetch.source to your own streaming history, then `dvc repro`."
        )
    if not NAMES.is_file():
        typer.echo(f"{NAMES} is not there, so ids stand for names. `dvc repro` makes it.", err=True)
    skip, timezone = params.features.skip, params.fetch.timezone
    with Console(stderr=True).status("Drawing what the history shows"):
        write_listening(LISTENING, plays, LookUp.read(NAMES), skip=skip, timezone=timezone)
    return LISTENING
