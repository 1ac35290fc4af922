"""The group context: how and when a track is played."""

import numpy as np

from skipcast.arrays import Floats
from skipcast.features.feature import reads
from skipcast.features.views import Past, Present
from skipcast.schema import (
    REASON_START,
    SHUFFLE,
)

# context: how and when it is played.


@reads("session_position")
def position(now: Present, before: Past) -> Floats:
    """Position of the play in its session: 1, 2, 3, ..."""
    return now["session_position"]


@reads("session_length")
def length(now: Present, before: Past) -> Floats:
    """Number of plays of the session."""
    return now["session_length"]


@reads("hour_of_day")
def hour_sin(now: Present, before: Past) -> Floats:
    """Sine of the hour on the clock's circle, -1..1; NaN if not given."""
    return np.sin(now["hour_of_day"] * (2 * np.pi / 24))


@reads("hour_of_day")
def hour_cos(now: Present, before: Past) -> Floats:
    """Cosine of the hour on the clock's circle, -1..1; NaN if not given."""
    return np.cos(now["hour_of_day"] * (2 * np.pi / 24))


@reads("date")
def day_of_week(now: Present, before: Past) -> Floats:
    """Day of the week, Monday 0 to Sunday 6; NaN if the date is not given."""
    return now["date"]


@reads("premium")
def premium(now: Present, before: Past) -> Floats:
    """Whether the listener pays: 0 or 1; NaN if not given."""
    return now["premium"]


@reads("context_type")
def context_type(now: Present, before: Past) -> Floats:
    """Code of the list that is played, in `schema.CONTEXT_TYPES`; NaN if unseen or not given."""
    return now["context_type"]


@reads("context_switch")
def context_switch(now: Present, before: Past) -> Floats:
    """Whether the listener changed the list just before: 0 or 1; NaN if not given."""
    return now["context_switch"]


@reads(REASON_START)
def started_by(now: Present, before: Past) -> Floats:
    """Code of what started the play, in `schema.REASONS`; NaN if unseen or not given."""
    return now[REASON_START]


@reads("no_pause_before_play")
def no_pause(now: Present, before: Past) -> Floats:
    """Whether the play followed at once: 0 or 1; NaN if not given."""
    return now["no_pause_before_play"]


@reads("short_pause_before_play")
def short_pause(now: Present, before: Past) -> Floats:
    """Whether there was a short pause before: 0 or 1; NaN if not given."""
    return now["short_pause_before_play"]


@reads("long_pause_before_play")
def long_pause(now: Present, before: Past) -> Floats:
    """Whether there was a long pause before: 0 or 1; NaN if not given."""
    return now["long_pause_before_play"]


@reads(SHUFFLE)
def shuffle(now: Present, before: Past) -> Floats:
    """Whether tracks are played in random order: 0 or 1; NaN if not given."""
    return now[SHUFFLE]


CONTEXT = (
    position,
    length,
    hour_sin,
    hour_cos,
    day_of_week,
    premium,
    context_type,
    context_switch,
    started_by,
    no_pause,
    short_pause,
    long_pause,
    shuffle,
)
