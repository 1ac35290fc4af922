"""What is known of a listener's plays: their order, sessions, starts, pauses and outcomes.

The file tells when a play ended. When it started is known only where `offline_timestamp` says so:
the end less the time played is no start, as a pause inside the play moves it. What is known of a
play when it starts must not depend on how it goes on. So pauses, hours and days are missing where
the start is.
"""

import numpy as np
import pandas as pd

from skipcast.arrays import Array, Bools, Floats
from skipcast.schema import OUTCOMES, REASON_END, REASON_START, REASONS, SHUFFLE

SESSION_GAP = 20 * 60  # seconds between two plays that part sessions
SHORT_PAUSE = 60  # seconds; longer pauses are long ones
NO_PAUSE = 1  # second
MOST_PAUSED = 7 * 24 * 3600  # seconds that a play may be paused; a start before that is wrong
MOST_AHEAD = 5  # seconds that the clock of a start may be ahead of that of the end
MILLISECONDS = 1e11  # from here on a time is in milliseconds: as seconds it would be the year 5138
SKIP_SECONDS = {"skip_1": 10, "skip_2": 30, "skip_3": np.inf}

BY_LISTENER = ("fwdbtn", "backbtn", "endplay")  # reasons of a listener who ends a play
HEARD = "trackdone"
UNKNOWN = "unknown"
SAME_REASON = {
    "uriopen": "clickrow",
    "clickside": "clickrow",
    "popup": "clickrow",
    "nextbtn": "fwdbtn",
    "autoplay": "trackdone",
    "persisted": "appload",
    "unexpectedexit": "logout",
    "unexpectedexitwhilepaused": "logout",
    "switchedtovideo": "endplay",
}
"""Of reasons, in small letters alone, the official one that means the same."""
CUT = ("logout", "remote", "trackerror", UNKNOWN)  # reasons of the app: no outcome
IMPLIED = {
    "trackdone": ("trackdone",),
    "fwdbtn": ("fwdbtn",),
    "backbtn": ("backbtn",),
    "endplay": ("clickrow", "playbtn"),
}
"""How the next play starts after a play that ended so."""


def in_order(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows in order of time, each once, with the column `start`.

    Args:
        rows: as `history_rows.read_rows` returns them.

    Returns:
        Sorted by end, then start; of rows that tie, the first in the files comes first. `start`:
        seconds since 1970, whole; NaN where it is unknown. Of a play that is in an export with URIs
        and in one without, the row with the URI stays.
    """
    reasons = {name: normal_reasons(rows[name]) for name in ("reason_start", "reason_end")}
    start = known_starts(rows["ended"].to_numpy(), _played(rows), _offline(rows))
    rows = rows.drop(columns="offline_timestamp").assign(start=start, **reasons)
    no_uri = rows["spotify_track_uri"].isna()
    rows = rows.iloc[np.lexsort((no_uri, rows["start"], rows["ended"]))]
    return rows[~are_again(rows)].reset_index(drop=True)


def are_again(rows: pd.DataFrame) -> Bools:
    """Tell of each row whether one before it is of the same play, of this export or of another.

    Args:
        rows: as `history_rows.read_rows` returns them.
    """
    artist, track = rows["master_metadata_album_artist_name"], rows["master_metadata_track_name"]
    plays = rows[["ended", "ms_played", "reason_start", "reason_end"]].assign(
        artist=artist,
        track=track.fillna(rows["spotify_track_uri"]),  # of some tracks, the names are gone
    )
    again: Bools = plays.duplicated().to_numpy()
    return again


def _played(rows: pd.DataFrame) -> Floats:
    return rows["ms_played"].to_numpy() / 1000


def _offline(rows: pd.DataFrame) -> Floats:
    times = rows["offline_timestamp"].to_numpy()
    return np.floor(np.where(times < MILLISECONDS, times, times / 1000))


def known_starts(ended: Floats, played: Floats, offline: Floats) -> Floats:
    """Return when plays started, NaN where that is unknown.

    Args:
        ended: seconds since 1970.
        played: seconds.
        offline: when the app says that the play started, seconds since 1970; NaN: it does not.

    >>> known_starts(np.array([100.0, 100]), np.array([30.0, 30]), np.array([60.0, 76]))
    array([60., nan])
    """
    latest = ended - played
    is_right = (offline >= latest - MOST_PAUSED) & (offline <= latest + MOST_AHEAD)
    return np.where(is_right, offline, np.nan)


def normal_reasons(reasons: pd.Series) -> pd.Series:
    """Return reasons in the official words where they mean the same, else "unknown".

    >>> normal_reasons(pd.Series(["click-row", "fwdbtn", "", None, "unexpected-exit"])).tolist()
    ['clickrow', 'fwdbtn', 'unknown', 'unknown', 'logout']
    """
    codes, texts = pd.factorize(reasons)  # of null: -1, the last word
    plain = ["".join(filter(str.isalpha, str(text).lower())) for text in texts]
    words = [SAME_REASON.get(word, word) for word in plain]
    known = [word if word in REASONS else UNKNOWN for word in words]
    return pd.Series(np.array([*known, UNKNOWN], object)[codes], reasons.index)


def consistency(rows: pd.DataFrame) -> tuple[float, int]:
    """Return how many plays start as the end of the play before implies: a share, and of how many.

    Args:
        rows: as `in_order` returns them.
    """
    before = rows["reason_end"].shift()
    right = np.zeros(len(rows), bool)
    for end, starts in IMPLIED.items():
        right |= ((before == end) & rows["reason_start"].isin(starts)).to_numpy(bool)
    judged = int(before.isin([*IMPLIED]).sum())
    return (right.sum() / judged if judged else 1.0), judged


def session_starts(rows: pd.DataFrame) -> Bools:
    """Tell of each row whether a session starts with it.

    Where the start of a play is unknown, the end less the time played stands for it: for this
    alone, and too late if the play was paused.

    Args:
        rows: as `in_order` returns them.
    """
    ended = rows["ended"].to_numpy()
    start = rows["start"].to_numpy()
    began = np.where(np.isnan(start), ended - _played(rows), start)
    is_first = np.ones(len(rows), bool)
    is_first[1:] = began[1:] - ended[:-1] > SESSION_GAP
    return is_first


def pauses(start: Floats, ended: Floats, is_first: Bools) -> dict[str, Floats]:
    """Return the pauses before plays: 0 or 1; NaN at a session's start and where none is known.

    Args:
        start: seconds since 1970, NaN where it is unknown.
        ended: seconds since 1970.
        is_first: whether a play is the first of its session.

    >>> start, ended = np.array([0.0, 62, np.nan]), np.array([60.0, 100, 200])
    >>> pauses(start, ended, np.array([True, False, False]))["short_pause_before_play"]
    array([nan,  1., nan])
    """
    gap = np.full(len(start), np.nan)
    gap[1:] = start[1:] - ended[:-1]
    gap[is_first] = np.nan
    kinds = {
        "no_pause_before_play": gap <= NO_PAUSE,
        "short_pause_before_play": (gap > NO_PAUSE) & (gap <= SHORT_PAUSE),
        "long_pause_before_play": gap > SHORT_PAUSE,
    }
    return {name: np.where(np.isnan(gap), np.nan, kind) for name, kind in kinds.items()}


def outcomes(reason_end: pd.Series, played: Floats) -> dict[str, Array]:
    """Return the outcomes of plays, by name: true, false, or null where the app cut the play.

    Args:
        reason_end: as `normal_reasons` returns them.
        played: seconds.
    """
    by_listener = reason_end.isin(BY_LISTENER).to_numpy(bool)
    values = {name: by_listener & (played <= most) for name, most in SKIP_SECONDS.items()}
    values["not_skipped"] = (reason_end == HEARD).to_numpy(bool)
    is_cut = reason_end.isin(CUT).to_numpy(bool)
    known = {name: values[name].astype(object) for name in OUTCOMES}
    for value in known.values():
        value[is_cut] = None
    return known


def describe_plays(rows: pd.DataFrame, listener: str, *, timezone: str) -> pd.DataFrame:
    """Return what the log holds of a listener's plays; tracks and artists are left to the caller.

    Args:
        rows: as `in_order` returns them.
        listener: the id, with which the ids of sessions begin.
        timezone: of hours and days, an IANA name.
    """
    is_first = session_starts(rows)
    session = np.cumsum(is_first) - 1
    first = np.flatnonzero(is_first)
    lengths = np.diff(np.append(first, len(rows)))
    ids = np.array([f"{listener}-{number:07d}" for number in range(1, len(first) + 1)], object)
    start, ended = rows["start"].to_numpy(), rows["ended"].to_numpy()
    local = pd.to_datetime(rows["start"], unit="s", utc=True).dt.tz_convert(timezone)
    return pd.DataFrame(
        {
            "session_id": ids[session],
            "session_position": np.arange(len(rows)) - first[session] + 1,
            "session_length": lengths[session],
            **outcomes(rows["reason_end"], _played(rows)),
            **pauses(start, ended, is_first),
            SHUFFLE: rows["shuffle"],
            "hour_of_day": local.dt.hour,
            "date": local.dt.strftime("%Y-%m-%d"),
            REASON_START: rows["reason_start"],
            REASON_END: rows["reason_end"],
            "listener_id": listener,
            "started_at": start,
        }
    )
