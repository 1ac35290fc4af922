"""The group context: how and when a track is played."""

import numpy as np

from skipcast.arrays import Floats
from skipcast.features.feature import Feature, FeatureBlock, column, reads
from skipcast.features.views import Past, Present
from skipcast.schema import REASON_START, SHUFFLE


@reads("hour_of_day")
def hour_sin(now: Present, before: Past) -> Floats:
    """Sine of the hour on the clock's circle, -1..1; NaN if not given."""
    return np.sin(now["hour_of_day"] * (2 * np.pi / 24))


@reads("hour_of_day")
def hour_cos(now: Present, before: Past) -> Floats:
    """Cosine of the hour on the clock's circle, -1..1; NaN if not given."""
    return np.cos(now["hour_of_day"] * (2 * np.pi / 24))


_LAST = {
    "context_type": ("context_type", "code of the list that was played, as `context_type`"),
    "premium": ("premium", "whether the listener pays: 0 or 1"),
    "hour": ("hour_of_day", "hour of the day, 0..23"),
    "day_of_week": ("date", "day of the week, Monday 0 to Sunday 6"),
    "shuffle": (SHUFFLE, "whether tracks were played in random order: 0 or 1"),
    "short_pause": ("short_pause_before_play", "whether a short pause was before it: 0 or 1"),
    "long_pause": ("long_pause_before_play", "whether a long pause was before it: 0 or 1"),
    "context_switch": ("context_switch", "whether the list was changed before it: 0 or 1"),
}
AT_HALF = FeatureBlock(
    tuple(
        Feature(f"{name}_at_half", f"Of the last play that ended: {text}; NaN if not given.")
        for name, (_, text) in _LAST.items()
    ),
    frozenset(),
    lambda now, before: np.array([before[column] for column, _ in _LAST.values()]),
    # Where no play to come is known, the present one's own context is, which says more.
    frozenset({"session_length"}),
)

CONTEXT = (
    column(
        "position",
        "Position of the play in its session: 1, 2, 3, ...",
        source="session_position",
    ),
    column(
        "length",
        "Number of plays of the session.",
        source="session_length",
    ),
    hour_sin,
    hour_cos,
    column(
        "day_of_week",
        "Day of the week, Monday 0 to Sunday 6; NaN if the date is not given.",
        source="date",
    ),
    column(
        "premium",
        "Whether the listener pays: 0 or 1; NaN if not given.",
    ),
    column(
        "context_type",
        "Code of the list that is played, in `schema.CONTEXT_TYPES`; NaN if unseen or not given.",
    ),
    column(
        "context_switch",
        "Whether the listener changed the list just before: 0 or 1; NaN if not given.",
    ),
    column(
        "started_by",
        "Code of what started the play, in `schema.REASONS`; NaN if unseen or not given.",
        source=REASON_START,
    ),
    column(
        "no_pause",
        "Whether the play followed at once: 0 or 1; NaN if not given.",
        source="no_pause_before_play",
    ),
    column(
        "short_pause",
        "Whether there was a short pause before: 0 or 1; NaN if not given.",
        source="short_pause_before_play",
    ),
    column(
        "long_pause",
        "Whether there was a long pause before: 0 or 1; NaN if not given.",
        source="long_pause_before_play",
    ),
    column(
        "shuffle",
        "Whether tracks are played in random order: 0 or 1; NaN if not given.",
        source=SHUFFLE,
    ),
    AT_HALF,
)
