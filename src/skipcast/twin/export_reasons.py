"""Why the plays of the synthetic exports start and end: the published shares, as tables.

`export_habits.json` holds the constants of the listeners, fitted to `streaming_stats.json`.
"""

import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import numpy as np

from skipcast.arrays import Counts, Floats

STARTS = (
    "trackdone",
    "fwdbtn",
    "clickrow",
    "backbtn",
    "appload",
    "playbtn",
    "remote",
    "unknown",
    "trackerror",
)
SKIPS = ("fwdbtn", "endplay", "backbtn")  # how a listener ends a play
CUTS = (
    "logout",
    "unexpected-exit-while-paused",
    "unknown",
    "",
    "remote",
    "unexpected-exit",
    "trackerror",
)
ENDS = (*SKIPS, "trackdone", *CUTS)
BRIEF, LATE, DONE, CUT = range(4)  # how far a play got; LATE: ended by hand after 30 s
NONE = len(STARTS)  # no break follows
RESTARTS = 0.15  # share of the other starts after trackdone that are not the first of a session
SKIPS_ELSEWHERE = 0.3  # of the share of a skip's reason, where that after a start is not published
LONGEST = 1.6  # times the 95 % quantile, of seconds played
SHORTEST_TRACK = 45.0  # seconds

# Starts after ends of which nothing is published: with these, the shares of starts are right.
UNPUBLISHED = {
    "unknown": {"unknown": 0.35, "remote": 0.25, "clickrow": 0.2, "appload": 0.1, "trackdone": 0.1},
    "": {"remote": 0.55, "clickrow": 0.2, "unknown": 0.15, "appload": 0.1},
    "trackerror": {"trackerror": 0.7, "trackdone": 0.2, "clickrow": 0.1},
}

Habits = dict[str, Any]


def read_habits() -> Habits:
    """Read the fitted constants of the listeners."""
    return _read("export_habits.json")


def read_stats() -> dict[str, Any]:
    """Read what is published of real histories."""
    return _read("streaming_stats.json")


def _read(name: str) -> dict[str, Any]:
    text = files("skipcast.twin").joinpath(name).read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text)
    return content


def by_start(values: dict[str, float]) -> Floats:
    """Return values in the order of STARTS."""
    return np.array([values[name] for name in STARTS])


def seconds_at(end: str, u: Floats) -> Floats:
    """Return the u-quantile of the seconds played of plays that end so."""
    known = read_stats()["seconds_played_by_reason_end"]
    quantiles = known.get(end, known["logout"])
    u_known = [0.0, *map(float, quantiles), 1.0]
    shortest = SHORTEST_TRACK if end == "trackdone" else 0.0
    values = np.array([shortest, *quantiles.values(), LONGEST * quantiles["0.95"]])
    return np.asarray(np.exp(np.interp(u, u_known, np.log(values + 0.1))) - 0.1)


def share_within(end: str, seconds: float) -> float:
    """Return which share of the plays that end so is shorter than `seconds`.

    >>> share_within("fwdbtn", 10.548)
    0.75
    """
    u = np.linspace(0, 1, 100_001)
    return float(round(np.searchsorted(seconds_at(end, u), seconds) / 100_000, 4))


def end_table(late_tilt: Floats) -> Floats:
    """Return cumulated shares of ENDS by depth, start and the next session's start: (4, 9, 10, 11).

    Within a session the third is NONE; what ends a session fits how the next one starts.

    Args:
        late_tilt: (3,) how much likelier than by the times of plays a late end has each of SKIPS.
    """
    stats = read_stats()
    brief = np.array([share_within(end, 30.0) for end in SKIPS])
    table = np.zeros((4, NONE, NONE + 1, len(ENDS)))
    for i, start in enumerate(STARTS):
        known = stats["reason_end_given_reason_start"]
        shares = known.get(start, known["playbtn"])
        skips = np.array([shares.get(end, stats["reason_end"][end] * 0.3) for end in SKIPS])
        table[BRIEF, i, :, :3] = skips * brief
        table[LATE, i, :, :3] = skips * (1 - brief)
    table[LATE, :, :, :3] *= late_tilt
    table[DONE, :, :, 3] = 1
    table[CUT, :, :, 4:] = [stats["reason_end"][end] for end in CUTS]
    after = start_table(stats["reason_start_given_end_before"])
    table[:, :, :NONE] *= after.T
    return np.cumsum(table / table.sum(axis=-1, keepdims=True), axis=-1)


def start_table(known: Mapping[str, dict[str, float]]) -> Floats:
    """Return the shares of STARTS by the end before: (11, 9), above 0."""
    table = np.full((len(ENDS), NONE), 0.0004)
    for i, end in enumerate(ENDS):
        for start, share in {**known, **UNPUBLISHED}.get(end, known["logout"]).items():
            table[i, STARTS.index(start)] = share
    return np.asarray(table / table.sum(axis=1, keepdims=True))


def start_table_within() -> Floats:
    """Return the cumulated shares of STARTS by the end before, within a session: (11, 9)."""
    table = start_table(read_stats()["reason_start_given_end_before"])
    done, same = ENDS.index("trackdone"), STARTS.index("trackdone")
    table[done, np.arange(NONE) != same] *= RESTARTS
    table /= table.sum(axis=1, keepdims=True)
    return np.cumsum(table, axis=1)


def pick(cumulated: Floats, u: Floats) -> Counts:
    """Turn numbers in 0..1 into indices with the cumulated shares of all, or of each row.

    >>> pick(np.array([0.5, 1.0]), np.array([0.1, 0.6])).tolist()
    [0, 1]
    """
    if cumulated.ndim == 1:
        return np.searchsorted(cumulated[:-1], u, side="right")
    return np.asarray((u[:, None] >= cumulated[:, :-1]).sum(axis=1))
