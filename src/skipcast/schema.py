"""The columns of plays and tracks: types, values, and what is known when.

The one place that decides what a prediction may see and what a file or a request may hold. Column
names and types are those of the Music Streaming Sessions Dataset (training log and track features
of the Sequential Skip Prediction Challenge), and more that only a listener's own history has.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from skipcast.arrays import Floats
from skipcast.column import Column, Known

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
    "unknown",  # only in listeners' own histories: without a place in the order
)

MSSD_LOG: tuple[Column, ...] = (
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
"""The official log."""

LATEST = 2**32  # UTC seconds of a time: the year 2106
LISTENER_LOG: tuple[Column, ...] = (
    Column("listener_id", "text"),
    Column("artist_id", "text"),
    Column("started_at", "bigint", Known.STARTED, low=0, high=LATEST),
)
"""What only a listener's own history tells of a play; null elsewhere. Times are UTC seconds."""
LOG: tuple[Column, ...] = MSSD_LOG + LISTENER_LOG
ALWAYS = ("session_id", "session_position", "session_length", "track_id_clean")
"""What each play of any source has. A history lacks other values here and there."""

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

LISTENER_KEYS = ("listener", "listener_track", "listener_artist")
"""What a listener's history is counted by: the listener, and each track and artist of theirs."""
LISTENER_COUNTS: tuple[Column, ...] = tuple(
    column
    for key in LISTENER_KEYS
    for column in (
        Column(f"{key}_plays", "bigint", low=0, high=MOST_PLAYS),
        Column(f"{key}_skips", "bigint", low=0, high=MOST_PLAYS),
        Column(f"{key}_full_listens", "bigint", low=0, high=MOST_PLAYS),
        Column(f"{key}_recent_skip_rate", "double precision", low=0, high=1),
        Column(f"{key}_last_skipped", "boolean", low=0, high=1),
        Column(f"{key}_last_at", "bigint", low=0, high=LATEST),
    )
)
"""What the listener did in earlier sessions, as of the session's start, by `LISTENER_KEYS`."""

Label = Literal["brief", "any"]
LABELS: Mapping[Label, str] = {"brief": "skip_2", "any": "skip_3"}
"""What counts as a skip, and the column that tells it."""
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
    *LISTENER_COUNTS,
)
"""What a request may hold: raw plays, and track features and counts where it knows them better."""
REQUIRED: tuple[str, ...] = tuple(column.name for column in INPUTS if column.required)
REASON_START = "hist_user_behavior_reason_start"
REASON_END = "hist_user_behavior_reason_end"
TRACK_INPUTS: tuple[str, ...] = tuple(column.name for column in TRACK if column.name != "track_id")
TRACK_KNOWN: tuple[str, ...] = (*TRACK_INPUTS, *(column.name for column in (*COUNTS, *PRIOR)))
"""All that is known of a track before it is played."""
LISTENER_KNOWN: tuple[str, ...] = tuple(column.name for column in LISTENER_COUNTS)
"""All that is known of a listener's earlier sessions."""

_LOG = {column.name: column for column in LOG}
ANSWER: tuple[Column, ...] = (
    *(_LOG[name] for name in REQUIRED),
    Column("skip_probability", "double precision", low=0, high=1),
    Column(ALIAS, "boolean", low=0, high=1),
    Column("track_known", "boolean", low=0, high=1, required=True),
    Column("history_until", "text", is_date=True),
)
"""What a model answers for each play.

The probability and what follows from it are null if the play is not scored, and history_until where
the model has no table of listeners or does not know the play's.
"""

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
RankBy = Literal["accuracy", "maa"]
Part = Literal["train", "validation", "test"]  # of the split
"""What models are ranked by: accuracy, then log loss; or MAA, then FPA, as the challenge does."""
Group = Literal[
    "track",
    "track_history",
    "context",
    "outcomes",
    "behaviour",
    "previous_track",
    "taste",
    "listener_history",
    "ahead",
]
TRACK_GROUPS: tuple[Group, ...] = (
    *("track", "track_history", "context", "outcomes", "behaviour", "previous_track", "taste"),
)
"""What a data set with track features fills."""
LISTENER_GROUPS: tuple[Group, ...] = ("context", "outcomes", "behaviour", "listener_history")
"""What a listener's history fills: it has no track features."""
AHEAD: Group = "ahead"
"""What only a horizon fills that knows the tracks of plays to come."""


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

    @property
    def rank_by(self) -> RankBy:
        """What models of the horizon are ranked by unless params say otherwise.

        >>> HORIZONS["second_half"].rank_by, HORIZONS["started"].rank_by
        ('maa', 'accuracy')
        """
        return "maa" if self.divides_sessions else "accuracy"

    @property
    def ahead(self) -> frozenset[str]:
        """Columns that are known of the plays to come, too.

        >>> "tempo" in HORIZONS["second_half"].ahead, "skip_2" in HORIZONS["second_half"].ahead
        (True, False)
        >>> HORIZONS["started"].ahead
        frozenset()
        """
        return self.known if self.divides_sessions else frozenset()


def _known_until(moment: Known) -> frozenset[str]:
    known = {column.name for column in LOG if column.known <= moment}
    return frozenset(known) | {*TRACK_KNOWN, *LISTENER_KNOWN}


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
            | {*TRACK_KNOWN, *LISTENER_KNOWN},
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
