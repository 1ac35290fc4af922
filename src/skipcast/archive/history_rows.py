"""The plays in a JSON file of a streaming history, and which of its rows are none.

Only the keys of `Row` are decoded. Of all others, such as addresses, user names and places, no
value is ever made. Nor is one of `skipped`: it was never true for years, so the reasons tell how a
play ended.
"""

import re
from collections import Counter
from collections.abc import Iterable
from operator import attrgetter

import msgspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from skipcast.archive.history_files import HistoryFile
from skipcast.arrays import Array
from skipcast.errors import SkipcastError
from skipcast.reading.values import display

BOM = b"\xef\xbb\xbf"
FIRST_SECOND = pd.Timestamp("2006-01-01").timestamp()  # Spotify is no older; some clocks say 1970
GET_AGAIN = "Get the export again, or take the zip as Spotify sent it."


class Row(msgspec.Struct, gc=False):
    """A row of the JSON, with the keys that are read; any may be missing or null."""

    ts: str | None = None  # when the play ended, UTC
    ms_played: float | None = None
    spotify_track_uri: str | None = None
    master_metadata_track_name: str | None = None
    master_metadata_album_artist_name: str | None = None
    reason_start: str | None = None
    reason_end: str | None = None
    shuffle: bool | None = None
    offline_timestamp: float | None = None  # of the start; seconds or milliseconds
    incognito_mode: bool | None = None
    spotify_episode_uri: str | None = None
    episode_name: str | None = None
    audiobook_uri: str | None = None
    audiobook_title: str | None = None
    audiobook_chapter_uri: str | None = None


ROWS = msgspec.json.Decoder(list[Row])
COLUMNS = {
    "ts": pa.string(),
    "ms_played": pa.float64(),
    "spotify_track_uri": pa.string(),
    "master_metadata_track_name": pa.string(),
    "master_metadata_album_artist_name": pa.string(),
    "reason_start": pa.string(),
    "reason_end": pa.string(),
    "shuffle": pa.bool_(),
    "offline_timestamp": pa.float64(),
}
"""Of the table of a file's plays."""
NO_TRACKS = {
    "podcasts": ("spotify_episode_uri", "episode_name"),
    "audiobooks": ("audiobook_uri", "audiobook_title", "audiobook_chapter_uri"),
}
WORDS = {
    "str": "text",
    "float": "a number",
    "int": "a number",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
}
FAULT = re.compile(r"Expected `(?P<rule>[^`]+)`, got `(?P<got>\w+)` - at `\$(?P<at>.*)`")
PLACE = re.compile(r"\[(?P<row>\d+)\](?:\.(?P<key>\w+))?")


def read_rows(files: Iterable[HistoryFile]) -> tuple[pd.DataFrame, Counter[str]]:
    """Read the plays of tracks from files of JSON, one file at a time.

    Returns:
        A row for each play, in order of the files; and how many rows were left out, by reason. The
        columns: those of `COLUMNS`, but `ended` (seconds since 1970) in place of `ts`; one of
        spotify_track_uri and master_metadata_track_name is given; reasons are as they stand.

    Raises:
        SkipcastError: a file is damaged or no JSON, or a value is of another type.
    """
    tables, dropped = [_table([])], Counter[str]()
    for file in files:
        rows = _decode(file)
        if file.content == "videos":
            dropped["videos"] += len(rows)
            continue
        table = _table(rows)
        ended = _seconds(table["ts"], file.name)
        reasons = _reasons_to_drop(rows, table, ended)
        dropped.update(reasons[reasons != ""].tolist())
        tables.append(table.append_column("ended", pa.array(ended)).filter(reasons == ""))
    plays = pa.concat_tables(tables, promote_options="default").drop_columns("ts")
    return plays.to_pandas(), dropped


def _decode(file: HistoryFile) -> list[Row]:
    try:
        return ROWS.decode(file.read().removeprefix(BOM))
    except msgspec.ValidationError as error:
        raise SkipcastError(_fault(file.name, str(error))) from error
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise SkipcastError(
            f"{file.name} must be whole JSON but is cut short or damaged: {error}. {GET_AGAIN}"
        ) from error


def _fault(name: str, text: str) -> str:
    """Say which value is of another type; not the value itself, which may be private."""
    fault = FAULT.match(text)
    place = PLACE.match(fault["at"]) if fault else None
    if not fault or not place:
        return f"{name} must be a list of plays, as Spotify writes it, but is another. {GET_AGAIN}"
    rule = " or ".join(WORDS.get(word, word) for word in fault["rule"].split(" | "))
    got = WORDS.get(fault["got"], fault["got"])
    return (
        f"{place['key'] or 'A play'} must be {rule} but got {got} in {name}, row "
        f"{int(place['row']) + 1}. {GET_AGAIN}"
    )


def _table(rows: list[Row]) -> pa.Table:
    return pa.table({name: _column(rows, name, type_) for name, type_ in COLUMNS.items()})


def _column(rows: list[Row], name: str, type_: pa.DataType) -> pa.Array:
    return pa.array(map(attrgetter(name), rows), type_, size=len(rows))


def _seconds(times: pa.ChunkedArray, file: str) -> Array:
    """Return times of day as seconds since 1970; NaN where there is none.

    Raises:
        SkipcastError: a text is no time; the message has it.
    """
    plain = pc.replace_substring_regex(times, r" ?UTC$", "Z").to_pandas()
    read = pd.to_datetime(plain, format="ISO8601", utc=True, errors="coerce")
    wrong = plain[read.isna() & plain.notna()]
    if len(wrong):
        raise SkipcastError(
            f"ts must be a time like 2019-01-31T12:00:00Z but got {display(wrong.iloc[0])} in "
            f"{file}, row {wrong.index[0] + 1}. {GET_AGAIN}"
        )
    seconds: Array = (read - pd.Timestamp(0, tz="UTC")).dt.total_seconds().to_numpy()
    return seconds


def _reasons_to_drop(rows: list[Row], table: pa.Table, ended: Array) -> Array:
    """Return for each row why it is left out; empty for a play of a track."""
    uri = table["spotify_track_uri"]
    has_uri = _bools(pc.not_equal(uri, ""))
    is_episode = _bools(pc.starts_with(uri, "spotify:episode:"))
    no_track = {
        reason: ~has_uri & np.any([_is_given(rows, key) for key in keys], axis=0)
        for reason, keys in NO_TRACKS.items()
    }
    played = table["ms_played"].to_numpy()
    conditions = {
        "plays in private sessions": _is_given(rows, "incognito_mode"),
        **no_track,
        "podcasts": no_track["podcasts"] | is_episode,
        "rows without a track": ~has_uri
        & ~_bools(pc.not_equal(table["master_metadata_track_name"], "")),
        "rows without a time": ~((ended >= FIRST_SECOND) & (played >= 0)),
    }
    return np.select(list(conditions.values()), list(conditions), "")


def _is_given(rows: list[Row], name: str) -> Array:
    """Tell of each row whether a key has a value other than null, false and the empty text."""
    return np.fromiter(map(bool, map(attrgetter(name), rows)), bool, len(rows))


def _bools(values: pa.ChunkedArray) -> Array:
    """Return booleans, null as false."""
    known: Array = pc.fill_null(values, False).to_numpy()
    return known
