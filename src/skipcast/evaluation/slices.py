"""Slices of plays: by position, context, subscription, shuffle and listener."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from skipcast.arrays import Indices
from skipcast.schema import HORIZONS, SHUFFLE, HorizonName

LAST_POSITION = (
    20  # of what is shown position by position: the dataset's longest sessions end there
)
POSITION_SLICES = {
    "1": (1, 1), "2": (2, 2), "3-5": (3, 5), "6-10": (6, 10), "11-20": (11, LAST_POSITION),
    "21+": (LAST_POSITION + 1, math.inf),
}  # fmt: skip
LISTENER = "listener"
COLUMN_SLICES = {
    "context_type": "context_type",
    "premium": "premium",
    "shuffle": SHUFFLE,
    LISTENER: "listener_id",
}
POSITION, HALF_PLACE = "position", "place in the half"
KINDS = (POSITION, *COLUMN_SLICES, HALF_PLACE)
"""The kinds of slices that are reported, in their order."""
ALL, PLACE = ("all plays", ""), "place"
"""All plays are a slice, too; and so are those of each place of a session."""

Slice = tuple[str, str]
"""Kind and value, such as `position` and `3-5`."""


@dataclass(frozen=True)
class Coded:
    """The slices of one kind: their values, and the number of each play's, -1 if it is in none."""

    values: tuple[str, ...]
    codes: Indices


def slices_of(plays: pd.DataFrame, horizon: HorizonName) -> dict[str, Coded]:
    """Return which plays are in each slice: by position, context, subscription, shuffle, listener.

    A play is in no slice of a kind that it has no value of. Slices and kinds without any play are
    left out. `PLACE` is the position, or where the challenge scores, that in the second half.

    >>> plays = pd.DataFrame({"session_position": [1, 4], "context_type": None,
    ...     "premium": [True, False], "hist_user_behavior_is_shuffle": False, "listener_id": None})
    >>> slices = slices_of(plays, "started")
    >>> list(slices), slices["position"]
    (['all plays', 'position', 'premium', 'shuffle', 'place'], \
Coded(values=('1', '3-5'), codes=array([0, 1])))
    """
    at = plays["session_position"].to_numpy(np.intp)
    starts = [low for low, _ in POSITION_SLICES.values()]
    names = np.array([*POSITION_SLICES], object)[np.searchsorted(starts, at, side="right") - 1]
    coded = {ALL[0]: Coded(ALL[1:], np.zeros(len(at), np.intp)), POSITION: _coded(names, str)}
    coded |= {kind: _coded(plays[column], _text) for kind, column in COLUMN_SLICES.items()}
    history_length = HORIZONS[horizon].history_length
    if history_length is not None:
        at = at - history_length(plays["session_length"].to_numpy(np.intp))
        coded[HALF_PLACE] = _coded(at, str)
    coded[PLACE] = _coded(at, str)
    return {kind: each for kind, each in coded.items() if each.values}


def _coded(values: Any, name: Callable[[object], str]) -> Coded:
    codes, found = pd.factorize(values, sort=True)
    return Coded(tuple(map(name, found)), codes)


def _text(value: object) -> str:
    """Return how a slice is named after a value; flags with nulls among them are numbers."""
    return value if isinstance(value, str) else str(bool(value)).lower()


def order(where: Slice) -> tuple[int, float, str]:
    """Return what slices are sorted by in reports."""
    kind, value = where
    by_number = kind in (POSITION, PLACE, HALF_PLACE)
    number = float(value.rstrip("+").split("-")[0]) if by_number else 0.0
    return (KINDS.index(kind) if kind in KINDS else 0), number, value
