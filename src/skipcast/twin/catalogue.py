"""The twin's tracks: how often each is played, how much it appeals, and its features.

A track's number is its rank by plays, 0 for the most played one. Plays per track follow a power law
that steepens. Its three constants meet the published shares of the most played tracks, the number
of distinct tracks among 167,880 plays and the share of the top track. Features come from a Gaussian
copula with three hidden factors: how energetic a track is, how danceable, and how much to the taste
of these listeners. Each factor loads on many features, so that they correlate as the real ones do.
The distributions of the features differ between head and tail tracks, so that both published
tables hold, over tracks and over plays. `benchmarks/twin_fit_tracks.py` fitted them.
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

CATALOGUE = 3_706_388  # tracks of the full data set
HEAD = 14_000  # tracks that count as head, here and in `twin_fit_tracks.py`
LAW = (0.61478, 2.01523, 21_382.0)  # exponents of head and tail, and the rank between them
# Shares of the variance of the appeal. That of taste keeps the accuracy of models that know audio
# alone at the published 0.53 to 0.56; that of popularity makes skips rarer for popular tracks, but
# not by much. The rest is the track's own.
TASTE, POPULARITY = 0.16, 0.02

# Loadings of each feature on the factors (energetic, danceable, taste), -1..1. Signs and sizes are
# those that are known of these features: energy rises with loudness, danceability with beat
# strength and bounciness, acousticness falls with energy. What is left of the variance is the
# feature's own.
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
    """What must be known of every track before the first play; arrays have a value per track.

    Attributes:
        cumulative: the share of plays of this track and all more played ones, 0..1.
        taste: the third factor of the features, standard normal.
        appeal: how much listeners like the track; mean 0 and variance 1 over plays.
    """

    cumulative: Floats
    taste: npt.NDArray[np.float32]
    appeal: npt.NDArray[np.float32]


def play_shares(tracks: int = CATALOGUE) -> Floats:
    """Return the share of all plays of each track, 0..1, most played first; the sum is 1.

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
    # A few tracks make a tenth of all plays: without even ranks, their luck would decide the rates.
    for values in (taste, own):
        values[:HEAD] = ndtri(weighted_ranks(values[:HEAD], shares[:HEAD]))
    popular = -np.log(np.arange(1, CATALOGUE + 1, dtype=np.float32))
    mean = shares @ popular
    sd = np.sqrt(shares @ np.square(popular) - mean**2)
    # In place and in single precision: the catalogue takes most of a small twin's memory and time.
    popular = (popular - np.float32(mean)) * np.float32(np.sqrt(POPULARITY) / sd)
    popular += np.float32(np.sqrt(TASTE)) * taste
    own *= np.float32(np.sqrt(1 - TASTE - POPULARITY))
    own += popular
    return Catalogue(np.cumsum(shares), taste, appeal=own)


def weighted_ranks(values: Array, weights: Floats) -> Floats:
    """Return the rank of each value, 0..1, such that the weighted ranks are evenly distributed.

    >>> weighted_ranks(np.array([5.0, 1.0]), np.array([1.0, 3.0])).tolist()
    [0.875, 0.375]
    """
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(weights[order]) / weights.sum()
    ranks = np.empty(len(values))
    ranks[order] = cumulative - weights[order] / weights.sum() / 2
    return ranks


def draw_tracks(catalogue: Catalogue, n: int, rng: np.random.Generator) -> Counts:
    """Draw the numbers of the n tracks that play next, by their shares of plays."""
    return np.minimum(np.searchsorted(catalogue.cumulative, rng.random(n)), CATALOGUE - 1)


def track_ids(numbers: Counts) -> list[str]:
    """Return the ids of tracks with these numbers.

    >>> track_ids(np.array([7]))
    ['twin-track-0000007']
    """
    return [f"{SYNTHETIC_PREFIX}track-{number:07d}" for number in numbers.tolist()]


def read_distributions() -> dict[str, Any]:
    """Read the fitted distributions that the package ships."""
    text = files("skipcast.twin").joinpath("tracks.json").read_text(encoding="utf-8")
    distributions: dict[str, Any] = json.loads(text)
    return distributions


def track_table(numbers: Counts, catalogue: Catalogue, rng: np.random.Generator) -> pd.DataFrame:
    """Make the official track table of tracks that are all of the head or all of the tail.

    Args:
        numbers: of the tracks; the whole head, because its features are ranked within it, or any
            tracks of the tail.
        catalogue: of all tracks.
        rng: of this table.

    Returns:
        Columns `schema.TRACK`, a row per track.
    """
    head = bool(numbers[0] < HEAD)
    weights = np.diff(catalogue.cumulative[:HEAD], prepend=0.0) if head else None
    normals = _normals(catalogue.taste[numbers].astype(float), rng)
    distributions = read_distributions()
    columns: dict[str, object] = {"track_id": track_ids(numbers)}
    for name, values in normals.items():
        u = ndtr(values) if weights is None else weighted_ranks(values, weights)
        columns[name] = _quantile(name, u, "head" if head else "tail", distributions)
    columns["mode"] = np.array(MODES)[np.asarray(columns["mode"])]
    return pd.DataFrame(columns)[names(TRACK)]


def _normals(taste: Floats, rng: np.random.Generator) -> dict[str, Floats]:
    """Draw a standard normal array per feature; the factors make the features correlate."""
    n = len(taste)
    factors = np.stack([rng.standard_normal(n), rng.standard_normal(n), taste])
    normals = {}
    for name, loading in LOADINGS.items():
        own = np.sqrt(1 - np.square(loading).sum())
        normals[name] = np.array(loading) @ factors + own * rng.standard_normal(n)
    return normals


def _quantile(name: str, u: Floats, kind: str, distributions: dict[str, Any]) -> Array:
    """Map numbers in 0..1 to values of the feature `name`; `kind` is `head` or `tail`."""
    if name in distributions["integers"]:
        table = distributions["integers"][name]
        bounds = np.cumsum(table[kind])[:-1]
        return np.array(table["values"])[np.searchsorted(bounds, u, side="right")]
    knots = distributions["features"][name][kind]
    return np.asarray(np.interp(u, distributions["shares"], knots))
