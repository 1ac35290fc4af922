"""Plays and features as promotions read them: in parts on disk, cut wherever a test likes."""

from pathlib import Path

import numpy as np
import pandas as pd

from skipcast.params import Params
from skipcast.parts import write_parts
from skipcast.promotion.sources import Sources
from skipcast.schema import LOG, names


def make_sources(
    folder: Path,
    plays: pd.DataFrame,
    features: pd.DataFrame,
    tracks: pd.DataFrame,
    params: Params,
    *,
    parts: int = 1,
) -> Sources:
    """Write plays and features in parts of about equally many sessions.

    Args:
        folder: to write into.
        plays: raw plays, with columns of their tracks or without.
        features: what the stage `features` makes of them.
        tracks: columns `schema.TRACK`.
        params: all of them.
        parts: their number.
    """
    ids = pd.concat([plays["session_id"], features["session_id"]]).unique()
    numbers = pd.Series(np.arange(len(ids)) * parts // len(ids), index=ids)
    tables = {"plays": plays[[n for n in names(LOG) if n in plays]], "features": features}
    written = {}
    for name, table in tables.items():
        number = table["session_id"].map(numbers)
        cut = (table[number == part].reset_index(drop=True) for part in range(parts))
        written[name] = write_parts(folder / "data" / name, cut, made_by=name)
    return Sources(written["plays"], written["features"], tracks, params)
