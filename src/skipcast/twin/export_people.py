"""The listeners of the synthetic exports: what each of them is like, and when they listen.

Every trait is drawn evenly over the listeners, so that few of them differ as much as many.
"""

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.special import expit, ndtr, ndtri

from skipcast.arrays import Bools, Counts, Floats
from skipcast.twin.draws import even

DAY = 86_400  # seconds
YEAR = 365.25 * DAY
EPOCH = datetime.date(1970, 1, 1)
FIRST_DAY = datetime.date(2013, 2, 1)  # of the oldest history
# Exports are of these years in turn; each is asked for on this day.
ASKED = {
    2020: datetime.date(2020, 7, 1),
    2022: datetime.date(2022, 12, 1),
    2024: datetime.date(2024, 6, 1),
    2026: datetime.date(2026, 3, 1),
}
# Plays of sessions: shares of sessions that are at most so long, and their lengths.
DRAWS = 100  # of a trait, of which one is kept
LENGTH_SHARES = (0.0, 0.24, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)
LENGTHS = (1.0, 1.0, 2.0, 7.0, 15.0, 29.0, 84.0, 140.0)


@dataclass(frozen=True)
class People:
    """The traits of n listeners; each array has n elements.

    Attributes:
        year: of the layout of the export, one of ASKED.
        plays: of music, without what is added to them.
        days: from the first play to the export.
        impatience: how much likelier to skip briefly than others; mean 0, sd 1.
        lateness: how much likelier to end a play later by hand; mean 0, sd 1.
        cutting: factor of the share of plays that the app cuts.
        novelty: share of plays of a track that is new to the listener, 0..1.
        curiosity: share of these whose artist is new, too, 0..1.
        shuffling: share of sessions in shuffle, 0..1.
        offset: of the local time from UTC, hours.
        peak: local hour around which the listener listens most, 0..24.
        spread: sd around it, hours.
        weekends: share of the sessions of weekdays that move to the weekend; negative: back.
        duplicates: share of rows that stand twice.
        others: share of rows that are no music or incognito.
        haste: share of the plays of less than a second that end in the second of the one before.
    """

    year: Counts
    plays: Counts
    days: Floats
    impatience: Floats
    lateness: Floats
    cutting: Floats
    novelty: Floats
    curiosity: Floats
    shuffling: Floats
    offset: Counts
    peak: Floats
    spread: Floats
    weekends: Floats
    duplicates: Floats
    others: Floats
    haste: Floats


def make_people(
    listeners: int, plays: int, habits: dict[str, Any], rng: np.random.Generator
) -> People:
    """Draw the traits of `listeners` who have `plays` in all, each of them at least one.

    Args:
        listeners: 1 or more.
        plays: as many or more.
        habits: the constants.
        rng: of all exports.
    """

    def normal() -> Floats:
        return np.asarray(ndtri(even(rng, listeners)))

    year = np.array(list(ASKED))[np.arange(listeners) % len(ASKED)]
    size, impatience, lateness, novelty, cutting = apart(rng, 5, listeners)
    own = _parts(plays, np.exp(0.5 * size))
    most = np.array([(ASKED[y] - FIRST_DAY).days for y in year.tolist()], dtype=float)
    novelty = 0.6 * novelty - 0.8 * size  # who listens more repeats more
    return People(
        year=year,
        plays=own,
        days=np.clip(own / (18 * np.exp(0.4 * normal())), 1.0, most),
        impatience=_flat(impatience),
        lateness=_flat(lateness),
        cutting=np.exp(habits["cut_sd"] * _flat(cutting)),
        novelty=expit(-0.85 + 0.95 * novelty),
        curiosity=expit(-0.9 + 0.3 * novelty + 0.3 * normal()),
        shuffling=np.clip(1.3 * even(rng, listeners) - 0.15, 0.0, 1.0),
        offset=np.round(np.clip(1 + 3.5 * normal(), -8, 10)).astype(int),
        peak=17 + 2.5 * normal(),
        spread=4 + even(rng, listeners),
        weekends=0.4 * even(rng, listeners) - 0.3,
        duplicates=0.05 * even(rng, listeners) ** 2,
        others=0.005 + 0.03 * even(rng, listeners),
        haste=np.clip(0.35 * np.exp(1.2 * normal()), 0.0, 1.0),
    )


def apart(rng: np.random.Generator, traits: int, n: int) -> Floats:
    """Draw standard normal traits of n listeners that go together as little as may be: (traits, n).

    Among few listeners chance alone would let the most impatient ones listen most, or least.
    """
    chosen = ndtri(even(rng, n))[None]
    for _ in range(traits - 1):
        drawn = np.array([ndtri(even(rng, n)) for _ in range(DRAWS)])
        together = np.abs(drawn @ chosen.T).max(axis=1)
        chosen = np.vstack([chosen, drawn[together.argmin()]])
    return np.asarray(chosen)


def _flat(normal: Floats) -> Floats:
    """Turn a standard normal trait into an even one of mean 0 and sd 1: nobody is far from all."""
    return np.asarray(np.sqrt(12) * (ndtr(normal) - 0.5))


def _parts(total: int, weights: Floats) -> Counts:
    """Part `total` among the weights in proportion, each at least 1.

    >>> _parts(10, np.array([1.0, 3.0])).tolist()
    [3, 7]
    """
    ends = 1 + np.arange(len(weights)) + (total - len(weights)) * np.cumsum(weights) / weights.sum()
    return np.asarray(np.diff(np.round(ends).astype(int), prepend=0))


@dataclass(frozen=True)
class Sessions:
    """The sessions of some listeners, in order of listener and time; each array has s elements.

    Attributes:
        listener: index into People.
        first: index of the first play among all plays.
        length: plays.
        restless: standard normal of the rank of the length.
        wanted: start, seconds since 1970 in local time, before overlaps are mended.
        shuffle: whether it is in shuffle.
    """

    listener: Counts
    first: Counts
    length: Counts
    restless: Floats
    wanted: Floats
    shuffle: Bools


def make_sessions(people: People, chosen: range, rng: np.random.Generator) -> Sessions:
    """Draw the sessions of the listeners `chosen`."""
    lengths, ranks = zip(*(_lengths(int(people.plays[i]), rng) for i in chosen), strict=True)
    listener = np.repeat(np.array(chosen), [len(x) for x in lengths])
    length, rank = np.concatenate(lengths), np.concatenate(ranks)
    return Sessions(
        listener=listener,
        first=np.cumsum(length) - length,
        length=length,
        restless=ndtri(rank),
        wanted=_starts(people, listener, rng),
        shuffle=rng.random(len(listener)) < people.shuffling[listener],
    )


def _lengths(plays: int, rng: np.random.Generator) -> tuple[Counts, Floats]:
    """Draw lengths of sessions that sum to `plays`; return them with their ranks in 0..1."""
    n = plays // 5 + 20
    rank = np.clip(even(rng, n), 1e-4, 1 - 1e-4)
    log = np.interp(rank, LENGTH_SHARES, np.log(LENGTHS))
    length = np.maximum(np.round(np.exp(log)), 1).astype(int)
    n = int(np.searchsorted(np.cumsum(length), plays)) + 1
    length = length[:n]
    length[-1] -= int(length.sum()) - plays
    return length, rank[:n]


def _starts(people: People, listener: Counts, rng: np.random.Generator) -> Floats:
    """Draw when sessions start, in order of listener and time: local seconds since 1970."""
    n = len(listener)
    _, counts = np.unique(listener, return_counts=True)
    rank = np.arange(n) - np.repeat(np.cumsum(counts) - counts, counts)
    share = (rank + rng.random(n)) / np.repeat(counts, counts)
    days, end = people.days[listener], _day_asked(people.year)[listener]
    years = np.maximum(days / 365.25, 0.2)
    # A slow wave: some seasons are busier than others.
    share += 0.6 * np.sin(2 * np.pi * years * share + listener) / (2 * np.pi * years)
    day = np.floor(end - days * (1 - np.clip(share, 0, 1)) - 1)
    day += _move(day, people.weekends[listener], rng)
    late = np.where(_weekend(day), 1.5, 0.0)
    second = 5 * (rng.random(n) < 0.3)  # the other peak, in the morning
    hour = people.peak[listener] + late - second + people.spread[listener] * rng.normal(size=n)
    start = day * DAY + (hour % 24) * 3600
    return start[np.lexsort((start, listener))]


def _day_asked(year: Counts) -> Floats:
    days = {y: (day - EPOCH).days for y, day in ASKED.items()}
    return np.array([days[y] for y in year.tolist()], dtype=float)


def _weekend(day: Floats) -> Bools:
    """Return whether days since 1970 are Saturdays or Sundays.

    >>> _weekend(np.array([0.0, 2.0, 3.0, 4.0])).tolist()
    [False, True, True, False]
    """
    return np.asarray((day + 3) % 7 >= 5)


def runs(values: Counts) -> Iterator[slice]:
    """Yield where each run of equal values is.

    >>> list(runs(np.array([4, 4, 7])))
    [slice(0, 2, None), slice(2, 3, None)]
    """
    bounds = np.flatnonzero(np.diff(values, prepend=-1, append=-1))
    return (slice(first, last) for first, last in pairwise(bounds.tolist()))


def _move(day: Floats, weekends: Floats, rng: np.random.Generator) -> Floats:
    """Return by how many days to move, so that weekends are busier or quieter."""
    moves = rng.random(len(day)) < np.abs(weekends)
    weekend = _weekend(day)
    back = np.where(weekends < 0, np.where(weekend, -3.0, 0.0), np.where(weekend, 0.0, -2.0))
    return np.where(moves, back, 0.0)
