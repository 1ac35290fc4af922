"""The command of the stage `features`."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
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
from skipcast.cli.pool import open_workers
from skipcast.errors import SkipcastError
from skipcast.files import (
    hash_code,
    hash_file,
    hash_json,
    read_parquet,
    replacing,
    write_array,
    write_parquet,
)
from skipcast.params import Params, Split, read_params
from skipcast.parts import Draft, PartInfo, Parts
from skipcast.processes import cpu_count
from skipcast.schema import LISTENER_LOG, Group, names
from skipcast.workers import OnStep

if TYPE_CHECKING:  # commands start faster without
    import pandas as pd

    from skipcast.arrays import Labels
    from skipcast.features.counts import TrackCounts

# The code that decides what is in a part.
CODE = ("arrays.py", "column.py", "features", "reading", "schema.py", "sessions.py", "split.py")
# What of plays is counted, and what tells whose and which they are.
COUNTED = [
    *("session_id", "track_id_clean", "skip_1", "skip_2", "skip_3", "not_skipped"),
    *names(LISTENER_LOG),
]
console = Console(stderr=True)


def features() -> None:
    """Read the plays part by part; count tracks, then build the features."""
    from skipcast.database.plays import check_loaded
    from skipcast.features.build import feature_set

    params, receipt = read_params(), LoadReceipt.read()
    groups = params.features.groups_of(listeners=receipt.listeners)
    _check_groups(groups, params.split, listeners=receipt.listeners)
    loaded = Parts.read(PLAYS, made_by="fetch")
    count = len(loaded)
    draft = Draft.open(FEATURES, made_by="features", run=_run(params, receipt, groups, loaded))
    task = Task(params, groups, receipt, draft)
    with (
        console.status("Building the features"),
        check_loaded(receipt, params.load, loaded),
        open_workers(
            params.cluster,
            min(count, cpu_count()),
            variables=["DATABASE_URL"] if receipt.into == "postgres" else [],
        ) as pool,
    ):
        task.gather(pool.run((partial(task.count, number) for number in range(count)), _ignore))
        tasks = (partial(task.make, number) for number in draft.missing(count))
        made = dict(pool.run(tasks, _ignore))
    features = draft.publish(count, made)
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
    count = len(feature_set(params.features.horizon, groups).names)
    horizon = params.features.horizon
    typer.echo(f"{features.rows} plays, {count} features, horizon {horizon}", err=True)


def _ignore(_: int) -> None:
    """A part is one step."""


@dataclass(frozen=True)
class Task:
    """What is done for each part of the plays, in this process or another."""

    params: Params
    groups: Sequence[Group]
    receipt: LoadReceipt
    draft: Draft

    def count(self, number: int, _: OnStep) -> "tuple[TrackCounts, pd.DataFrame]":
        """Count the tracks and listeners of the training sessions of a part."""
        from skipcast.features.counts import TrackCounts
        from skipcast.features.listener_counts import count_listeners
        from skipcast.split import TRAIN

        plays, parts = self._read(number, COUNTED)
        counts = TrackCounts.of(plays, parts == TRAIN, seed=self.params.split.seed)
        return counts, count_listeners(plays, parts == TRAIN)[1]

    def gather(self, counted: "Iterable[tuple[TrackCounts, pd.DataFrame]]") -> None:
        """Add up what `count` returned of all parts; write what models will know."""
        import pandas as pd

        from skipcast.features.counts import TrackCounts, add_counts

        tracks = read_parquet(TRACKS, made_by="fetch")
        listeners = []

        def of_tracks() -> "Iterator[TrackCounts]":
            for counts, table in counted:
                listeners.append(table)
                yield counts

        counts = TrackCounts.total(pd.Index(tracks["track_id"]), of_tracks())
        write_parquet(TRACK_TABLE, add_counts(tracks, counts.table()))
        write_parquet(LISTENER_TABLE, pd.concat(listeners, ignore_index=True))
        with replacing(self._counts) as temporary:
            write_array(temporary, counts.sums)

    def make(self, number: int, _: OnStep) -> tuple[int, PartInfo]:
        """Write the features of a part; return its number, and what it is."""
        from skipcast.features.listener_counts import count_listeners
        from skipcast.features.table import feature_table, join_tracks
        from skipcast.split import TRAIN

        plays, parts = self._read(number)
        tracks, counts = _read_known(self._counts, self._counts.stat().st_mtime_ns)
        known = counts.known(plays, parts == TRAIN, seed=self.params.split.seed)
        plays = join_tracks(plays, tracks).join([known, count_listeners(plays)[0]])
        horizon = self.params.features.horizon
        self.draft.write(number, feature_table(plays, horizon, self.groups, parts=parts))
        return number, self.draft.info(number)

    @property
    def _counts(self) -> Path:
        return self.draft.place.absolute() / "counts.npy"

    def _read(self, number: int, columns: list[str] | None = None) -> "tuple[pd.DataFrame, Labels]":
        """Return columns of the plays of a part, and the part of the split that each is of."""
        from skipcast.database.plays import open_plays
        from skipcast.features.table import with_label
        from skipcast.split import split_sessions

        with open_plays(self.receipt, Parts.read(PLAYS, made_by="fetch")) as loaded:
            plays = with_label(loaded.part(number, columns), self.params.features.skip)
        return plays, split_sessions(plays, self.params.split)


@lru_cache(maxsize=1)  # a process reads it once
def _read_known(path: Path, _written: int) -> "tuple[pd.DataFrame, TrackCounts]":
    """Return the tracks and what was counted of them; `_written` parts files of one path."""
    import numpy as np
    import pandas as pd

    from skipcast.features.counts import TrackCounts

    tracks = read_parquet(TRACKS, made_by="fetch")
    return tracks, TrackCounts(pd.Index(tracks["track_id"]), np.load(path))


def _run(params: Params, receipt: LoadReceipt, groups: Sequence[Group], plays: Parts) -> str:
    """Return a fingerprint of all that decides what is in the parts."""
    about = {
        "params": [params.features.model_dump(), params.split.model_dump(), groups],
        "tables": receipt.model_dump()["tables"],
        "plays": plays.hash,  # which are in which part
        "code": hash_code(*CODE),
    }
    return hash_json(about)


def _check_groups(groups: Sequence[Group], split: Split, *, listeners: bool) -> None:
    if "track_history" in groups and listeners and split.by in (None, "time"):
        raise SkipcastError(
            "features.groups must not have track_history where sessions are split by time, as its "
            "counts would know later sessions, but has it. Remove it, or set split.by to session."
        )
