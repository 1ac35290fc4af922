"""A listener's history: what became of the listener's plays, tracks and artists before.

It is counted by time: a play knows the sessions of its listener that came before its own, whatever
part they are of. So no play knows an outcome of its own session or of a later one. A play that the
app cut has no outcome and does not count.

What is counted are columns of a play, as counts of tracks are, and the group `listener_history`
makes features of them. A model carries a table of the same values. It is the same look-up, as of a
moment behind the last session: so the next session of a listener has the same bits by the table.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from skipcast.arrays import Array, Bools, Floats, Indices
from skipcast.features.columns import Columns
from skipcast.features.groups.signals import full_listen, skipped
from skipcast.schema import LISTENER_KEYS

RECENT = 20  # plays of a key that its recent skip rate is of, at most: the last ones
HALF_LIFE = 5  # plays, after which an outcome weighs half as much
WHOLE = ("plays", "skips", "full_listens")
VALUES = (*WHOLE, "recent_skip_rate", "last_skipped", "last_at")
"""What is known of a key: the columns of a play are these behind the names of `LISTENER_KEYS`."""
COLUMNS = {key: tuple(f"{key}_{name}" for name in VALUES) for key in LISTENER_KEYS}
"""The names of `schema.LISTENER_COUNTS` by key, in the order of `VALUES`."""
KINDS = {key: key.removeprefix("listener_") for key in LISTENER_KEYS}
"""What a table calls the keys: listener, track, artist."""
IDS = ("kind", "listener_id", "key")
TABLE = (*IDS, *VALUES)
"""The columns of a table; `key` is the id of a track or an artist, null of kind listener."""


def count_listeners(
    plays: pd.DataFrame, is_train: Bools | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Count what listeners did before each play, and until now.

    Args:
        plays: whole sessions with their outcomes, in order of position; columns `schema.LOG`. The
            ids of a listener's sessions are in order of time.
        is_train: whether the session of a play is one that the table may know; None: all are.

    Returns:
        What each play may know: a row per play with its index, columns `schema.LISTENER_COUNTS`;
        flags are 0 or 1, and what is not known is NaN. And what plays to come may know: a row for
        each listener, track and artist with a play that counts, columns `TABLE`, sorted.
    """
    session = pd.factorize(plays["session_id"], sort=True)[0]
    columns = Columns(plays)
    outcomes = np.stack([skipped(columns), full_listen(columns), columns["started_at"]])
    counts = ~np.isnan(outcomes[0])
    known: dict[str, Array] = {}
    tables = []
    for key, keys in _keys_of(plays).items():
        history = _History.of(keys.codes, session, outcomes, counts)
        values = history.before(keys.codes, session)
        known |= dict(zip(COLUMNS[key], map(_typed, VALUES, values), strict=True))
        if is_train is not None:
            history = _History.of(keys.codes, session, outcomes, counts & is_train)
        tables.append(_table(KINDS[key], keys, history))
    return pd.DataFrame(known, plays.index), pd.concat(tables, ignore_index=True)


@dataclass(frozen=True)
class _Keys:
    """The keys of one kind.

    Attributes:
        codes: number of each play's key, -1 where the play has none.
        listeners: the listener of each key; the keys are sorted.
        ids: the track or artist of each key, None of kind listener.
    """

    codes: Indices
    listeners: Array
    ids: Array


def _keys_of(plays: pd.DataFrame) -> dict[str, _Keys]:
    listener, listeners = _factorize(plays["listener_id"])
    of_listener = _Keys(listener, listeners, np.full(len(listeners), None, object))
    track, artist = (_factorize(plays[name]) for name in ("track_id_clean", "artist_id"))
    every = (of_listener, *(_pairs(of_listener, *ids) for ids in (track, artist)))
    return dict(zip(LISTENER_KEYS, every, strict=True))


def _factorize(ids: pd.Series) -> tuple[Indices, Array]:
    codes, uniques = pd.factorize(ids, sort=True)
    return codes, np.asarray(uniques, object)


def _pairs(listeners: _Keys, codes: Indices, ids: Array) -> _Keys:
    """Return the keys of a listener's tracks or artists."""
    size = max(len(ids), 1)
    is_key = (listeners.codes >= 0) & (codes >= 0)
    numbers = listeners.codes[is_key] * size + codes[is_key]
    pairs = np.full(len(codes), -1, np.intp)
    pairs[is_key], uniques = pd.factorize(numbers, sort=True)
    return _Keys(pairs, listeners.listeners[uniques // size], ids[uniques % size])


@dataclass(frozen=True)
class _History:
    """The plays that count, in order of key and time.

    Attributes:
        sessions: the number of sessions, a moment behind all of them.
        at: key * sessions + session of each play, ascending.
        sums: 2 x (plays + 1), how many plays before each were skips and full listens.
        last: 3 x (plays + 1): recent skip rate after each play, whether it was skipped, and when
            it started; NaN at the end.
    """

    sessions: int
    at: Indices
    sums: Indices
    last: Floats

    @classmethod
    def of(cls, keys: Indices, session: Indices, outcomes: Floats, counts: Bools) -> "_History":
        """Sort plays.

        Args:
            keys: of each play, 0 or more; -1 if it has none.
            session: of each play, 0 or more, in order of time for each key.
            outcomes: 3 x plays: whether it was skipped, was a full listen, and when it started.
            counts: whether a play counts.
        """
        sessions = int(session.max(initial=-1)) + 1
        rows = np.flatnonzero(counts & (keys >= 0))
        at = keys[rows] * sessions + session[rows]
        order = np.argsort(at, kind="stable")
        rows, at = rows[order], at[order]
        sums = np.zeros((2, len(rows) + 1), np.intp)
        np.cumsum(outcomes[:2, rows] == 1, axis=1, out=sums[:, 1:])
        was_skipped, started = outcomes[0, rows], outcomes[2, rows]
        place = np.arange(len(rows)) - np.searchsorted(at, keys[rows] * sessions)
        last = np.full((3, len(rows) + 1), np.nan)
        last[:, :-1] = recent_rate(was_skipped, place), was_skipped, started
        return cls(sessions, at, sums, last)

    def before(self, keys: Indices, session: Indices | int) -> Floats:
        """Return what is known of each key before a session: `VALUES` x keys."""
        start, stop = (np.searchsorted(self.at, keys * self.sessions + s) for s in (0, session))
        skips, full_listens = self.sums[:, stop] - self.sums[:, start]
        last = self.last[:, np.where(stop > start, stop - 1, -1)]
        return np.stack([stop - start, skips, full_listens, *last])


def recent_rate(was_skipped: Floats, place: Indices) -> Floats:
    """Return the skip rate of the last plays of a key, up to each play and with it, 0..1.

    The outcome of so many plays ago weighs 0.5 ** (plays / `HALF_LIFE`); the last `RECENT` count.
    So a rate depends on these outcomes alone, and has the same bits however it is computed.

    Args:
        was_skipped: of each play, 0 or 1, in order of key and time.
        place: how many plays of the same key came before.

    >>> recent_rate(np.array([1.0, 0.0, 0.0]), np.array([0, 1, 0])).round(3)
    array([1.   , 0.465, 0.   ])
    """
    skips, plays = np.zeros((2, len(place)))
    for lag in range(min(RECENT, len(place))):
        weight = (place[lag:] >= lag) * 0.5 ** (lag / HALF_LIFE)
        skips[lag:] += weight * was_skipped[: len(place) - lag]
        plays[lag:] += weight
    return skips / plays


def _typed(name: str, values: Floats) -> Array:
    return values.astype(np.int64) if name in WHOLE else values


def _table(kind: str, keys: _Keys, history: _History) -> pd.DataFrame:
    values = history.before(np.arange(len(keys.ids)), history.sessions)
    rows = values[0] > 0
    ids = {"kind": kind, "listener_id": keys.listeners[rows], "key": keys.ids[rows]}
    columns = zip(VALUES, map(_typed, VALUES, values[:, rows]), strict=True)
    table = pd.DataFrame(ids | dict(columns))
    texts = dict.fromkeys(IDS, "str")
    return table.astype(texts | {"last_skipped": bool, "last_at": "Int64"})[[*TABLE]]
