"""The columns of the Music Streaming Sessions Dataset, their types, and what is known when.

The one place that decides what a prediction may see. Column names and types are the official
ones (training log and track features of the Sequential Skip Prediction Challenge).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from skipcast.arrays import Floats

ColumnType = Literal["text", "bigint", "boolean", "double precision"]


class Known(IntEnum):
    """The moment from which a column of a play is known; later moments know more."""

    QUEUED = 1  # before the track is queued
    STARTED = 2  # when the track starts
    ENDED = 3  # only after the track ended
    SESSION_ENDED = 4  # only after the session ended


@dataclass(frozen=True)
class Column:
    """A column of the official files: its name, its Postgres type, and when it is known."""

    name: str
    type: ColumnType
    known: Known = Known.QUEUED


LOG: tuple[Column, ...] = (
    Column("session_id", "text"),
    Column("session_position", "bigint"),
    Column("session_length", "bigint", Known.SESSION_ENDED),
    Column("track_id_clean", "text"),
    Column("skip_1", "boolean", Known.ENDED),
    Column("skip_2", "boolean", Known.ENDED),
    Column("skip_3", "boolean", Known.ENDED),
    Column("not_skipped", "boolean", Known.ENDED),
    Column("context_switch", "bigint", Known.STARTED),
    Column("no_pause_before_play", "bigint", Known.STARTED),
    Column("short_pause_before_play", "bigint", Known.STARTED),
    Column("long_pause_before_play", "bigint", Known.STARTED),
    Column("hist_user_behavior_n_seekfwd", "bigint", Known.ENDED),
    Column("hist_user_behavior_n_seekback", "bigint", Known.ENDED),
    Column("hist_user_behavior_is_shuffle", "boolean", Known.STARTED),
    Column("hour_of_day", "bigint"),
    Column("date", "text"),
    Column("premium", "boolean"),
    Column("context_type", "text", Known.STARTED),
    Column("hist_user_behavior_reason_start", "text", Known.STARTED),
    Column("hist_user_behavior_reason_end", "text", Known.ENDED),
)

TRACK_FEATURES: tuple[Column, ...] = (
    Column("track_id", "text"),
    Column("duration", "double precision"),
    Column("release_year", "bigint"),
    Column("us_popularity_estimate", "double precision"),
    Column("acousticness", "double precision"),
    Column("beat_strength", "double precision"),
    Column("bounciness", "double precision"),
    Column("danceability", "double precision"),
    Column("dyn_range_mean", "double precision"),
    Column("energy", "double precision"),
    Column("flatness", "double precision"),
    Column("instrumentalness", "double precision"),
    Column("key", "bigint"),
    Column("liveness", "double precision"),
    Column("loudness", "double precision"),
    Column("mechanism", "double precision"),
    Column("mode", "text"),
    Column("organism", "double precision"),
    Column("speechiness", "double precision"),
    Column("tempo", "double precision"),
    Column("time_signature", "bigint"),
    Column("valence", "double precision"),
)

ACOUSTIC_VECTORS: tuple[Column, ...] = tuple(
    Column(f"acoustic_vector_{i}", "double precision") for i in range(8)
)

TRACK: tuple[Column, ...] = TRACK_FEATURES + ACOUSTIC_VECTORS

TARGET = "skip_2"
ALIAS = "skipped"
"""What a request may call `skip_2`."""
THRESHOLD = 0.5  # a play is called skipped from this probability on
OUTCOMES = ("skip_1", "skip_2", "skip_3", "not_skipped")
SHUFFLE = "hist_user_behavior_is_shuffle"
INPUTS: tuple[Column, ...] = (*LOG, Column(ALIAS, "boolean", Known.ENDED), *TRACK[1:])
"""What a request may hold: raw plays, and track features where it knows them better."""
REASON_START = "hist_user_behavior_reason_start"
REASON_END = "hist_user_behavior_reason_end"
TRACK_INPUTS: tuple[str, ...] = tuple(column.name for column in TRACK if column.name != "track_id")

# Texts that become numbers: a value's code is its place. Contexts and reasons stand in order of how
# often such plays are skipped, so that a linear model can use the code, too.
MODES = ("minor", "major")
CONTEXT_TYPES = (
    "personalized_playlist",
    "catalog",
    "editorial_playlist",
    "radio",
    "user_collection",
    "charts",
)
REASONS = (
    "trackdone",
    "endplay",
    "logout",
    "trackerror",
    "remote",
    "appload",
    "playbtn",
    "clickrow",
    "backbtn",
    "fwdbtn",
)
CODES: Mapping[str, tuple[str, ...]] = {
    "mode": MODES,
    "context_type": CONTEXT_TYPES,
    REASON_START: REASONS,
    REASON_END: REASONS,
}

# Texts of synthetic sessions start so, in every file, table and request: whoever meets one knows.
SYNTHETIC_PREFIX = "twin-"
SYNTHETIC_NOTE = " (twin: synthetic data)"  # beside every figure and table of such data

HorizonName = Literal["started", "queued", "second_half"]  # the names of HORIZONS, for type checks
Group = Literal["track", "context", "outcomes", "behaviour", "previous_track", "taste"]


@dataclass(frozen=True)
class Horizon:
    """What is known when a prediction is made, which plays it predicts, and from what history."""

    name: HorizonName
    known: frozenset[str]  # columns of the play to predict that are known
    text: str  # what is known, in words
    history_length: Callable[[Floats], Floats] | None = None
    """From session_length, how many plays at a session's start are the history of all others.

    Only the others are predicted. None: all plays are, each from all plays before it.
    """

    @property
    def divides_sessions(self) -> bool:
        """Whether a session's first plays are the history of all its others, as the challenge asks.

        >>> HORIZONS["second_half"].divides_sessions, HORIZONS["started"].divides_sessions
        (True, False)
        """
        return self.history_length is not None


def _known_until(moment: Known) -> frozenset[str]:
    return frozenset(column.name for column in LOG if column.known <= moment) | {*TRACK_INPUTS}


def _half(session_length: Floats) -> Floats:
    return session_length // 2


HORIZONS: Mapping[HorizonName, Horizon] = {
    horizon.name: horizon
    for horizon in (
        Horizon(
            "queued",
            _known_until(Known.QUEUED),
            "only what is known before the track is queued",
        ),
        Horizon(
            "started",
            _known_until(Known.STARTED),
            "all that is known when the track starts",
        ),
        Horizon(  # the challenge's own task
            "second_half",
            frozenset({"session_id", "session_position", "session_length", "track_id_clean"})
            | {*TRACK_INPUTS},
            "the first half of the session in full, then tracks, positions and the length",
            history_length=_half,
        ),
    )
}


def names(columns: Iterable[Column]) -> list[str]:
    """Return the names of `columns`, in order.

    >>> names(TRACK_FEATURES)[:3]
    ['track_id', 'duration', 'release_year']
    """
    return [column.name for column in columns]


def is_synthetic(session_ids: Iterable[str]) -> bool:
    """Tell whether any of `session_ids` was made by the twin and not by a listener.

    >>> is_synthetic(["twin-0-000001"]), is_synthetic(["0_00006f66-33e5-4de7"])
    (True, False)
    """
    return any(session_id.startswith(SYNTHETIC_PREFIX) for session_id in session_ids)
