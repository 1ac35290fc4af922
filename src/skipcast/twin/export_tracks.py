"""Which tracks the listeners of the exports play: old ones again, and new ones of old artists.

A play repeats the track of an earlier play or is of a new track. Whoever repeats an earlier play
repeats what was played often more often; that alone makes few tracks of many plays. A repeat goes
on with what was played next back then, as an album or a playlist does, unless it is in shuffle.
"""

from dataclasses import dataclass

import numpy as np

from skipcast.arrays import Bools, Counts, Floats
from skipcast.twin.export_people import People, Sessions, runs

NEAREST = 3  # plays that lie between a track and its repeat, at least
RECENT = 0.45  # share of repeats that look back over a few plays or many alike
GOES_ON = 0.85  # share of repeats that go on with what came next back then
SAME_ARTIST = (
    0.55  # share of new tracks of known artists that stay with the artist of the last play
)
ONCE = 0.4  # share of new tracks that are never played again
FADES = 0.55  # exponent by which new tracks become fewer
ARTISTS = 1_000_000


@dataclass(frozen=True)
class Tracks:
    """What n plays are of; each array has n elements.

    Attributes:
        track: index of the listener's first play of this track.
        artist: index of the listener's first play of this artist.
        number: of the track among all tracks; `number % ARTISTS` is that of its artist.
    """

    track: Counts
    artist: Counts
    number: Counts


def draw_tracks(people: People, sessions: Sessions, rng: np.random.Generator) -> Tracks:
    """Draw the tracks of all plays of `sessions`."""
    n = int(sessions.length.sum())
    session = np.repeat(np.arange(len(sessions.length)), sessions.length)
    listener = sessions.listener[session]
    first = np.zeros(n, dtype=int)
    starts = np.flatnonzero(np.diff(listener, prepend=-1))
    first[starts] = starts
    age = np.arange(n) - np.maximum.accumulate(first)
    # Who has heard little hears more that is new.
    share = (age + 1) / people.plays[listener]
    novelty = people.novelty[listener] * (1 - FADES) * share**-FADES
    is_new = (rng.random(n) < novelty) | (age < NEAREST)
    # What will not be heard again is passed over for what was played before it.
    lasting = ~is_new | (rng.random(n) >= ONCE) | (age == 0)
    lasting_before = np.maximum.accumulate(np.where(lasting, np.arange(n), 0))
    repeated = lasting_before[np.arange(n) - _lag(age, sessions, rng)]
    track = roots(np.where(is_new, np.arange(n), repeated))
    new_artist = is_new & (rng.random(n) < people.curiosity[listener]) | (age == 0)
    near = (rng.random(n) < SAME_ARTIST) & (np.diff(session, prepend=-1) == 0)
    elsewhere = np.arange(n) - _lag(age, sessions, rng)
    of_artist = np.where(is_new, np.where(near, np.arange(n) - 1, elsewhere), track)
    artist = roots(np.where(new_artist, np.arange(n), of_artist))
    return Tracks(track, artist, _numbers(track, artist, listener, rng))


def roots(parents: Counts) -> Counts:
    """Follow each index to where its parents end: at one that is its own parent.

    >>> roots(np.array([0, 0, 1, 3, 2])).tolist()
    [0, 0, 0, 3, 0]
    """
    while True:
        further = parents[parents]
        if np.array_equal(further, parents):
            return parents
        parents = further


def _lag(age: Counts, sessions: Sessions, rng: np.random.Generator) -> Counts:
    """Draw how many plays back each play looks, 1..age; 0 for the first play of a listener."""
    n = len(age)
    u = rng.random(n)
    near = np.minimum(NEAREST, np.maximum(age, 1))
    lag = np.where(
        rng.random(n) < RECENT, near * (np.maximum(age, 1) / near) ** u, 1 + u * age
    ).astype(int)
    shuffle = np.repeat(sessions.shuffle, sessions.length)
    begins = (rng.random(n) >= GOES_ON) | shuffle
    begins[sessions.first] = True
    begun = np.maximum.accumulate(np.where(begins, np.arange(n), 0))
    return np.asarray(np.minimum(lag[begun], age))


def _numbers(track: Counts, artist: Counts, listener: Counts, rng: np.random.Generator) -> Counts:
    """Number the tracks; an artist's best known tracks are those that a listener plays first."""
    n = len(track)
    artists = np.flatnonzero(artist == np.arange(n))
    number = np.zeros(n, dtype=int)
    for run in runs(listener[artists]):
        own = artists[run]
        draws = np.sort((ARTISTS * rng.random(len(own)) ** 4).astype(int))
        apart = np.maximum.accumulate(draws - np.arange(len(own))) + np.arange(len(own))
        number[own] = rng.permutation(apart % ARTISTS)
    tracks = np.flatnonzero(track == np.arange(n))
    by_artist = tracks[np.argsort(artist[tracks], kind="stable")]
    changes = np.diff(artist[by_artist], prepend=-1) != 0
    place = np.arange(len(by_artist))
    rank = place - np.maximum.accumulate(np.where(changes, place, 0))
    of_track = np.zeros(n, dtype=int)
    of_track[by_artist] = number[artist[by_artist]] + ARTISTS * rank
    return of_track[track]


def taste(root: Counts, years: Floats, turns: float, rng: np.random.Generator) -> Floats:
    """Return how much a listener dislikes what is played: standard normal, and slowly drifting.

    Args:
        root: (n,) index of the first play of the track or artist.
        years: (n,) when it is played.
        turns: mean of the turns of a taste a year; it comes back after one.
        rng: of these plays alone.
    """
    n = len(root)
    now, later = rng.normal(size=(2, n))
    angle = 2 * np.pi * turns * rng.exponential(size=n)[root] * years
    return np.asarray(now[root] * np.cos(angle) + later[root] * np.sin(angle))


def new_to_listener(root: Counts) -> Bools:
    """Return whether each play is the first of its root.

    >>> new_to_listener(np.array([0, 0, 2])).tolist()
    [True, False, True]
    """
    return np.asarray(root == np.arange(len(root)))
