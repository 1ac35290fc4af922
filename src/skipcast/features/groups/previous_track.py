"""The group previous_track: what was played before, and how this track differs from it."""

import numpy as np

from skipcast.arrays import Floats
from skipcast.features.feature import Feature, FeatureBlock
from skipcast.features.views import Past, Present
from skipcast.schema import ACOUSTIC_VECTORS, TRACK_INPUTS, names

# A difference of codes says nothing; that of acoustic vectors is in the cosines of taste already.
NOT_COMPARED = {"key", "mode", "time_signature", *names(ACOUSTIC_VECTORS)}
COMPARED = tuple(name for name in TRACK_INPUTS if name not in NOT_COMPARED)
COMPARED_PLACES = np.array([TRACK_INPUTS.index(name) for name in COMPARED])


def _previous(now: Present, before: Past) -> Floats:
    previous = before.rows(TRACK_INPUTS)
    return np.concatenate([previous, now.rows(COMPARED) - previous.take(COMPARED_PLACES, axis=0)])


PREVIOUS_TRACK = (
    FeatureBlock(
        (
            *(
                Feature(
                    f"previous_{name}",
                    f"`{name}` of the previous play's track; NaN at the first play or if unknown.",
                )
                for name in TRACK_INPUTS
            ),
            *(
                Feature(
                    f"change_of_{name}",
                    f"`{name}` of this play's track minus the previous one's; NaN as "
                    f"`previous_{name}`.",
                )
                for name in COMPARED
            ),
        ),
        frozenset(TRACK_INPUTS),
        _previous,
    ),
)
