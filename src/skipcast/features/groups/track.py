"""The group track: what is played."""

from skipcast.arrays import Floats
from skipcast.features.feature import Feature
from skipcast.features.views import Past, Present
from skipcast.schema import (
    TRACK_INPUTS,
)

# track: what is played.


def _tracks(now: Present, before: Past) -> Floats:
    return now.rows(TRACK_INPUTS)


_THIS = "`{}` of this play's track; NaN if the track is unknown."
TRACK = tuple(
    Feature(name, _THIS.format(name), frozenset({name}), _tracks) for name in TRACK_INPUTS
)
