"""The commands of the stages that take data in: `fetch` and `load`."""

import shutil
from pathlib import Path

import typer
from rich.console import Console

from skipcast.artifacts import NAMES, PLAYS, TRACKS, LoadReceipt
from skipcast.errors import SkipcastError
from skipcast.files import disk_errors, read_parquet, write_parquet
from skipcast.params import USUAL_ROWS, Fetch, read_params
from skipcast.parts import Parts, write_parts
from skipcast.schema import is_synthetic

WORK = PLAYS.with_name(".fetch")  # what is not finished
console = Console(stderr=True)


def fetch() -> None:
    """Take plays of whole sessions from the twin, official files or listeners' own histories."""
    from skipcast.archive.history_files import is_history
    from skipcast.archive.work import alone_in

    params = read_params().fetch
    is_of_listeners = params.source != "twin" and is_history(params.source)
    with alone_in(PLAYS.parent), disk_errors():
        said = _history(params) if is_of_listeners else _sample(params)
        shutil.rmtree(WORK, ignore_errors=True)
    for sentence in said:
        _say(sentence)


def _history(params: Fetch) -> list[str]:
    """Fetch histories; return what to say of them."""
    from skipcast.archive.streaming_history import describe, read_history

    if params.tracks is not None:
        raise SkipcastError(
            f"fetch.tracks must be null for a listener's own history but got {params.tracks}: "
            "nobody has track features for one. Correct params.yaml."
        )
    with console.status("Reading the history"):
        rows = None if params.rows == "all" else params.rows
        history = read_history(params.source, timezone=params.timezone, rows=rows)
    write_parquet(TRACKS, history.tracks)
    write_parquet(NAMES, history.names)
    write_parts(PLAYS, [history.plays], made_by="fetch")
    return describe(history)


def _sample(params: Fetch) -> list[str]:
    """Fetch official files, or the twin's; return what to say of them."""
    from skipcast.archive.exploding import Sample
    from skipcast.archive.sample import describe, fetch_sample
    from skipcast.archive.streaming_history import no_names

    twin = WORK / "twin"
    rows = None if params.rows == "all" else params.rows or USUAL_ROWS
    source = _twin(params, twin) if params.source == "twin" else params.source
    fetched = fetch_sample(source, params.tracks, Sample(rows, params.seed), PLAYS, WORK / "pieces")
    write_parquet(TRACKS, fetched.tracks)
    write_parquet(NAMES, no_names())
    fetched.publish()
    return describe(fetched, rows)


def _twin(params: Fetch, folder: Path) -> Path:
    """Return where the files of the twin are; make them unless an earlier attempt did."""
    from skipcast.archive.work import begin, fingerprint
    from skipcast.twin.write import write_twin

    sessions, seed = params.twin_sessions, params.seed
    begin(folder, fingerprint(sessions, seed))
    files = folder / "mssd"
    if not files.exists():
        with console.status(f"Making {sessions:,} synthetic sessions"):
            write_twin(files, sessions=sessions, seed=seed)
    return files


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


def _say(text: str) -> None:
    typer.echo(text, err=True)
