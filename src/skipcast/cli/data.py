"""The commands of the stages that take data in: `fetch` and `load`."""

from functools import partial
from pathlib import Path

import typer
from rich.console import Console

from skipcast.artifacts import NAMES, PLAYS, TRACKS, LoadReceipt, TableFingerprint
from skipcast.cli.pool import open_workers
from skipcast.errors import SkipcastError
from skipcast.files import check_columns, disk_errors, read_batches, write_parquet
from skipcast.folders import begin, discard, keep_only
from skipcast.params import USUAL_ROWS, Fetch, Load, Params, read_params
from skipcast.parts import Parts, write_parts
from skipcast.processes import cpu_count
from skipcast.schema import LOG, TRACK, is_synthetic, names

FILE_SESSIONS = 50_000  # of a file of a large twin; several processes read it
WORK = PLAYS.with_name(".fetch")  # what is not finished
CONNECTIONS = 8  # at most: more take a server's room and no less time
TRACK_ROWS = 100_000  # that are in memory at once
console = Console(stderr=True)


def fetch() -> None:
    """Take plays of whole sessions from the twin, official files or listeners' own histories."""
    from skipcast.archive.history_files import is_history
    from skipcast.archive.work import alone_in

    all_params = read_params()
    params = all_params.fetch
    is_of_listeners = params.source != "twin" and is_history(params.source)
    with alone_in(PLAYS.parent), disk_errors():
        said = _history(params) if is_of_listeners else _sample(all_params)
        discard(WORK)
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


def _sample(all_params: Params) -> list[str]:
    """Fetch official files, or the twin's; return what to say of them."""
    from skipcast.archive.exploding import Sample
    from skipcast.archive.sample import describe, fetch_sample
    from skipcast.archive.source import expand
    from skipcast.archive.streaming_history import no_names

    params, twin = all_params.fetch, WORK / "twin"
    rows = None if params.rows == "all" else params.rows or USUAL_ROWS
    source = _twin(params, twin) if params.source == "twin" else params.source
    paths = [expand(path) for path in (source, params.tracks) if path is not None]
    fetched = fetch_sample(
        source,
        params.tracks,
        Sample(rows, params.seed),
        PLAYS,
        WORK / "pieces",
        open_workers=partial(open_workers, all_params.cluster, paths=paths),
    )
    write_parquet(TRACKS, fetched.tracks)
    write_parquet(NAMES, no_names())
    fetched.publish()
    return describe(fetched, rows)


def _twin(params: Fetch, folder: Path) -> Path:
    """Return where the files of the twin are; make them unless an earlier attempt did."""
    from skipcast.archive.work import fingerprint
    from skipcast.twin.write import write_twin

    sessions, seed = params.twin_sessions, params.seed
    begin(folder, fingerprint(sessions, seed))
    files = folder / "mssd"
    keep_only(folder, {files.name})
    if not files.exists():
        with console.status(f"Making {sessions:,} synthetic sessions"):
            write_twin(files, sessions=sessions, seed=seed, file_sessions=FILE_SESSIONS)
    return files


def load() -> None:
    """Load plays and tracks into Postgres, unless params want none; write a receipt."""
    from skipcast.database.server import place

    params = read_params().load
    plays = Parts.read(PLAYS, made_by="fetch")
    check_columns(TRACKS, names(TRACK), made_by="fetch")
    synthetic, listeners = _kinds(plays)
    tables = _leave_in_files(plays) if params.into == "none" else _load(params, plays)
    database = None if params.into == "none" else place()
    LoadReceipt(
        into=params.into,
        database=database,
        schema=params.schema_,
        synthetic=synthetic,
        listeners=listeners,
        tables=tables,
    ).write()
    rows = ", ".join(f"{name} {content.rows}" for name, content in tables.items())
    where = f"{database}, schema {params.schema_}" if database else "no database, only files"
    _say(f"{where}: {rows} rows")


def _leave_in_files(plays: Parts) -> dict[str, TableFingerprint]:
    from skipcast.database.tables import fingerprint_files

    return fingerprint_files(plays, TRACKS)


def _load(params: Load, plays: Parts) -> dict[str, TableFingerprint]:
    from skipcast.database.loading import load_tables
    from skipcast.database.server import connect_several, place

    wanted = min(cpu_count(), CONNECTIONS, len(plays))
    with console.status("Loading into Postgres"), connect_several(wanted) as connections:
        if len(connections) < wanted:
            _say(
                f"{place()} has room for {len(connections)} of {wanted} connections beside one "
                "that is left free: loading takes longer."
            )
        tracks = read_batches(TRACKS, TRACK_ROWS, made_by="fetch")
        return load_tables(connections, plays, tracks, schema=params.schema_)


def _kinds(plays: Parts) -> tuple[bool, bool]:
    """Tell whether any plays are the twin's, and whether any are of listeners' own histories.

    Raises:
        SkipcastError: a part is missing or damaged, or lacks a column.
    """
    from skipcast.sessions import has_listeners

    synthetic = listeners = False
    for number in range(len(plays)):
        check_columns(plays.path(number), names(LOG), made_by=plays.made_by)
        part = plays.part(number, ["session_id", "listener_id"])
        synthetic = synthetic or is_synthetic(part["session_id"].unique())
        listeners = listeners or has_listeners(part)
    return synthetic, listeners


def _say(text: str) -> None:
    typer.echo(text, err=True)
