"""The columns of the Music Streaming Sessions Dataset: types, values, and what is known when.

The one place that decides what a prediction may see and what a file or a request may hold. Column
names and types are the official ones (training log and track features of the Sequential Skip
Prediction Challenge).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
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


MAX_NUMBER = 1e6  # of numbers; the dataset's are far below, and the features' sums stay exact


@dataclass(frozen=True)
class Column:
    """A column: its name, its Postgres type, when it is known, and which values it may hold.

    Files and requests are checked by this alone. A file must give every value. A request may leave
    out any value, or send null, unless the column is `required`.

    Args:
        name: as in the official files.
        type: of the column in Postgres.
        known: from when on the value of a play is known.
        low: the smallest number allowed; not used for text.
        high: the largest number allowed; not used for text.
        values: the texts allowed; empty allows all.
        is_date: whether the text must be a date like 2018-07-15.
        required: whether every row of a request must give the value.
    """

    name: str
    type: ColumnType
    known: Known = Known.QUEUED
    low: float = -MAX_NUMBER
    high: float = MAX_NUMBER
    values: tuple[str, ...] = ()
    is_date: bool = False
    required: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether the values are whole numbers; true and false count as 1 and 0."""
        return self.type in ("bigint", "boolean")

    @property
    def is_flag(self) -> bool:
        """Whether the values are true and false, or 1 and 0."""
        return self.is_whole and (self.low, self.high) == (0, 1)

    def allows(self, text: str) -> bool:
        """Tell whether a column of texts may hold `text`.

        >>> day = Column("date", "text", is_date=True)
        >>> day.allows("2018-07-15"), day.allows("2018-13-01"), day.allows("20180715")
        (True, False, False)
        """
        if self.is_date:
            return _is_date(text)
        return not self.values or text in self.values

    def rule(self, *, nullable: bool) -> str:
        """Say what a value must be, for the error "<column> must be <rule> but got <value>".

        Args:
            nullable: whether null is allowed, too.

        >>> Column("hour_of_day", "bigint", low=0, high=23).rule(nullable=True)
        'a whole number from 0 to 23, or null'
        >>> Column("mode", "text", values=("minor", "major")).rule(nullable=False)
        'minor or major'
        """
        null = ["null"] if nullable else []
        if self.is_flag:
            return _either(["true", "false", *null, "0", "1"])
        if self.type == "text":
            kind = "text that is not empty" if self.required else "text"
            texts = self.values or ("a date like 2018-07-15" if self.is_date else kind,)
            return _either([*texts, *null])
        number = "a whole number" if self.is_whole else "a number"
        interval = f"from {self.low:,.0f} to {self.high:,.0f}"
        if (self.low, self.high) == (-MAX_NUMBER, MAX_NUMBER):
            interval = f"within {MAX_NUMBER:,.0f} of 0"
        return f"{number} {interval}{', or null' if nullable else ''}"


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _either(words: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


# Texts that become numbers: the code of a text is its place. Contexts and reasons are in order of
# how often such plays are skipped, so that a linear model can use the code, too.
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

LOG: tuple[Column, ...] = (
    Column("session_id", "text", required=True),
    Column("session_position", "bigint", low=1, required=True),
    Column("session_length", "bigint", Known.SESSION_ENDED, low=1),
    Column("track_id_clean", "text", required=True),
    Column("skip_1", "boolean", Known.ENDED, 0, 1),
    Column("skip_2", "boolean", Known.ENDED, 0, 1),
    Column("skip_3", "boolean", Known.ENDED, 0, 1),
    Column("not_skipped", "boolean", Known.ENDED, 0, 1),
    Column("context_switch", "bigint", Known.STARTED, 0, 1),
    Column("no_pause_before_play", "bigint", Known.STARTED, 0, 1),
    Column("short_pause_before_play", "bigint", Known.STARTED, 0, 1),
    Column("long_pause_before_play", "bigint", Known.STARTED, 0, 1),
    Column("hist_user_behavior_n_seekfwd", "bigint", Known.ENDED, low=0),
    Column("hist_user_behavior_n_seekback", "bigint", Known.ENDED, low=0),
    Column("hist_user_behavior_is_shuffle", "boolean", Known.STARTED, 0, 1),
    Column("hour_of_day", "bigint", Known.QUEUED, 0, 23),
    Column("date", "text", is_date=True),
    Column("premium", "boolean", Known.QUEUED, 0, 1),
    # Contexts and reasons may be newer than a model: no list of values.
    Column("context_type", "text", Known.STARTED),
    Column("hist_user_behavior_reason_start", "text", Known.STARTED),
    Column("hist_user_behavior_reason_end", "text", Known.ENDED),
)

TRACK_FEATURES: tuple[Column, ...] = (
    Column("track_id", "text", required=True),
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
    Column("mode", "text", values=MODES),
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

MOST_PLAYS = 1e12  # of a track
MOST_DEPTH = 4  # of a play that was listened to its end; 0 where it was skipped at once
COUNTS: tuple[Column, ...] = tuple(
    Column(name, "bigint", low=0, high=MOST_PLAYS)
    for name in ("track_plays", "track_skips", "track_depth")
)
"""Of a play's track in training sessions, without the play's own: plays, skips, sum of depths."""
PRIOR: tuple[Column, ...] = tuple(
    Column(name, "double precision", low=0)
    for name in ("prior_plays", "prior_skips", "prior_depth")
)
"""Pseudo-plays that every track's counts are shrunk by, with the mean track's skips and depths."""

TARGET = "skip_2"
ALIAS = "skipped"
"""What a request may call `skip_2`."""
THRESHOLD = 0.5  # a play is called skipped from this probability on
OUTCOMES = ("skip_1", "skip_2", "skip_3", "not_skipped")
SHUFFLE = "hist_user_behavior_is_shuffle"
INPUTS: tuple[Column, ...] = (
    *LOG,
    Column(ALIAS, "boolean", Known.ENDED, 0, 1),
    *TRACK[1:],
    *COUNTS,
)
"""What a request may hold: raw plays, and track features and counts where it knows them better."""
REQUIRED: tuple[str, ...] = tuple(column.name for column in INPUTS if column.required)
REASON_START = "hist_user_behavior_reason_start"
REASON_END = "hist_user_behavior_reason_end"
TRACK_INPUTS: tuple[str, ...] = tuple(column.name for column in TRACK if column.name != "track_id")
TRACK_KNOWN: tuple[str, ...] = (*TRACK_INPUTS, *(column.name for column in (*COUNTS, *PRIOR)))
"""All that is known of a track before it is played."""

_LOG = {column.name: column for column in LOG}
ANSWER: tuple[Column, ...] = (
    *(_LOG[name] for name in REQUIRED),
    Column("skip_probability", "double precision", low=0, high=1),
    Column(ALIAS, "boolean", low=0, high=1),
    Column("track_known", "boolean", low=0, high=1, required=True),
)
"""What a model answers for each play; all but the required ones are null if it is not scored."""

CODES: Mapping[str, tuple[str, ...]] = {
    "mode": MODES,
    "context_type": CONTEXT_TYPES,
    REASON_START: REASONS,
    REASON_END: REASONS,
}

# All ids of synthetic sessions and tracks start so, in every file, table and request.
SYNTHETIC_PREFIX = "twin-"
SYNTHETIC_NOTE = " (twin: synthetic data)"  # beside every figure and table of such data

HorizonName = Literal["started", "queued", "second_half"]  # the names of HORIZONS, for type checks
Group = Literal[
    "track", "track_history", "context", "outcomes", "behaviour", "previous_track", "taste"
]


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
    return frozenset(column.name for column in LOG if column.known <= moment) | {*TRACK_KNOWN}


def _half(session_length: Floats) -> Floats:
    return session_length // 2


HORIZONS: Mapping[HorizonName, Horizon] = {
    horizon.name: horizon
    for horizon in (
        Horizon(
            "queued", _known_until(Known.QUEUED), "only what is known before the track is queued"
        ),
        Horizon("started", _known_until(Known.STARTED), "all that is known when the track starts"),
        Horizon(  # the challenge's own task
            "second_half",
            frozenset({"session_id", "session_position", "session_length", "track_id_clean"})
            | {*TRACK_KNOWN},
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
    """Tell whether any of `session_ids` is of the twin, not of a listener.

    >>> is_synthetic(["twin-0-000001"]), is_synthetic(["0_00006f66-33e5-4de7"])
    (True, False)
    """
    return any(session_id.startswith(SYNTHETIC_PREFIX) for session_id in session_ids)
