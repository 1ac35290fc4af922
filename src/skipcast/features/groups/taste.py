"""The group taste: the track beside the earlier ones of its session.

"So far" means plays of the same session that have ended.
"""

from collections.abc import Callable

import numpy as np

from skipcast.arrays import Floats
from skipcast.features.feature import Feature, FeatureBlock, reads
from skipcast.features.groups.signals import listened, skipped
from skipcast.features.views import Names, Past, Present, Signal, divide
from skipcast.schema import ACOUSTIC_VECTORS, names

# Standard deviations over the plays of the dataset's mini version: the unit of a distance.
AUDIO_SD = {
    "acousticness": 0.246,
    "beat_strength": 0.159,
    "bounciness": 0.179,
    "danceability": 0.159,
    "dyn_range_mean": 2.54,
    "energy": 0.182,
    "flatness": 0.0389,
    "instrumentalness": 0.143,
    "liveness": 0.151,
    "loudness": 3.16,
    "mechanism": 0.208,
    "organism": 0.189,
    "speechiness": 0.133,
    "tempo": 29.8,
    "valence": 0.229,
}
AUDIO = tuple(AUDIO_SD)
SD = np.array([*AUDIO_SD.values()])
ACOUSTIC = tuple(names(ACOUSTIC_VECTORS))
POPULARITY, YEAR = ("us_popularity_estimate",), ("release_year",)
MISSING = "NaN if there is none or a track is unknown."
SETS = (AUDIO, ACOUSTIC, POPULARITY, YEAR)

Reference = Callable[[Past, Names], Floats]
"""Columns of what a track is compared with: plays x columns."""


def _mean_of(where: Signal) -> Reference:
    def reference(before: Past, columns: Names) -> Floats:
        return before.each(before.once.means(SETS, (skipped, listened))[where, columns])

    return reference


def _last_of(where: Signal) -> Reference:
    return lambda before, columns: before.each(before.once.latest(columns, where))


REFERENCES: dict[str, tuple[str, Reference]] = {
    "skipped": ("the mean of those skipped so far", _mean_of(skipped)),
    "listened": ("the mean of those not skipped so far", _mean_of(listened)),
    "last_skipped": ("the last one skipped", _last_of(skipped)),
    "last_listened": ("the last one not skipped", _last_of(listened)),
}


def _references(before: Past, columns: Names) -> Floats:
    """Return columns of all `REFERENCES`: references x plays x columns."""
    return np.array([reference(before, columns) for _, reference in REFERENCES.values()])


def _distances(now: Present, before: Past) -> Floats:
    difference = (now.matrix(AUDIO) - _references(before, AUDIO)) / SD
    distances: Floats = np.sqrt((difference * difference).mean(axis=2))
    return distances


def _cosines(now: Present, before: Past) -> Floats:
    one, other = now.matrix(ACOUSTIC), _references(before, ACOUSTIC)
    norms = np.sqrt((one * one).sum(axis=1) * (other * other).sum(axis=2))
    return divide((one * other).sum(axis=2), norms)


DISTANCES = FeatureBlock(
    tuple(
        Feature(
            f"distance_to_{name}",
            f"Root mean square distance of the track's audio features to {text}, in sd, 0 or more; "
            f"{MISSING}",
        )
        for name, (text, _) in REFERENCES.items()
    ),
    frozenset(AUDIO),
    _distances,
)
COSINES = FeatureBlock(
    tuple(
        Feature(
            f"cosine_to_{name}",
            f"Cosine of the track's acoustic vector and {text}, -1..1; {MISSING}",
        )
        for name, (text, _) in REFERENCES.items()
    ),
    frozenset(ACOUSTIC),
    _cosines,
)


def _relative(columns: Names, name: str) -> FeatureBlock:
    text, reference = REFERENCES[name]

    def compute(now: Present, before: Past) -> Floats:
        return now[columns[0]] - reference(before, columns)[:, 0]

    meaning = f"`{columns[0]}` of the track minus {text}; {MISSING}"
    feature = Feature(f"{columns[0]}_minus_{name}", meaning)
    return FeatureBlock((feature,), frozenset(columns), compute)


@reads("track_id_clean")
def same_track_skipped(now: Present, before: Past) -> Floats:
    """Whether the same track was skipped when last played in this session: 0 or 1; NaN if new."""
    return before.same_track(skipped)


TASTE = (
    DISTANCES,
    COSINES,
    *(
        _relative(columns, name)
        for columns in (POPULARITY, YEAR)
        for name in ("skipped", "listened")
    ),
    same_track_skipped,
)
