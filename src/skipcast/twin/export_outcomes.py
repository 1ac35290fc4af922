"""How the plays of the synthetic exports start and end.

A listener has a usual impatience, and dislikes tracks and artists more or less. A session has a
mood, which moves slowly from play to play. These, how the play started and how the last one ended
add up to the log-odds of ending a play within 30 s; a logistic draw above 0 does so, and one above
a lower threshold ends it later by hand. Reasons follow each other as in `streaming_stats.json`.

`export_habits.json` holds the effects, which `benchmarks/export_calibrate.py` fitted.
"""

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
from scipy.special import logit

from skipcast.arrays import Bools, Counts, Floats
from skipcast.twin.export_people import DAY, YEAR, People, Sessions
from skipcast.twin.export_tracks import Tracks, taste

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

Habits = dict[str, Any]


def read_resource(name: str) -> dict[str, Any]:
    """Read a JSON file that the package ships."""
    text = files("skipcast.twin").joinpath(name).read_text(encoding="utf-8")
    content: dict[str, Any] = json.loads(text)
    return content


def read_stats() -> dict[str, Any]:
    """Read what is published of real histories."""
    return read_resource("streaming_stats.json")


def by_start(values: dict[str, float]) -> Floats:
    """Return values in the order of STARTS."""
    return np.array([values[name] for name in STARTS])


@dataclass(frozen=True)
class Outcomes:
    """How n plays went; each array has n elements.

    Attributes:
        start: index of STARTS.
        depth: BRIEF, LATE, DONE or CUT.
        end: index of ENDS.
    """

    start: Counts
    depth: Counts
    end: Counts


def seconds_at(end: str, u: Floats) -> Floats:
    """Return the u-quantile of the seconds played of plays that end so."""
    known = read_stats()["seconds_played_by_reason_end"]
    quantiles = known.get(end, known["logout"])
    u_known = [0.0, *map(float, quantiles), 1.0]
    values = np.array([0.0, *quantiles.values(), 1.6 * quantiles["0.95"]])
    if end == "trackdone":
        values[0] = 45.0
    return np.asarray(np.exp(np.interp(u, u_known, np.log(values + 0.1))) - 0.1)


def share_within(end: str, seconds: float) -> float:
    """Return which share of the plays that end so is shorter than `seconds`.

    >>> share_within("fwdbtn", 10.548)
    0.75
    """
    u = np.linspace(0, 1, 100_001)
    return float(round(np.searchsorted(seconds_at(end, u), seconds) / 100_000, 4))


def end_table() -> Floats:
    """Return the shares of ENDS by depth, start and the start after the break: (4, 9, 10, 11).

    Within a session the last axis but one is NONE. A break is an end that fits how the next session
    starts.
    """
    stats = read_stats()
    brief = np.array([share_within(end, 30.0) for end in SKIPS])
    table = np.zeros((4, NONE, NONE + 1, len(ENDS)))
    for i, start in enumerate(STARTS):
        known = stats["reason_end_given_reason_start"]
        shares = known.get(start, known["playbtn"])
        skips = np.array([shares.get(end, stats["reason_end"][end] * 0.03) for end in SKIPS])
        table[BRIEF, i, :, :3] = skips * brief
        table[LATE, i, :, :3] = skips * (1 - brief)
    table[DONE, :, :, 3] = 1
    table[CUT, :, :, 4:] = [stats["reason_end"][end] for end in CUTS]
    after = start_table(stats["reason_start_given_end_before"])
    table[:, :, :NONE] *= after.T
    return np.cumsum(table / table.sum(axis=-1, keepdims=True), axis=-1)


def start_table(known: dict[str, dict[str, float]]) -> Floats:
    """Return the shares of STARTS by the end before: (11, 9), above 0."""
    table = np.full((len(ENDS), NONE), 0.0004)
    for i, end in enumerate(ENDS):
        for start, share in known.get(end, known["logout"]).items():
            table[i, STARTS.index(start)] = share
    return np.asarray(table / table.sum(axis=1, keepdims=True))


def start_table_within() -> Floats:
    """Return the cumulated shares of STARTS by the end before, within a session: (11, 9)."""
    table = start_table(read_stats()["reason_start_given_end_before"])
    done, same = ENDS.index("trackdone"), STARTS.index("trackdone")
    table[done, np.arange(NONE) != same] *= (
        0.15  # else a track done starts the next, but for breaks
    )
    table /= table.sum(axis=1, keepdims=True)
    return np.cumsum(table, axis=1)


def log_odds(
    people: People, sessions: Sessions, tracks: Tracks, habits: Habits, rng: np.random.Generator
) -> Floats:
    """Add up what does not depend on the plays before, and the noise: (n,) log-odds of BRIEF."""
    length, listener = sessions.length, sessions.listener
    years = np.repeat(sessions.wanted, length) / YEAR
    hour = sessions.wanted % DAY / 3600
    mood_sd = habits["mood_sd"] * np.sqrt(habits["session_share"])
    of_session = (
        habits["intercept"]
        + people.impatience[listener]
        + mood_sd * rng.normal(size=len(length))
        + habits["length_effect"] * np.maximum(sessions.restless - 0.2, -0.5)
        + habits["shuffle_effect"] * sessions.shuffle
        + habits["hour_sd"] * np.sin(2 * np.pi * (hour / 24 + listener * 0.37))
    )
    turns = habits["turns_a_year"]
    return np.asarray(
        np.repeat(of_session, length)
        + habits["artist_sd"] * taste(tracks.artist, years, turns, rng)
        + habits["track_sd"] * taste(tracks.track, years, turns, rng)
        + logit(np.clip(rng.random(len(years)), 1e-9, 1 - 1e-9))
    )


@dataclass
class State:
    """The state of the sessions that still go on: the end and depth of the last play, the mood."""

    end: Counts
    depth: Counts
    mood: Floats


def draw_outcomes(
    people: People, sessions: Sessions, base: Floats, habits: Habits, rng: np.random.Generator
) -> Outcomes:
    """Play all sessions side by side, from position to position.

    Args:
        people: all listeners.
        sessions: of some of them.
        base: (n,) as `log_odds` returns it.
        habits: the constants.
        rng: of these plays alone.
    """
    n, order = len(base), np.argsort(-sessions.length, kind="stable")
    first, length = sessions.first[order], sessions.length[order]
    begin = _pick(np.cumsum(by_start(habits["first_start"])), rng.random(len(order)))
    follows = np.where(np.diff(sessions.listener, append=-1) == 0, np.append(begin[1:], NONE), NONE)
    begin, follows, listener = begin[order], follows[order], sessions.listener[order]
    draws, table = Draws.of(n, rng), Table.of(habits)
    result = Outcomes(*np.zeros((3, n), dtype=np.int64))
    state = State(np.zeros(len(order), int), np.full(len(order), DONE), np.zeros(len(order)))
    state.mood = table.mood_sd * rng.normal(size=len(order))
    for position in range(int(length[0])):
        going = int(np.searchsorted(-length, -position, side="left"))
        i = first[:going] + position
        start = (
            _pick(table.starts[state.end[:going]], draws.start[i]) if position else begin[:going]
        )
        next_start = np.where(length[:going] == position + 1, follows[:going], NONE)
        who = listener[:going]
        mood = table.mood_keep * state.mood[:going] + table.mood_new * draws.mood[i]
        odds = base[i] + mood + table.depth_effect[state.depth[:going]] + table.start_effect[start]
        late = table.late[start] + people.lateness[who] + table.late_break[next_start]
        cut = draws.cut[i] < table.cut[start, next_start] * people.cutting[who]
        depth = np.where(cut, CUT, np.where(odds > 0, BRIEF, np.where(odds > -late, LATE, DONE)))
        end = _pick(table.ends[depth, start, next_start], draws.end[i])
        result.start[i], result.depth[i], result.end[i] = start, depth, end
        state.end[:going], state.mood[:going] = end, mood
        state.depth[:going] = np.where(cut, state.depth[:going], depth)
    return result


@dataclass(frozen=True)
class Draws:
    """Random numbers of n plays: in 0..1, and `mood` standard normal."""

    start: Floats
    end: Floats
    cut: Floats
    mood: Floats

    @classmethod
    def of(cls, n: int, rng: np.random.Generator) -> "Draws":
        """Draw them."""
        return cls(rng.random(n), rng.random(n), rng.random(n), rng.normal(size=n))


@dataclass(frozen=True)
class Table:
    """What `draw_outcomes` looks up, by indices of STARTS, ENDS and depths."""

    mood_sd: float
    mood_keep: float
    mood_new: float
    depth_effect: Floats  # (3,)
    start_effect: Floats  # (9,)
    late: Floats  # (9,)
    late_break: Floats  # (10,) by the start after the break
    cut: Floats  # (9, 10) by start and the start after the break
    starts: Floats  # (11, 9) cumulated
    ends: Floats  # (4, 9, 10, 11) cumulated

    @classmethod
    def of(cls, habits: Habits) -> "Table":
        """Make the tables of the constants and of what is published."""
        mood_sd = habits["mood_sd"] * float(np.sqrt(1 - habits["session_share"]))
        keep = habits["mood_keep"]
        cut = np.repeat(by_start(habits["cut"])[:, None], NONE + 1, axis=1)
        cut[:, :NONE] = by_start(habits["cut_before_break"])
        return cls(
            mood_sd=mood_sd,
            mood_keep=keep,
            mood_new=mood_sd * float(np.sqrt(1 - keep**2)),
            depth_effect=np.array(habits["depth_effect"]),
            start_effect=by_start(habits["start_effect"]),
            late=by_start(habits["late"]),
            late_break=np.append(by_start(habits["late_before_break"]), 0.0),
            cut=cut,
            starts=start_table_within(),
            ends=end_table(),
        )


def _pick(cumulated: Floats, u: Floats) -> Counts:
    """Turn numbers in 0..1 into indices with the cumulated shares of all, or of each row.

    >>> _pick(np.array([0.5, 1.0]), np.array([0.1, 0.6])).tolist()
    [0, 1]
    """
    if cumulated.ndim == 1:
        return np.searchsorted(cumulated[:-1], u, side="right")
    return np.asarray((u[:, None] >= cumulated[:, :-1]).sum(axis=1))


def is_skip(depth: Counts) -> Bools:
    """Return whether the listener ended the plays."""
    return depth <= LATE
