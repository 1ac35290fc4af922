"""The listeners that a model knows: what each did before, as of the day of the model's table."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from skipcast.arrays import Array, Floats
from skipcast.errors import SkipcastError
from skipcast.features.columns import Layout, Stack
from skipcast.features.listener_counts import KINDS, TABLE, VALUES, WHOLE
from skipcast.schema import LISTENER_KNOWN

LISTENERS = "listeners.parquet"  # the table among a model's files
LAYOUT = Layout(LISTENER_KNOWN)
NEVER_PLAYED = [0.0 if name in WHOLE else np.nan for name in VALUES]


class Listeners:
    """A table of what listeners did, with their tracks and artists, as numbers.

    >>> row = dict(kind="listener", listener_id="me", key=None, plays=2, skips=1, full_listens=1)
    >>> row |= dict(recent_skip_rate=0.5, last_skipped=True, last_at=86_400)
    >>> listeners = Listeners(pa.Table.from_pylist([row]))
    >>> known = listeners.look_up(["me", None], ["t", "t"], ["a", "a"])
    >>> known["listener_plays"], known["listener_track_plays"]
    (array([2., 0.]), array([0., 0.]))
    >>> listeners.until(["me", "you"])
    array(['1970-01-02', None], dtype=object)
    """

    def __init__(self, table: pa.Table) -> None:
        columns = [_numbers(table[name]) for name in VALUES]
        self._values = np.vstack([np.stack(columns, axis=1), NEVER_PLAYED])
        self._rows: dict[str, dict[tuple[str | None, str | None], int]] = {
            kind: {} for kind in KINDS.values()
        }
        ids = (table[name].to_pylist() for name in ("kind", "listener_id", "key"))
        for row, (kind, listener, key) in enumerate(zip(*ids, strict=True)):
            self._rows[kind][listener, key] = row
        latest = table.group_by("listener_id").aggregate([("last_at", "max")])
        self._until = {
            listener: None if at is None else datetime.fromtimestamp(at, UTC).date().isoformat()
            for listener, at in zip(*(column.to_pylist() for column in latest.columns), strict=True)
        }

    def look_up(
        self,
        listeners: Sequence[str | None],
        tracks: Iterable[str | None],
        artists: Iterable[str | None],
    ) -> Stack:
        """Return what is known of the listener, the track and the artist of each play.

        Columns `schema.LISTENER_KNOWN`, a value per play. What was never played has 0 plays; what
        is not known is NaN.
        """
        keys = ([None] * len(listeners), tracks, artists)
        found = [
            [rows.get(pair, -1) for pair in zip(listeners, ids, strict=True)]
            for rows, ids in zip(self._rows.values(), keys, strict=True)
        ]
        values = self._values[np.array(found, np.intp)]  # keys x plays x values
        return Stack(LAYOUT, values.transpose(0, 2, 1).reshape(len(LAYOUT), len(listeners)))

    def until(self, listeners: Iterable[str | None]) -> Array:
        """Return the UTC day of the last known start of each listener's plays, None if unknown."""
        return np.array([self._until.get(listener) for listener in listeners], object)


def _numbers(column: Any) -> Floats:
    return np.asarray(pc.cast(column, pa.float64()).to_numpy(), np.float64)


def read_listeners(path: Path) -> Listeners:
    """Read the listeners of a model from Parquet.

    Raises:
        SkipcastError: the table lacks a column.
    """
    table = pq.read_table(path)
    missing = [name for name in TABLE if name not in table.column_names]
    if missing:
        raise SkipcastError(
            f"{path} must hold what listeners did before but lacks {', '.join(missing)}. "
            "`dvc repro --force search` makes the model anew."
        )
    return Listeners(table)
