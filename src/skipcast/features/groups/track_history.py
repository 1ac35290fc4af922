"""The group track_history: what became of the track in other sessions.

Rates are shrunk to those of the mean track, as if each track had been played `prior_plays` times
more with its outcomes. So a track that was never counted has the mean track's.
"""

import numpy as np

from skipcast.arrays import Floats
from skipcast.features.feature import Feature, FeatureBlock, reads
from skipcast.features.views import Past, Present


@reads("track_plays", "track_skips", "prior_plays", "prior_skips")
def track_skip_rate(now: Present, before: Past) -> Floats:
    """Share of the track's plays in other sessions that were skipped, 0..1, shrunk; never NaN."""
    return (now["track_skips"] + now["prior_skips"]) / (now["track_plays"] + now["prior_plays"])


@reads("track_plays", "track_depth", "prior_plays", "prior_depth")
def track_mean_depth(now: Present, before: Past) -> Floats:
    """How far the track's plays in other sessions got, mean, 0..4 as depth_1, shrunk; never NaN."""
    return (now["track_depth"] + now["prior_depth"]) / (now["track_plays"] + now["prior_plays"])


@reads("track_plays")
def track_log_plays(now: Present, before: Past) -> Floats:
    """Natural logarithm of 1 plus the track's plays in other sessions, 0 or more; never NaN."""
    return np.log1p(now["track_plays"])


_COUNTS = ("track_plays", "track_skips", "prior_plays", "prior_skips")
NEAR = {"previous_but_one": -2, "previous": -1, "next": 1, "next_but_one": 2}


def _rates_near(now: Present, before: Past) -> Floats:
    counts = np.array([now.ahead.rows(_COUNTS, offset) for offset in NEAR.values()])
    plays, skips, prior_plays, prior_skips = counts.swapaxes(0, 1)
    rates: Floats = (skips + prior_skips) / (plays + prior_plays)
    return rates


RATES_NEAR = FeatureBlock(
    tuple(
        Feature(
            f"{name}_track_skip_rate",
            f"`track_skip_rate` of the {name.replace('_', ' ')} play's track; NaN without one.",
        )
        for name in NEAR
    ),
    frozenset(),
    _rates_near,
    frozenset(_COUNTS),
)

TRACK_HISTORY = (track_skip_rate, track_mean_depth, track_log_plays, RATES_NEAR)
