"""Folders in which a stage works until what it makes is whole and moved into its place."""

import os
import shutil
from pathlib import Path

RUN = "_run"  # says which run a folder is of; readers of Parquet pass over what begins so


def move_into(source: Path, target: Path) -> None:
    """Move what is in the folder `source` into `target`, over what is there of the same name."""
    target.mkdir(parents=True, exist_ok=True)
    for path in source.iterdir():
        if path.is_dir():
            shutil.rmtree(target / path.name, ignore_errors=True)
        os.replace(path, target / path.name)  # noqa: PTH105 (Path.replace returns a path nobody needs)


def begin(folder: Path, run: str) -> None:
    """Make the folder in which a run works, or go on in it after a kill.

    Args:
        folder: of nothing else.
        run: a fingerprint of all that decides what comes of it. What is there of another run is
            deleted.
    """
    mark = folder / RUN
    if not mark.is_file() or mark.read_text(encoding="utf-8") != run:
        discard(folder)
        folder.mkdir(parents=True)
        mark.write_text(run, encoding="utf-8")


def keep_only(folder: Path, names: set[str]) -> None:
    """Delete what is in the folder of a run but not among `names`."""
    for path in folder.iterdir():
        if path.name not in names | {RUN}:
            discard(path)


def discard(path: Path) -> None:
    """Delete a file or folder, if there is one; after a kill, nothing of it seems to be there."""
    trash = path.with_name(f".{path.name}.trash")
    shutil.rmtree(trash, ignore_errors=True)
    if path.is_dir() and not path.is_symlink():
        os.replace(path, trash)  # noqa: PTH105 (Path.replace returns a path nobody needs)
        shutil.rmtree(trash, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
