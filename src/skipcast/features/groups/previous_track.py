"""The group previous_track: what was played before, and how this track differs from it."""

from skipcast.arrays import Floats
from skipcast.features.feature import Feature, FeatureBlock
from skipcast.features.views import Past, Present
from skipcast.schema import ACOUSTIC_VECTORS, TRACK_INPUTS, names

# A difference of codes says nothing; that of acoustic vectors is in the cosines of taste already.
NOT_COMPARED = {"key", "mode", "time_signature", *names(ACOUSTIC_VECTORS)}
COMPARED = tuple(name for name in TRACK_INPUTS if name not in NOT_COMPARED)


def _previous(now: Present, before: Past) -> Floats:
    return before.rows(TRACK_INPUTS)


def _changes(now: Present, before: Past) -> Floats:
    return now.rows(COMPARED) - before.rows(COMPARED)


PREVIOUS_TRACK = (
    FeatureBlock(
        tuple(
            Feature(
                f"previous_{name}",
                f"`{name}` of the previous play's track; NaN at the first play or if unknown.",
            )
            for name in TRACK_INPUTS
        ),
        frozenset(),
        _previous,
    ),
    FeatureBlock(
        tuple(
            Feature(
                f"change_of_{name}",
                f"`{name}` of this play's track minus the previous one's; NaN as "
                f"`previous_{name}`.",
            )
            for name in COMPARED
        ),
        frozenset(COMPARED),
        _changes,
    ),
)
