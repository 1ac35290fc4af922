"""The commands of the stages that take data in: `fetch` and `load`."""

import contextlib
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from skipcast.artifacts import NAMES, PLAYS, TRACKS, LoadReceipt
from skipcast.errors import SkipcastError
from skipcast.files import read_parquet, write_parquet
from skipcast.params import USUAL_ROWS, Fetch, read_params
from skipcast.parts import Parts, cut, write_parts
from skipcast.schema import SYNTHETIC_NOTE, is_synthetic

if TYPE_CHECKING:  # commands start faster without
    import pandas as pd

console = Console(stderr=True)


def fetch() -> None:
    """Take plays of whole sessions from the twin, official files or listeners' own histories."""
    from skipcast.archive.history_files import is_history
    from skipcast.sessions import has_listeners

    params = read_params().fetch
    is_twin = params.source == "twin"
    plays, tracks, known, said = (
        _history(params) if not is_twin and is_history(params.source) else _subset(params)
    )
    parts = [plays] if has_listeners(plays) else cut(plays)
    write_parts(PLAYS, parts, made_by="fetch")
    for path, table in ((TRACKS, tracks), (NAMES, known)):
        write_parquet(path, table)
    for sentence in said:
        _say(sentence)


Fetched = tuple["pd.DataFrame", "pd.DataFrame", "pd.DataFrame", list[str]]
"""Plays, tracks, names, and what to say of them."""


def _history(params: Fetch) -> Fetched:
    from skipcast.archive.streaming_history import describe, read_history

    if params.tracks is not None:
        raise SkipcastError(
            f"fetch.tracks must be null for a listener's own history but got {params.tracks}: "
            "nobody has track features for one. Correct params.yaml."
        )
    with console.status("Reading the history"):
        rows = None if params.rows == "all" else params.rows
        history = read_history(params.source, timezone=params.timezone, rows=rows)
    return history.plays, history.tracks, history.names, describe(history)


def _subset(params: Fetch) -> Fetched:
    from skipcast.archive.sample import read_subset
    from skipcast.archive.streaming_history import no_names
    from skipcast.twin.write import write_twin

    with contextlib.ExitStack() as stack:
        source: Path | str = params.source
        if source == "twin":
            source = Path(stack.enter_context(tempfile.TemporaryDirectory()), "mssd")
            with console.status(f"Making {params.twin_sessions} synthetic sessions"):
                write_twin(source, sessions=params.twin_sessions, seed=params.seed)
        rows = sys.maxsize if params.rows == "all" else params.rows or USUAL_ROWS
        plays, tracks = read_subset(source, params.tracks, rows=rows, seed=params.seed)
    is_all = params.rows == "all" or len(plays) >= rows
    fewer = "" if is_all else f", all there are: fewer than {rows}"
    said = (
        f"{len(plays)} plays of {plays['session_id'].nunique()} sessions, {len(tracks)} tracks"
        f"{fewer}{_note(is_synthetic(plays['session_id']))}"
    )
    return plays, tracks, no_names(), [said]


def load() -> None:
    """Load plays and tracks into Postgres; write a receipt of what is there."""
    from skipcast.database.server import connect, place
    from skipcast.database.tables import load_tables
    from skipcast.sessions import has_listeners

    params = read_params().load
    parts, tracks = Parts.read(PLAYS, made_by="fetch"), read_parquet(TRACKS, made_by="fetch")
    plays = parts.whole()
    with console.status("Loading into Postgres"), connect() as connection:
        tables = load_tables(connection, plays, tracks, schema=params.schema_)
    LoadReceipt(
        into="postgres",
        database=place(),
        schema=params.schema_,
        synthetic=is_synthetic(plays["session_id"]),
        listeners=has_listeners(plays),
        tables=tables,
    ).write()
    rows = ", ".join(f"{name} {content.rows}" for name, content in tables.items())
    _say(f"{place()}, schema {params.schema_}: {rows} rows")


def _note(synthetic: bool) -> str:
    return SYNTHETIC_NOTE if synthetic else ""


def _say(text: str) -> None:
    typer.echo(text, err=True)
