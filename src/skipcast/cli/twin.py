"""The command `skipcast twin`: write synthetic data, or compare files with the real ones."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from skipcast.errors import SkipcastError

if TYPE_CHECKING:
    from skipcast.twin.check import Row

WIDTH = 110  # columns of the table where there is no terminal; long names then stay on one line
SESSIONS, LISTENERS, PLAYS = 10_000, 18, 300_000


def twin(
    sessions: Annotated[
        int | None, typer.Option(help=f"How many sessions to write; {SESSIONS:,} if left out.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same bytes.")] = 0,
    out: Annotated[Path | None, typer.Option(help="New folder to write to.")] = None,
    parts: Annotated[
        bool, typer.Option("--parts", help="Name the files as the full set's, not the mini set's.")
    ] = False,
    check: Annotated[
        Path | None, typer.Option(help="Folder or archive to compare with what is published.")
    ] = None,
    tracks: Annotated[
        Path | None, typer.Option(help="With --check: the track features, if they are elsewhere.")
    ] = None,
    streaming_history: Annotated[
        bool,
        typer.Option(
            "--streaming-history",
            help="Write or check exports of listeners' own histories instead.",
        ),
    ] = False,
    listeners: Annotated[
        int | None,
        typer.Option(help=f"With --streaming-history: how many exports; {LISTENERS} if left out."),
    ] = None,
    plays: Annotated[
        int | None,
        typer.Option(help=f"With --streaming-history: plays of all; {PLAYS:,} if left out."),
    ] = None,
) -> None:
    """Write the synthetic twin of the data set (--out), or check it or real files (--check)."""
    of_sessions = {"--sessions": sessions, "--parts": parts or None, "--tracks": tracks}
    of_histories = {"--listeners": listeners, "--plays": plays}
    _check_task(out, check, kind=" --streaming-history" if streaming_history else "")
    _check_given(of_sessions if streaming_history else of_histories, histories=streaming_history)
    if streaming_history:
        _histories(out, check, listeners=listeners, plays=plays, seed=seed)
    elif out is not None:
        _write_sessions(out, SESSIONS if sessions is None else sessions, seed=seed, parts=parts)
    elif check is not None:
        from skipcast.twin.check import check as check_sessions

        _show(*check_sessions(check, tracks))


def _check_task(out: Path | None, check: Path | None, *, kind: str) -> None:
    if (out is None) == (check is None):
        raise SkipcastError(
            "The command must be given one of --out and --check but got "
            f"{'neither' if out is None else 'both'}. Run `skipcast twin{kind} --out FOLDER` "
            f"first, then `skipcast twin{kind} --check FOLDER`."
        )


def _check_given(others: Mapping[str, object], *, histories: bool) -> None:
    """Refuse options of the other kind of data."""
    given = [name for name, value in others.items() if value is not None]
    if given:
        raise SkipcastError(
            f"{given[0]} must be given {'without' if histories else 'with'} --streaming-history "
            f"but is given {'with' if histories else 'without'} it. "
            f"{'Leave one of them out' if histories else 'Add --streaming-history'}."
        )


def _write_sessions(out: Path, sessions: int, *, seed: int, parts: bool) -> None:
    from skipcast.twin.write import write_twin

    console = Console()
    with console.status(f"Making {sessions:,} synthetic sessions"):
        write_twin(out, sessions=sessions, seed=seed, parts=parts)
    console.print(f"Wrote {sessions:,} synthetic sessions to {out}.", highlight=False)


def _histories(
    out: Path | None, source: Path | None, *, listeners: int | None, plays: int | None, seed: int
) -> None:
    """Write exports to `out`, or check those at `source`; exit code 1 if any statistic is off."""
    if out is not None:
        from skipcast.twin.export import write_exports

        listeners = LISTENERS if listeners is None else listeners
        plays = PLAYS if plays is None else plays
        console = Console()
        with console.status(f"Making {plays:,} synthetic plays"):
            paths = write_exports(out, listeners=listeners, plays=plays, seed=seed)
        zips = "1 zip" if len(paths) == 1 else f"{len(paths)} zips, one a listener,"
        console.print(f"Wrote {plays:,} synthetic plays as {zips} to {out}.", highlight=False)
    if source is not None:
        from skipcast.twin.export_check import check_exports

        rows, synthetic = check_exports(source)
        _show(rows, synthetic)
        if any(row.off for row in rows):
            raise typer.Exit(1)


def _show(rows: "list[Row]", synthetic: bool) -> None:
    from skipcast.twin.check import render

    console = Console()
    width = None if console.is_terminal else WIDTH
    console.print(render(rows, synthetic=synthetic), width=width)
