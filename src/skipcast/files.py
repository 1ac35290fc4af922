"""Output files that are whole or not there: written beside their place, then moved into it."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from skipcast.errors import SkipcastError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path; on success it becomes `path`, on any failure `path` stays as it was.

    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder, "a.txt")) as temporary:
    ...         _ = temporary.write_text("whole")
    ...     Path(folder, "a.txt").read_text()
    'whole'
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        temporary = Path(folder, path.name)
        yield temporary
        os.replace(temporary, path)  # noqa: PTH105 (Path.replace returns a path nobody needs)


def write_json(path: Path, content: object) -> None:
    """Write `content` to `path` as indented JSON with a stable key order."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read_json(path: Path, *, made_by: str) -> Any:
    """Read `path` as JSON.

    Raises:
        SkipcastError: there is no such file; the message names the stage that makes it.
    """
    return json.loads(existing(path, made_by=made_by).read_text(encoding="utf-8"))


def existing(path: Path, *, made_by: str) -> Path:
    """Return `path`.

    Raises:
        SkipcastError: there is no such file; the message names the stage that makes it.
    """
    if not path.is_file():
        raise SkipcastError(f"{path} must be there but is not. `dvc repro {made_by}` makes it.")
    return path
