"""The group track: what is played."""

from skipcast.arrays import Floats
from skipcast.features.feature import Feature, FeatureBlock
from skipcast.features.views import Past, Present
from skipcast.schema import TRACK_INPUTS


def _tracks(now: Present, before: Past) -> Floats:
    return now.rows(TRACK_INPUTS)


MEANING = "`{}` of this play's track; NaN if the track is unknown."
TRACK = (
    FeatureBlock(
        tuple(Feature(name, MEANING.format(name)) for name in TRACK_INPUTS),
        frozenset(TRACK_INPUTS),
        _tracks,
    ),
)
