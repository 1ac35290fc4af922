"""The features of some groups under a horizon, and their values for plays."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from skipcast.arrays import Bools, Floats, Matrix
from skipcast.features.columns import Columns
from skipcast.features.feature import Feature, FeatureBlock, FeatureGroup
from skipcast.features.views import Past, Present
from skipcast.schema import Horizon
from skipcast.sessions import check_positions

CHUNK = 1 << 12  # plays computed at a time: what they need stays small and in the cache

Plays = pd.DataFrame | Mapping[str, npt.NDArray[np.generic]]
"""A table of plays, or its columns as arrays by name."""


@dataclass(frozen=True)
class FeatureSet:
    """The features of groups that a horizon can compute, in the order of the columns.

    Raises:
        ValueError: two features have the same name.
    """

    horizon: Horizon
    groups: tuple[FeatureGroup, ...]

    def __post_init__(self) -> None:
        if not self.names.is_unique:
            twice = ", ".join(self.names[self.names.duplicated()])
            raise ValueError(f"Names of features must be unique but got {twice} twice.")

    @cached_property
    def blocks(self) -> tuple[FeatureBlock, ...]:
        """The blocks of features whose columns the horizon knows."""
        every = (block for group in self.groups for block in group)
        return tuple(block for block in every if block.is_known(self.horizon))

    @cached_property
    def features(self) -> tuple[Feature, ...]:
        """The features, one per column."""
        return tuple(feature for block in self.blocks for feature in block.features)

    @cached_property
    def names(self) -> "pd.Index[str]":
        """The names of the columns."""
        return pd.Index([feature.name for feature in self.features])

    @cached_property
    def _columns(self) -> tuple[slice, ...]:
        """The columns of each block."""
        ends = accumulate((len(block.features) for block in self.blocks), initial=0)
        return tuple(slice(*pair) for pair in pairwise(ends))

    def build(self, plays: Plays) -> pd.DataFrame:
        """Compute the features of every play.

        Args:
            plays: whole histories, sessions in one run of rows each and in order of position;
                columns of `schema.LOG` and `schema.TRACK`: numbers, flags, texts, or missing.

        Returns:
            A row per play, with the index of `plays`; a column per feature, float32.

        Raises:
            SkipcastError: a session's positions do not count 1, 2, 3, ...
        """
        columns = Columns(plays)
        check_positions(columns.raw("session_id"), columns["session_position"])
        index = plays.index if isinstance(plays, pd.DataFrame) else None
        return pd.DataFrame(self.compute(plays), index, self.names, copy=False)

    def compute(self, plays: Plays, asked: Bools | None = None) -> Matrix:
        """Return what `build` does, plays x features, for plays whose positions were checked.

        Args:
            plays: as for `build`.
            asked: which plays to return the features of; None: of all.
        """
        positions = Columns(plays)["session_position"]
        count = len(positions) if asked is None else int(asked.sum())
        values = np.empty((len(self.features), count), np.float32)
        first = 0
        for rows in _chunks(positions):
            chosen = None if asked is None else np.flatnonzero(asked[rows])
            history = Columns(plays, rows)
            present = history if chosen is None else Columns(plays, rows.start + chosen)
            before = Past(history, self.horizon, chosen)
            places = slice(first, first := first + len(before.count))
            for columns, block in zip(self._columns, self.blocks, strict=True):
                ahead = before.ahead(block.ahead) if block.ahead else None
                now = Present(present, block.reads, ahead)
                if block.reads or block.ahead:
                    values[columns, places] = block.compute(now, before)
                else:
                    values[columns, places] = before.each(block.compute(now, before.once).T).T
        return values.T


def _chunks(positions: Floats) -> list[slice]:
    """Cut rows into runs of whole sessions of about `CHUNK` plays.

    >>> _chunks(np.array([1.0, 2.0, 1.0]))
    [slice(0, 3, None)]
    """
    if len(positions) <= CHUNK:
        return [slice(0, len(positions))]
    starts = np.append(np.flatnonzero(positions == 1), len(positions))
    aims = np.arange(CHUNK, len(positions), CHUNK)
    cuts = np.unique(starts[np.searchsorted(starts, aims)])
    edges = [0, *cuts[cuts < len(positions)].tolist(), len(positions)]
    return [slice(*edge) for edge in pairwise(edges)]
