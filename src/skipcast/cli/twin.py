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
    test_set: Annotated[
        Path | None,
        typer.Option(help="Folder to write half sessions to, as the challenge's, and their truth."),
    ] = None,
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
    """Write the synthetic twin (--out) or its test set (--test-set), or check files (--check)."""
    of_sessions = {
        "--sessions": sessions,
        "--parts": parts or None,
        "--tracks": tracks,
        "--test-set": test_set,
    }
    of_histories = {"--listeners": listeners, "--plays": plays}
    tasks = {"--out": out, "--test-set": test_set, "--check": check}
    _check_task(tasks, kind=" --streaming-history" if streaming_history else "")
    _check_given(of_sessions if streaming_history else of_histories, histories=streaming_history)
    if test_set is not None and parts:
        raise SkipcastError(
            "--parts must be given with --out but is given with --test-set, whose files are always "
            "named as the full set's. Leave it out."
        )
    if streaming_history:
        _histories(out, check, listeners=listeners, plays=plays, seed=seed)
    elif test_set is not None:
        _write_test_set(test_set, SESSIONS if sessions is None else sessions, seed=seed)
    elif out is not None:
        _write_sessions(out, SESSIONS if sessions is None else sessions, seed=seed, parts=parts)
    elif check is not None:
        from skipcast.twin.check import check as check_sessions

        _show(*check_sessions(check, tracks))


def _check_task(tasks: Mapping[str, Path | None], *, kind: str) -> None:
    given = [name for name, path in tasks.items() if path is not None]
    if len(given) != 1:
        raise SkipcastError(
            f"The command must be given one of {', '.join(tasks)} but got "
            f"{' and '.join(given) or 'none of them'}. Run `skipcast twin{kind} --out FOLDER` "
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


def _write_test_set(folder: Path, sessions: int, *, seed: int) -> None:
    from skipcast.twin.challenge import TRUTH, write_test_set

    console = Console()
    with console.status(f"Making {sessions:,} synthetic half sessions"):
        write_test_set(folder, sessions=sessions, seed=seed)
    text = f"Wrote {sessions:,} synthetic half sessions and {TRUTH}, their outcomes, to {folder}."
    console.print(text, highlight=False)


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
