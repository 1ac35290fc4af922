"""Synthetic exports of one listener as of two days, the later one with all that the earlier has."""

import json
import zipfile
from pathlib import Path

from harness.archives import write_zip
from skipcast.twin.export import write_exports

SHARE = 0.9  # of the rows that the earlier export has


def two_exports(folder: Path, *, plays: int, seed: int) -> tuple[Path, Path]:
    """Write an export and one as it was before its last plays; return the paths, earlier first."""
    (later,) = write_exports(folder / "exports", listeners=1, plays=plays, seed=seed)
    with zipfile.ZipFile(later) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    rows = {name: json.loads(content) for name, content in files.items() if name.endswith(".json")}
    ends = sorted(row["ts"] for of_file in rows.values() for row in of_file)
    day = ends[int(SHARE * len(ends))]
    before = {
        name: json.dumps([row for row in of_file if row["ts"] < day]).encode()
        for name, of_file in rows.items()
    }
    return write_zip(folder / "earlier.zip", files | before), later
