"""Every feature, once: the `features` stage, the server and the tests call `build_features`.

A feature is a function of two views. `now` is the present play, seen only through the columns that
the horizon knows of it; `before` is the play before it in its session, already shifted. Neither can
show what is not yet known: reading another column of the present play raises `LookAheadError`.

A function's name is its column's name, its docstring the data dictionary, and the order of
`FEATURES` the order of the columns.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd

from skipcast.schema import HORIZONS, MODES, TARGET, TRACK_INPUTS, Horizon
from skipcast.sessions import check_positions

Floats = npt.NDArray[np.float64]
KEY_COLUMNS = ("session_id", "session_position")


class LookAheadError(Exception):
    """A feature asked for a column of the present play that its horizon does not know yet."""


class Present:
    """The present play: the columns that the horizon knows of it, one value per row.

    >>> plays = pd.DataFrame({"tempo": [120.0], "skip_2": [True]})
    >>> Present(plays, "started")["tempo"]
    array([120.])
    >>> Present(plays, "started")["skip_2"]
    Traceback (most recent call last):
    skipcast.features.LookAheadError: A feature of horizon started must not read skip_2 of the \
present play: it is not yet known.
    """

    def __init__(self, plays: pd.DataFrame, horizon: Horizon) -> None:
        self._plays = plays
        self._horizon = horizon

    def __getitem__(self, column: str) -> Floats:
        """Return the column as numbers.

        Raises:
            LookAheadError: the horizon does not know it.
        """
        if column not in HORIZONS[self._horizon]:
            raise LookAheadError(
                f"A feature of horizon {self._horizon} must not read {column} of the present "
                "play: it is not yet known."
            )
        return _numbers(self._plays[column])


class Past:
    """The play before, in the same session: any column, NaN where there is none.

    A column that the horizon knows before a track is played is that of the row before. One that is
    known only later (an outcome) is that of the last play whose end the horizon has seen: the row
    before, too, but for `second_half` the last play of the session's first half.
    """

    def __init__(self, plays: pd.DataFrame, horizon: Horizon) -> None:
        self._plays = plays
        self._ahead = HORIZONS[horizon]
        positions = plays["session_position"].to_numpy()
        rows = np.arange(len(plays))
        self._row_before = np.where(positions > 1, rows - 1, -1)
        self._last_ended = self._row_before
        if horizon == "second_half":
            half = plays["session_length"].to_numpy() // 2
            last = rows - (positions - half)
            self._last_ended = np.where(positions > half, last, self._row_before)

    def __getitem__(self, column: str) -> Floats:
        """Return the column as numbers, NaN where the session has no such play yet."""
        source = self._row_before if column in self._ahead else self._last_ended
        values = np.append(_numbers(self._plays[column]), np.nan)
        return values[source]  # -1 takes the NaN at the end


Feature = Callable[[Present, Past], Floats]


def _numbers(column: pd.Series) -> Floats:
    if column.name == "mode":
        column = column.map({mode: code for code, mode in enumerate(MODES)})
    return np.asarray(column.to_numpy(np.float64, na_value=np.nan), np.float64)


def position(now: Present, before: Past) -> Floats:
    """Position of the play in its session: 1, 2, 3, ..."""
    return now["session_position"]


def previous_skipped(now: Present, before: Past) -> Floats:
    """Whether the last play that ended was skipped: 0 or 1; NaN at the first play."""
    return before[TARGET]


def _this(column: str) -> Feature:
    def feature(now: Present, before: Past) -> Floats:
        return now[column]

    feature.__name__ = column
    feature.__doc__ = f"`{column}` of this play's track; NaN if the track is unknown."
    return feature


def _previous(column: str) -> Feature:
    def feature(now: Present, before: Past) -> Floats:
        return before[column]

    feature.__name__ = f"previous_{column}"
    feature.__doc__ = f"`{column}` of the previous play's track; NaN at the first play."
    return feature


FEATURES: tuple[Feature, ...] = (
    *map(_this, TRACK_INPUTS),
    *map(_previous, TRACK_INPUTS),
    previous_skipped,
    position,
)
NAMES: tuple[str, ...] = tuple(feature.__name__ for feature in FEATURES)


def build_features(plays: pd.DataFrame, horizon: Horizon) -> pd.DataFrame:
    """Compute the features of every play from what `horizon` knows.

    Args:
        plays: whole histories, sessions in one run of rows each and in order of position; columns
            of `schema.LOG` and `schema.TRACK`, numbers, booleans or missing.
        horizon: what is known when the prediction is made.

    Returns:
        A row per play, with its index; columns `NAMES`, float32.

    Raises:
        SkipcastError: a session's positions do not count 1, 2, 3, ...
    """
    check_positions(plays)
    now, before = Present(plays, horizon), Past(plays, horizon)
    values = np.empty((len(FEATURES), len(plays)), np.float32)
    for row, feature in zip(values, FEATURES, strict=True):
        row[:] = feature(now, before)
    return pd.DataFrame(values.T, index=plays.index, columns=list(NAMES), copy=False)


def predicted(plays: pd.DataFrame, horizon: Horizon) -> npt.NDArray[np.bool_]:
    """Tell which plays the horizon predicts: all, or for `second_half` those of that half.

    >>> plays = pd.DataFrame({"session_position": [1, 2, 3], "session_length": 3})
    >>> predicted(plays, "second_half")
    array([False,  True,  True])
    """
    if horizon != "second_half":
        return np.ones(len(plays), dtype=bool)
    return (2 * plays["session_position"] > plays["session_length"]).to_numpy(dtype=bool)
