"""The commands of the stages that make data: `fetch`, `load` and `features`."""

import contextlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from skipcast.artifacts import (
    FEATURES,
    LISTENER_TABLE,
    NAMES,
    PLAYS,
    TRACK_TABLE,
    TRACKS,
    FeaturesReceipt,
    LoadReceipt,
)
from skipcast.errors import SkipcastError
from skipcast.files import hash_file, read_parquet, write_parquet
from skipcast.params import USUAL_ROWS, Fetch, Split, read_params
from skipcast.schema import SYNTHETIC_NOTE, Group, is_synthetic

if TYPE_CHECKING:  # commands start faster without
    import pandas as pd

console = Console(stderr=True)


def fetch() -> None:
    """Take plays of whole sessions from the twin, official files or listeners' own histories."""
    from skipcast.archive.history_files import is_history

    params = read_params().fetch
    is_twin = params.source == "twin"
    plays, tracks, known, said = (
        _history(params) if not is_twin and is_history(params.source) else _subset(params)
    )
    for path, table in ((PLAYS, plays), (TRACKS, tracks), (NAMES, known)):
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
        history = read_history(params.source, timezone=params.timezone, rows=params.rows)
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
        rows = params.rows or USUAL_ROWS
        plays, tracks = read_subset(source, params.tracks, rows=rows, seed=params.seed)
    fewer = "" if len(plays) >= rows else f", all there are: fewer than {rows}"
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
    plays, tracks = (read_parquet(path, made_by="fetch") for path in (PLAYS, TRACKS))
    with console.status("Loading into Postgres"), connect() as connection:
        tables = load_tables(connection, plays, tracks, schema=params.schema_)
    LoadReceipt(
        database=place(),
        schema=params.schema_,
        synthetic=is_synthetic(plays["session_id"]),
        listeners=has_listeners(plays),
        tables=tables,
    ).write()
    rows = ", ".join(f"{name} {content.rows}" for name, content in tables.items())
    _say(f"{place()}, schema {params.schema_}: {rows} rows")


def features() -> None:
    """Read the joined plays from Postgres in session order; count tracks, build the features."""
    from skipcast.database.server import connect
    from skipcast.database.tables import check_receipt, read_plays
    from skipcast.features.counts import add_counts, count_tracks
    from skipcast.features.listener_counts import count_listeners
    from skipcast.features.table import feature_columns, feature_table, with_label
    from skipcast.split import split_sessions

    every = read_params()
    params = every.features
    receipt = LoadReceipt.read()
    groups = params.groups_of(listeners=receipt.listeners)
    _check_groups(groups, every.split, listeners=receipt.listeners)
    tracks = read_parquet(TRACKS, made_by="fetch")
    with console.status("Reading from Postgres"), connect() as connection:
        check_receipt(connection, receipt)
        plays = with_label(read_plays(connection, schema=receipt.schema_), params.skip)
    parts = split_sessions(plays, every.split)
    counts, counts_of_tracks = count_tracks(plays, parts == "train", seed=every.split.seed)
    listened, counts_of_listeners = count_listeners(plays, parts == "train")
    table = feature_table(plays.join([counts, listened]), params.horizon, groups, parts=parts)
    write_parquet(TRACK_TABLE, add_counts(tracks, counts_of_tracks))
    write_parquet(LISTENER_TABLE, counts_of_listeners)
    write_parquet(FEATURES, table)
    FeaturesReceipt(
        hash=hash_file(FEATURES),
        track_table=hash_file(TRACK_TABLE),
        listener_table=hash_file(LISTENER_TABLE),
        tables=receipt.tables,
        horizon=params.horizon,
        skip=params.skip,
        groups=groups,
        split=every.split,
    ).write()
    _say(f"{len(table)} plays, {len(feature_columns(table))} features, horizon {params.horizon}")


def _check_groups(groups: Sequence[Group], split: Split, *, listeners: bool) -> None:
    if "track_history" in groups and listeners and split.by in (None, "time"):
        raise SkipcastError(
            "features.groups must not have track_history where sessions are split by time, as its "
            "counts would know later sessions, but has it. Remove it, or set split.by to session."
        )


def _note(synthetic: bool) -> str:
    return SYNTHETIC_NOTE if synthetic else ""


def _say(text: str) -> None:
    typer.echo(text, err=True)
