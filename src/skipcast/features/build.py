"""Every feature, once: the `features` stage, the server and the tests call `build_features`.

A feature is a function of two views (`views.py`): `now`, the present play, shows only the columns
that the feature declares with `reads`, and a horizon computes only features whose columns it knows;
`before` shows the plays that have ended. A column that no horizon knows cannot be declared.

A function's name is its column's name, its docstring the data dictionary, and the order of `GROUPS`
the order of the columns. Groups with more to them have modules of their own.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import groupby, pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

from skipcast.arrays import Bools, Floats
from skipcast.features.columns import Columns
from skipcast.features.feature import Feature
from skipcast.features.groups.behaviour import BEHAVIOUR
from skipcast.features.groups.context import CONTEXT
from skipcast.features.groups.outcomes import OUTCOMES
from skipcast.features.groups.previous_track import PREVIOUS_TRACK
from skipcast.features.groups.taste import TASTE
from skipcast.features.groups.track import TRACK
from skipcast.features.views import Past, Present
from skipcast.schema import (
    HORIZONS,
    Group,
    HorizonName,
)
from skipcast.sessions import check_positions

CHUNK = 1 << 12  # plays computed at a time: what they need stays small and in the cache
KEY_COLUMNS = ("session_id", "session_position")

GROUPS: dict[Group, tuple[Feature, ...]] = {
    "track": TRACK,
    "context": CONTEXT,
    "outcomes": OUTCOMES,
    "behaviour": BEHAVIOUR,
    "previous_track": PREVIOUS_TRACK,
    "taste": TASTE,
}
ALL: tuple[Group, ...] = tuple(GROUPS)


@cache
def features_of(horizon: HorizonName, groups: tuple[Group, ...] = ALL) -> tuple[Feature, ...]:
    """Return the features of `groups` that `horizon` can compute, in the order of the columns.

    >>> [feature.name for feature in features_of("second_half", ("context",))]
    ['position', 'length']
    """
    chosen = (feature for group in GROUPS if group in groups for feature in GROUPS[group])
    return tuple(feature for feature in chosen if feature.known(horizon))


@cache
def blocks_of(horizon: HorizonName, groups: tuple[Group, ...]) -> tuple[tuple[slice, Feature], ...]:
    """Return runs of features that one function computes: their columns, and all that they read.

    Plain columns are many: one by one, they would take most of the time of a small request.
    """
    blocks = []
    first = 0
    for compute, run in groupby(features_of(horizon, groups), lambda feature: feature.compute):
        members = tuple(run)
        read = frozenset[str]().union(*(feature.reads for feature in members))
        columns = slice(first, first + len(members))
        blocks.append((columns, Feature(members[0].name, "", read, compute)))
        first = columns.stop
    return tuple(blocks)


@cache
def feature_names(horizon: HorizonName, groups: tuple[Group, ...] = ALL) -> "pd.Index[str]":
    """Return the names of `features_of`."""
    return pd.Index([feature.name for feature in features_of(horizon, groups)])


def build_features(
    plays: pd.DataFrame | Mapping[str, npt.NDArray[np.generic]],
    horizon: HorizonName,
    groups: Sequence[Group] = ALL,
) -> pd.DataFrame:
    """Compute the features of every play from what `horizon` knows.

    Args:
        plays: whole histories, sessions in one run of rows each and in order of position; columns
            of `schema.LOG` and `schema.TRACK`: numbers, flags, texts, or missing.
        horizon: what is known when the prediction is made.
        groups: of features, among `GROUPS`.

    Returns:
        A row per play, with the index of `plays`; a column per feature of `features_of`, float32.

    Raises:
        SkipcastError: a session's positions do not count 1, 2, 3, ...
    """
    columns = Columns(plays)
    check_positions(columns.raw("session_id"), columns["session_position"])
    values = compute_features(plays, horizon, tuple(groups))
    index = plays.index if isinstance(plays, pd.DataFrame) else None
    return pd.DataFrame(values, index, feature_names(horizon, tuple(groups)), copy=False)


def compute_features(
    plays: pd.DataFrame | Mapping[str, npt.NDArray[np.generic]],
    horizon: HorizonName,
    groups: tuple[Group, ...],
) -> npt.NDArray[np.float32]:
    """Compute what `build_features` returns, as plays x features, for plays checked before."""
    positions = Columns(plays)["session_position"]
    values = np.empty((len(features_of(horizon, groups)), len(positions)), np.float32)
    for part in _chunks(positions):
        chunk = Columns(plays, part)
        before = Past(chunk, HORIZONS[horizon])
        for columns, feature in blocks_of(horizon, groups):
            values[columns, part] = feature.compute(Present(chunk, feature.reads), before)
    return values.T


def _chunks(positions: Floats) -> list[slice]:
    """Cut rows into runs of whole sessions of about `CHUNK` plays.

    >>> _chunks(np.array([1.0, 2.0, 1.0]))
    [slice(0, 3, None)]
    """
    starts = np.append(np.flatnonzero(positions == 1), len(positions))
    wanted = np.arange(CHUNK, len(positions), CHUNK)
    cuts = np.unique(starts[np.searchsorted(starts, wanted)])
    edges = [0, *cuts[cuts < len(positions)].tolist(), len(positions)]
    return [slice(*edge) for edge in pairwise(edges)]


def predicted(
    plays: pd.DataFrame | Mapping[str, npt.NDArray[np.generic]], horizon: HorizonName
) -> Bools:
    """Tell which plays the horizon predicts: all, or those behind the history of their session.

    >>> plays = pd.DataFrame({"session_position": [1, 2, 3], "session_length": 3})
    >>> predicted(plays, "second_half")
    array([False,  True,  True])
    """
    columns = Columns(plays)
    history_length = HORIZONS[horizon].history_length
    if history_length is None:
        return np.ones(len(columns["session_position"]), dtype=bool)
    return columns["session_position"] > history_length(columns["session_length"])
