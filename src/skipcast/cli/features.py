"""The command of the stage `features`."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from skipcast.artifacts import (
    FEATURES,
    LISTENER_TABLE,
    PLAYS,
    TRACK_TABLE,
    TRACKS,
    FeaturesReceipt,
    LoadReceipt,
)
from skipcast.errors import SkipcastError
from skipcast.files import hash_bytes, hash_code, hash_file, read_parquet, write_parquet
from skipcast.params import Params, Split, read_params
from skipcast.parts import Draft, Parts
from skipcast.schema import Group

if TYPE_CHECKING:  # commands start faster without
    import pandas as pd

    from skipcast.arrays import Labels
    from skipcast.features.counts import TrackCounts

# The code that decides what is in a part.
CODE = ("arrays.py", "column.py", "features", "reading", "schema.py", "sessions.py", "split.py")
console = Console(stderr=True)


def features() -> None:
    """Read the plays part by part; count tracks, then build the features."""
    from skipcast.database.plays import open_plays
    from skipcast.features.build import feature_set

    params, receipt = read_params(), LoadReceipt.read()
    groups = params.features.groups_of(listeners=receipt.listeners)
    _check_groups(groups, params.split, listeners=receipt.listeners)
    plays = Parts.read(PLAYS, made_by="fetch")
    tracks = read_parquet(TRACKS, made_by="fetch")
    with console.status("Reading the plays"), open_plays(receipt, plays) as read:
        stage = _Stage(params, groups, lru_cache(maxsize=1)(read), len(plays))
        counts = stage.count(tracks)
        draft = Draft.open(FEATURES, made_by="features", run=_run(params, receipt, groups))
        for number in range(len(plays)):
            if not draft.has(number):
                draft.write(number, stage.table(number, counts))
    features = draft.publish(len(plays))
    FeaturesReceipt(
        hash=features.hash,
        track_table=hash_file(TRACK_TABLE),
        listener_table=hash_file(LISTENER_TABLE),
        tables=receipt.tables,
        horizon=params.features.horizon,
        skip=params.features.skip,
        groups=groups,
        split=params.split,
    ).write()
    names = feature_set(params.features.horizon, groups).names
    horizon = params.features.horizon
    typer.echo(f"{features.rows} plays, {len(names)} features, horizon {horizon}", err=True)


@dataclass(frozen=True)
class _Stage:
    """What the stage does for each part of the plays."""

    params: Params
    groups: Sequence[Group]
    read: "Callable[[int], pd.DataFrame]"  # the plays of a part with their track features
    parts: int

    def _part(self, number: int) -> "tuple[pd.DataFrame, Labels]":
        from skipcast.features.table import with_label
        from skipcast.split import split_sessions

        plays = with_label(self.read(number), self.params.features.skip)
        return plays, split_sessions(plays, self.params.split)

    def count(self, tracks: "pd.DataFrame") -> "TrackCounts":
        """Count tracks and listeners over all parts; write what models will know of them."""
        import pandas as pd

        from skipcast.features.counts import TrackCounts, add_counts
        from skipcast.features.listener_counts import count_listeners
        from skipcast.split import TRAIN

        counts = TrackCounts(pd.Index(tracks["track_id"]), seed=self.params.split.seed)
        listeners = []
        for number in range(self.parts):
            plays, parts = self._part(number)
            counts.add(plays, parts == TRAIN)
            listeners.append(count_listeners(plays, parts == TRAIN)[1])
        write_parquet(TRACK_TABLE, add_counts(tracks, counts.table()))
        write_parquet(LISTENER_TABLE, pd.concat(listeners, ignore_index=True))
        return counts

    def table(self, number: int, counts: "TrackCounts") -> "pd.DataFrame":
        """Return the features of a part."""
        from skipcast.features.listener_counts import count_listeners
        from skipcast.features.table import feature_table
        from skipcast.split import TRAIN

        plays, parts = self._part(number)
        known = (counts.known(plays, parts == TRAIN), count_listeners(plays)[0])
        horizon = self.params.features.horizon
        return feature_table(plays.join([*known]), horizon, self.groups, parts=parts)


def _run(params: Params, receipt: LoadReceipt, groups: Sequence[Group]) -> str:
    """Return a fingerprint of all that decides what is in the parts."""
    about = {
        "params": [params.features.model_dump(), params.split.model_dump(), groups],
        "tables": receipt.model_dump()["tables"],
        "code": hash_code(*CODE),
    }
    return hash_bytes(json.dumps(about, sort_keys=True).encode())


def _check_groups(groups: Sequence[Group], split: Split, *, listeners: bool) -> None:
    if "track_history" in groups and listeners and split.by in (None, "time"):
        raise SkipcastError(
            "features.groups must not have track_history where sessions are split by time, as its "
            "counts would know later sessions, but has it. Remove it, or set split.by to session."
        )
