"""The command `skipcast twin`: write the synthetic data set, or compare files with the real one."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from skipcast.errors import SkipcastError

WIDTH = 110  # columns of the table where there is no terminal; long names then stay on one line


def twin(
    sessions: Annotated[int, typer.Option(help="How many sessions to write.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Same seed, same bytes.")] = 0,
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
) -> None:
    """Write the synthetic twin of the data set (--out), or check it or real files (--check)."""
    if (out is None) == (check is None):
        raise SkipcastError(
            "The command must be given one of --out and --check but got "
            f"{'neither' if out is None else 'both'}. Run `skipcast twin --out FOLDER` first, then "
            "`skipcast twin --check FOLDER`."
        )
    from skipcast.twin import check as twin_check
    from skipcast.twin.write import write_twin

    console = Console()
    if out is not None:
        with console.status(f"Making {sessions:,} synthetic sessions"):
            write_twin(out, sessions=sessions, seed=seed, parts=parts)
        console.print(f"Wrote {sessions:,} synthetic sessions to {out}.", highlight=False)
    if check is not None:
        rows, synthetic = twin_check.check(check, tracks)
        width = None if console.is_terminal else WIDTH
        console.print(twin_check.render(rows, synthetic=synthetic), width=width)
