"""The twin's tracks: how often each is played, how much it appeals, and its features.

Track numbers count from the most played one. Plays per track follow a power law that steepens; its
three constants meet the published shares of the most played tracks, the number of distinct tracks
among 167,880 plays and the share of the top track. Features come from a Gaussian copula with three
hidden factors: how energetic, how danceable, and how much to the taste of these listeners. Each
factor loads on many features, so that they correlate as the real ones do. The distributions of the
features differ between head and tail tracks so that both published tables hold, over tracks and
over plays; `benchmarks/twin_fit_tracks.py` fitted them.
"""

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtr, ndtri

from skipcast.arrays import Array, Counts, Floats
from skipcast.schema import MODES, SYNTHETIC_PREFIX, TRACK, names

Ints = Counts

CATALOGUE = 3_706_388  # tracks of the full data set
HEAD = 14_000  # tracks that count as head; what `twin_fit_tracks.py` takes for granted
LAW = (0.61478, 2.01523, 21_382.0)  # exponent of the head, of the tail, and the rank between
# Variance shares of the appeal: audio keeps audio-only models at the published 0.53 to 0.56, and
# popularity makes skipping fall weakly with it; what is left is the track's own.
TASTE, POPULARITY = 0.16, 0.02

# Loadings of each feature on the factors (energetic, danceable, taste), in -1..1. The signs and
# sizes are those known of these features: energy with loudness, danceability with beat strength
# and bounciness, acousticness against energy. The rest of each feature's variance is its own.
LOADINGS: dict[str, tuple[float, float, float]] = {
    "duration": (0.0, -0.15, -0.35),
    "release_year": (0.1, 0.15, 0.2),
    "us_popularity_estimate": (0.0, 0.1, 0.1),
    "acousticness": (-0.8, -0.15, 0.0),
    "beat_strength": (0.15, 0.92, 0.0),
    "bounciness": (0.05, 0.95, 0.0),
    "danceability": (0.0, 0.88, 0.1),
    "dyn_range_mean": (-0.15, 0.75, 0.0),
    "energy": (0.93, 0.1, 0.0),
    "flatness": (0.65, 0.1, 0.3),
    "instrumentalness": (-0.1, -0.15, -0.3),
    "key": (0.0, 0.0, 0.0),
    "liveness": (0.15, -0.15, 0.0),
    "loudness": (0.85, 0.1, 0.2),
    "mechanism": (0.4, 0.6, 0.0),
    "mode": (0.0, -0.1, 0.0),
    "organism": (-0.65, -0.55, 0.0),
    "speechiness": (0.1, 0.25, 0.3),
    "tempo": (0.15, -0.15, 0.0),
    "time_signature": (0.1, 0.15, 0.0),
    "valence": (0.4, 0.45, 0.0),
    "acoustic_vector_0": (0.1, -0.5, -0.6),
    "acoustic_vector_1": (0.3, 0.2, 0.6),
    "acoustic_vector_2": (0.2, 0.3, 0.4),
    "acoustic_vector_3": (0.3, 0.1, -0.5),
    "acoustic_vector_4": (0.2, -0.4, 0.3),
    "acoustic_vector_5": (0.1, 0.1, 0.2),
    "acoustic_vector_6": (-0.4, -0.3, -0.4),
    "acoustic_vector_7": (0.1, 0.3, 0.5),
}


@dataclass(frozen=True)
class Catalogue:
    """What must be known of every track before the first play; each array has one per track."""

    upto: Floats  # cumulative share of plays, 0..1
    taste: npt.NDArray[np.float32]  # the third factor
    appeal: npt.NDArray[np.float32]  # mean 0, variance 1 over plays


def play_shares(tracks: int = CATALOGUE) -> Floats:
    """Return the share of all plays that each track gets, most played first.

    >>> shares = play_shares()
    >>> shares[0].round(4), shares[:1000].sum().round(2)
    (np.float64(0.0085), np.float64(0.29))
    """
    head, tail, between = LAW
    rank = np.arange(1.0, tracks + 1)
    weights = np.exp((head - tail) * np.log1p(rank / between) - head * np.log(rank))
    return np.asarray(weights / weights.sum())


def make_catalogue(rng: np.random.Generator) -> Catalogue:
    """Draw taste and appeal of every track."""
    shares = play_shares()
    taste = rng.standard_normal(CATALOGUE, dtype=np.float32)
    own = rng.standard_normal(CATALOGUE, dtype=np.float32)
    # A few tracks make a tenth of all plays: even out what they draw, or their luck decides rates.
    for drawn in (taste, own):
        drawn[:HEAD] = ndtri(weighted_ranks(drawn[:HEAD], shares[:HEAD]))
    popular = -np.log(np.arange(1, CATALOGUE + 1, dtype=np.float32))
    mean = shares @ popular
    sd = np.sqrt(shares @ np.square(popular) - mean**2)
    # In place and in single precision: the catalogue is most of a small twin's memory and time.
    popular = (popular - np.float32(mean)) * np.float32(np.sqrt(POPULARITY) / sd)
    popular += np.float32(np.sqrt(TASTE)) * taste
    own *= np.float32(np.sqrt(1 - TASTE - POPULARITY))
    own += popular
    return Catalogue(np.cumsum(shares), taste, appeal=own)


def weighted_ranks(values: Array, weights: Floats) -> Floats:
    """Rank `values` from 0 to 1 such that the ranks, weighted, are even.

    >>> weighted_ranks(np.array([5.0, 1.0]), np.array([1.0, 3.0])).tolist()
    [0.875, 0.375]
    """
    order = np.argsort(values, kind="stable")
    upto = np.cumsum(weights[order]) / weights.sum()
    ranks = np.empty(len(values))
    ranks[order] = upto - weights[order] / weights.sum() / 2
    return ranks


def draw_tracks(catalogue: Catalogue, n: int, rng: np.random.Generator) -> Ints:
    """Draw the numbers of the n tracks that play next."""
    return np.minimum(np.searchsorted(catalogue.upto, rng.random(n)), CATALOGUE - 1)


def track_ids(numbers: Ints) -> list[str]:
    """Name tracks by their numbers.

    >>> track_ids(np.array([7]))
    ['twin-track-0000007']
    """
    return [f"{SYNTHETIC_PREFIX}track-{number:07d}" for number in numbers.tolist()]


def read_distributions() -> dict[str, Any]:
    """Read the fitted distributions that the package ships."""
    text = files("skipcast.twin").joinpath("tracks.json").read_text(encoding="utf-8")
    read: dict[str, Any] = json.loads(text)
    return read


def track_table(numbers: Ints, catalogue: Catalogue, rng: np.random.Generator) -> pd.DataFrame:
    """Make the official track table of the tracks `numbers`, all of the head or all of the tail.

    Head features are ranked by plays within the head, so `numbers` must then be the whole head.
    """
    head = bool(numbers[0] < HEAD)
    weights = np.diff(catalogue.upto[:HEAD], prepend=0.0) if head else None
    normals = _normals(catalogue.taste[numbers].astype(float), rng)
    distributions = read_distributions()
    columns: dict[str, object] = {"track_id": track_ids(numbers)}
    for name, values in normals.items():
        u = ndtr(values) if weights is None else weighted_ranks(values, weights)
        columns[name] = _quantile(name, u, "head" if head else "tail", distributions)
    columns["mode"] = np.array(MODES)[np.asarray(columns["mode"])]
    return pd.DataFrame(columns)[names(TRACK)]


def _normals(taste: Floats, rng: np.random.Generator) -> dict[str, Floats]:
    """Draw the copula: one standard normal array per feature, correlated through the factors."""
    n = len(taste)
    factors = np.stack([rng.standard_normal(n), rng.standard_normal(n), taste])
    normals = {}
    for name, loading in LOADINGS.items():
        own = np.sqrt(1 - np.square(loading).sum())
        normals[name] = np.array(loading) @ factors + own * rng.standard_normal(n)
    return normals


def _quantile(name: str, u: Floats, kind: str, distributions: dict[str, Any]) -> Array:
    """Map `u` in 0..1 to values of the feature `name`."""
    if name in distributions["integers"]:
        table = distributions["integers"][name]
        bounds = np.cumsum(table[kind])[:-1]
        return np.array(table["values"])[np.searchsorted(bounds, u, side="right")]
    knots = distributions["features"][name][kind]
    return np.asarray(np.interp(u, distributions["shares"], knots))
