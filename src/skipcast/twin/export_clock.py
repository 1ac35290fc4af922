"""When the plays of the synthetic exports start and end, and what their files say of it.

The files give the end of each play and how long it sounded. A pause inside a play makes their
difference lie after its start, so `end - sounded` tells how long the listener paused.
"""

from dataclasses import dataclass

import numpy as np

from skipcast.archive.history_plays import SESSION_GAP
from skipcast.arrays import Counts, Floats
from skipcast.twin.export_outcomes import Outcomes
from skipcast.twin.export_people import People, Sessions, runs
from skipcast.twin.export_reasons import (
    BRIEF,
    ENDS,
    LATE,
    SKIPS,
    read_stats,
    seconds_at,
    share_within,
)

LONGEST_GAP = SESSION_GAP - 15.0
KNOWN_PAUSE = 0.955  # share of starts that follow the end before within 4 s
OVERLAP = 0.05  # share of plays that seem to begin before the one before ended
RARE = 0.1  # share of plays with the longest gaps: a pause before or inside them


@dataclass(frozen=True)
class Times:
    """When n plays were; each array has n elements.

    Attributes:
        ended: seconds since 1970, UTC.
        started: the same, as the app noted it.
        played_ms: how long the track sounded.
    """

    ended: Counts
    started: Counts
    played_ms: Counts


def draw_times(
    people: People,
    sessions: Sessions,
    outcomes: Outcomes,
    numbers: Counts,
    rng: np.random.Generator,
) -> Times:
    """Draw when the plays of `sessions` were, so that no two sessions overlap or touch.

    Args:
        people: all listeners.
        sessions: of some of them.
        outcomes: of their plays.
        numbers: of the tracks of their plays; a track that is done always sounded as long.
        rng: of these plays alone.
    """
    played = np.round(_seconds(outcomes, numbers, rng), 3)
    gap, known_gap = _gaps(len(played), rng)
    gap[sessions.first], known_gap[sessions.first] = np.maximum(gap[sessions.first], 0), 0
    haste = np.repeat(people.haste[sessions.listener], sessions.length)
    spent = np.maximum(gap + played, np.where(rng.random(len(played)) < haste, 0.0, 1.0))
    within = np.cumsum(spent)
    within -= np.repeat((within - spent)[sessions.first], sessions.length)
    begin = _begin(people, sessions, within[sessions.first + sessions.length - 1], rng)
    ended = np.floor(np.repeat(begin, sessions.length) + within).astype(np.int64)
    started = np.append(0, ended[:-1]) + known_gap
    started[sessions.first] = np.floor(begin)
    return Times(ended, started, np.round(1000 * played).astype(np.int64))


def _begin(people: People, sessions: Sessions, lasts: Floats, rng: np.random.Generator) -> Floats:
    """Return when sessions begin, UTC seconds: as wanted, but a break after the one before."""
    wanted = sessions.wanted - 3600.0 * people.offset[sessions.listener]
    rest = SESSION_GAP + 30 + rng.exponential(3600, size=len(wanted))
    done = np.cumsum(lasts + rest) - (lasts + rest)
    begin = np.empty(len(wanted))
    for own in runs(sessions.listener):
        begin[own] = np.maximum.accumulate(wanted[own] - done[own]) + done[own]
    return begin


def _seconds(outcomes: Outcomes, numbers: Counts, rng: np.random.Generator) -> Floats:
    """Draw how long plays sounded, by how they ended and whether within 30 s."""
    u = rng.random(len(numbers))
    seconds = np.empty(len(numbers))
    for i, end in enumerate(ENDS):
        own = outcomes.end == i
        if end in SKIPS:
            brief = share_within(end, 30.0)
            depth = outcomes.depth[own]
            u[own] = np.where(depth == BRIEF, u[own] * brief, brief + u[own] * (1 - brief))
        if end == "trackdone":
            u[own] = mixed(numbers[own])
        seconds[own] = seconds_at(end, u[own])
    late = outcomes.depth == LATE
    return np.where(late, np.maximum(seconds, 30.001), seconds)


def mixed(numbers: Counts, salt: int = 1) -> Floats:
    """Turn whole numbers into numbers in 0..1 that look random: the same ones for the same ones.

    >>> bool((mixed(np.arange(4)) == mixed(np.arange(4))).all())
    True
    """
    return hashed(numbers, salt).astype(np.float64) / 2.0**64


def hashed(numbers: Counts, salt: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """Turn whole numbers into others of 64 bits, as splitmix64 does."""
    x = numbers.astype(np.uint64) + np.uint64((salt * 0x9E3779B97F4A7C15) % 2**64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))


def _gaps(n: int, rng: np.random.Generator) -> tuple[Floats, Counts]:
    """Draw the gaps before n plays, in seconds: to `end - sounded`, and to the start as noted.

    Whoever starts late has a long gap by both; the other long gaps are pauses inside a play.
    """
    stats = read_stats()
    u, v = rng.random((2, n))
    usual = 1 - RARE - OVERLAP  # of the gaps that are neither very short nor long
    v *= KNOWN_PAUSE - OVERLAP
    rare = 1 - RARE * (KNOWN_PAUSE - OVERLAP - v) / (KNOWN_PAUSE - OVERLAP - usual)
    v = np.where(v < usual, OVERLAP + v, rare)
    paused = 1 - RARE * (1 - u) / (1 - KNOWN_PAUSE)
    v = np.where(u < OVERLAP, u, np.where(u < KNOWN_PAUSE, v, paused))
    gap = _quantile(stats["gap_before_play_seconds_within_session"], v, -300.0)
    known = np.minimum(_quantile(stats["gap_by_known_start"], u, -9000.0), gap + 4)
    return gap, np.round(known).astype(np.int64)


def _quantile(known: dict[str, float], u: Floats, least: float) -> Floats:
    """Return u-quantiles between the known ones, evenly in orders of magnitude."""
    values = np.arcsinh([least, *known.values(), LONGEST_GAP])
    return np.sinh(np.interp(u, [0.0, *map(float, known), 1.0], values))
