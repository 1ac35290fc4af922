"""Frames loaded into Postgres as the stage `load` does with parts."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from skipcast.artifacts import TableFingerprint
from skipcast.database.loading import load_tables
from skipcast.database.server import connect_several
from skipcast.parts import write_parts


def load_frames(
    parts: Sequence[pd.DataFrame], tracks: pd.DataFrame, *, schema: str, connections: int = 1
) -> dict[str, TableFingerprint]:
    """Load plays, one frame a part, and tracks; return the fingerprint of the tables."""
    with tempfile.TemporaryDirectory() as folder, connect_several(connections) as opened:
        plays = write_parts(Path(folder, "plays"), parts, made_by="fetch")
        return load_tables(opened, plays, [tracks], schema=schema)
