"""Listeners' own streaming histories, as Spotify sends them, as plays, tracks and names.

Names of tracks and artists are in `History.names` alone; the plays have hashes.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from skipcast.archive.history_checks import (
    check_differ,
    check_has_plays,
    describe_dropped,
    oddities,
    with_plays,
)
from skipcast.archive.history_files import find_histories
from skipcast.archive.history_plays import describe_plays, in_order
from skipcast.archive.history_rows import read_rows
from skipcast.archive.source import expand
from skipcast.column import Column
from skipcast.reading.columns import ARROW_TYPES
from skipcast.schema import LOG, SYNTHETIC_NOTE, SYNTHETIC_PREFIX, TRACK, is_synthetic

SYNTHETIC_ARTIST = "Twin artist "  # the names of all artists of a synthetic export start so
ONE = "listener"  # who a listener is where there is one
NAMES = ["id", "kind", "name", "artist"]


@dataclass(frozen=True)
class Report:
    """What was left out of histories, and what is odd about them."""

    dropped: Mapping[str, int]  # rows, by reason
    warnings: tuple[str, ...]  # sentences
    listeners: Mapping[str, str]  # id, by the name of the listener's zip or folder


@dataclass(frozen=True)
class History:
    """The plays of one listener or several.

    `plays` has the columns `schema.LOG`, in order of session and position; `tracks` the columns
    `schema.TRACK`, all but the id null; `names` the columns `NAMES`. Its kinds are track,
    artist, listener (called by the zip or folder) and session (called by the local day and hour at
    which its first play ended, which is known of all); only of a track, `artist` is given.
    """

    plays: pd.DataFrame
    tracks: pd.DataFrame
    names: pd.DataFrame
    report: Report


def read_history(
    source: Path | str, *, timezone: str | None = None, rows: int | None = None
) -> History:
    """Read the plays of tracks in the streaming histories of one listener or several.

    Args:
        source: path of a zip, a JSON file, or a folder; each zip and each folder directly in a
            folder is one listener's. `~` and variables of the environment are replaced.
        timezone: of hours and days, an IANA name; None: UTC.
        rows: how many plays to take; whole sessions, of each listener the latest ones, until there
            are at least as many in all. None: all.

    Raises:
        SkipcastError: a file is damaged or none that is read, holds no plays, or two of several
            listeners seem to be the same.
    """
    path = expand(source)
    notes: list[str] = []
    histories = with_plays(path, find_histories(path, notes.append), notes)
    dropped = Counter[str]()
    pooled: dict[str, pd.DataFrame] = {}
    for name, files in histories.items():
        read, left_out = read_rows(files)
        ordered = in_order(read)
        dropped += left_out + Counter(duplicates=len(read) - len(ordered))
        notes += oddities(name if len(histories) > 1 else path.name, files, ordered)
        if len(ordered):
            pooled[name] = ordered
    check_has_plays(path, pooled, dropped)
    check_differ(path, pooled)
    prefix = SYNTHETIC_PREFIX if _is_synthetic(pooled.values()) else ""
    ids = {name: prefix + _hash(ONE if len(pooled) == 1 else name, 12) for name in pooled}
    by_id = {ids[name]: pooled[name] for name in sorted(pooled, key=ids.__getitem__)}
    plays, known = _plays(by_id, prefix, timezone or "UTC")
    known = pd.concat([known, _called("listener", pd.Series(ids.values()), pd.Series(ids.keys()))])
    if rows is not None:
        plays = latest_sessions(plays, rows)
        kept = [
            plays[name] for name in ("track_id_clean", "artist_id", "session_id", "listener_id")
        ]
        known = known[known["id"].isin(pd.concat(kept))].reset_index(drop=True)
    report = Report(dict(dropped), tuple(notes), ids)
    tracks = pd.DataFrame({"track_id": np.sort(plays["track_id_clean"].unique())})
    return History(_typed(plays, LOG), _typed(tracks, TRACK), known, report)


def _is_synthetic(pooled: Iterable[pd.DataFrame]) -> bool:
    artists = pd.concat([rows["master_metadata_album_artist_name"] for rows in pooled]).dropna()
    return len(artists) > 0 and bool(artists.str.startswith(SYNTHETIC_ARTIST).all())


def _plays(
    pooled: Mapping[str, pd.DataFrame], prefix: str, timezone: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the plays of all listeners, and the names in them."""
    described = [describe_plays(rows, id_, timezone=timezone) for id_, rows in pooled.items()]
    rows = pd.concat(pooled.values(), ignore_index=True)
    artist, track = rows["master_metadata_album_artist_name"], rows["master_metadata_track_name"]
    key = rows["spotify_track_uri"].fillna(artist.fillna("") + "\x1f" + track)
    track_ids, artist_ids = _ids(key, prefix), _ids(artist, "")
    plays = pd.concat(described, ignore_index=True).assign(
        track_id_clean=track_ids, artist_id=artist_ids
    )
    ended = pd.to_datetime(rows["ended"], unit="s", utc=True).dt.tz_convert(timezone)
    is_first = plays["session_position"] == 1
    known = pd.concat(
        [
            _called("artist", artist_ids, artist),
            _called("session", plays["session_id"], ended.dt.strftime("%Y-%m-%d %H"))[is_first],
            _called("track", track_ids, track).assign(artist=artist),
        ]
    )
    known = known.dropna(subset=["id", "name"]).drop_duplicates(["kind", "id"], keep="last")
    return plays, known.sort_values(["kind", "id"], ignore_index=True)


def _called(kind: str, ids: pd.Series, called: pd.Series) -> pd.DataFrame:
    return pd.DataFrame({"id": ids, "kind": kind, "name": called, "artist": None})


def no_names() -> pd.DataFrame:
    """Return the names of a source that has none."""
    return pd.DataFrame(columns=NAMES, dtype="str")


def _ids(keys: pd.Series, prefix: str) -> pd.Series:
    codes, distinct = pd.factorize(keys)
    ids = np.array([*(prefix + _hash(key, 22) for key in distinct), None], object)
    return pd.Series(ids[codes], keys.index)


def _hash(text: str, digits: int) -> str:
    return hashlib.blake2b(text.encode()).hexdigest()[:digits]


def _typed(table: pd.DataFrame, columns: tuple[Column, ...]) -> pd.DataFrame:
    """Return a table with `columns` in their types, those that it lacks null."""
    arrays = {}
    for column in columns:
        type_ = ARROW_TYPES[column.type]
        given = column.name in table
        arrays[column.name] = (
            pa.array(table[column.name], type_) if given else pa.nulls(len(table), type_)
        )
    typed: pd.DataFrame = pa.table(arrays).to_pandas()
    return typed


def latest_sessions(plays: pd.DataFrame, rows: int) -> pd.DataFrame:
    """Return whole sessions, of each listener the latest ones, with `rows` plays or more in all.

    Args:
        plays: columns session_id and listener_id, in order of session and position.
        rows: the number of plays; if there are fewer, all are returned.
    """
    sessions = plays.drop_duplicates("session_id").copy()
    sessions["age"] = sessions.groupby("listener_id").cumcount(ascending=False)
    ages = plays["session_id"].map(sessions.set_index("session_id")["age"])
    plays_until = ages.value_counts().sort_index().cumsum()
    enough = plays_until[plays_until >= rows]
    return plays if enough.empty else plays[ages <= enough.index[0]].reset_index(drop=True)


def describe(history: History) -> list[str]:
    """Return sentences on what was read, what was left out, and what is odd."""
    plays, report = history.plays, history.report
    sessions = plays.drop_duplicates("session_id")
    days = plays["date"].dropna()
    span = f", {days.min()} to {days.max()}" if len(days) else ""
    counts = {
        "play": len(plays),
        "session": len(sessions),
        "listener": plays["listener_id"].nunique(),
        "track": len(history.tracks),
        "artist": plays["artist_id"].nunique(),
    }
    read = [f"{number:,} {what}{'' if number == 1 else 's'}" for what, number in counts.items()]
    note = SYNTHETIC_NOTE if is_synthetic(sessions["session_id"]) else ""
    sentences = [f"{', '.join(read)}{span}{note}"]
    if len(report.listeners) > 1:
        by_name = plays["listener_id"].value_counts()
        each = (f"{name} ({id_}) {by_name.get(id_, 0):,}" for name, id_ in report.listeners.items())
        sentences.append(f"Plays of each listener: {', '.join(each)}.")
    if left_out := describe_dropped(report.dropped):
        sentences.append(f"Left out: {left_out}.")
    cut, unknown = plays["skip_2"].isna().mean(), plays["started_at"].isna().mean()
    sentences.append(
        f"{cut:.1%} of the plays were cut by the app and have no outcome. Of {unknown:.1%}, the "
        "start is unknown."
    )
    return [*sentences, *report.warnings]
