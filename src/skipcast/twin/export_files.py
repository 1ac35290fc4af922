"""The files of a synthetic export: rows as JSON text, in the layout of one of four years.

Texts are built for whole columns at once; a part of a file is a slice of their bytes.
"""

import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from skipcast.arrays import Bools, Counts
from skipcast.twin.export_people import DAY

PART = 12_500  # rows of a part of a file: less than 13 MB in all layouts
BLOCK = 40 * PART  # rows whose texts are made at a time; they bound the memory
STAMP = (2020, 1, 1, 0, 0, 0)  # of all files in a zip, for the same bytes on every day
PDF = b"%PDF-1.4\n% A synthetic export has nothing to read.\n%%EOF\n"
# None of these is anybody's: addresses of the block for documentation, and names that say so.
PRIVATE = {
    "platform": "twin",
    "username": "twin-private-user",
    "conn_country": "ZZ",
    "ip_addr_decrypted": "192.0.2.17",
    "ip_addr": "192.0.2.17",
    "user_agent_decrypted": "twin-private-agent",
    "city": "twin-private-city",
    "region": "twin-private-region",
    "metro_code": "twin-private-metro",
    "longitude": "twin-private-longitude",
    "latitude": "twin-private-latitude",
}


@dataclass(frozen=True)
class Layout:
    """How exports of a year look.

    Attributes:
        folder: in the zip.
        keys: of a row, in order.
        by_time: whether rows are sorted, files named after their years, and each key on a line.
    """

    folder: str
    keys: tuple[str, ...]
    by_time: bool


_NAMES = tuple(f"master_metadata_{x}_name" for x in ("track", "album_artist", "album_album"))
_URI = "spotify_track_uri"
_EPISODE = ("episode_name", "episode_show_name", "spotify_episode_uri")
_BOOK = tuple(f"audiobook_{x}" for x in ("title", "uri", "chapter_uri", "chapter_title"))
_END = (
    "reason_start",
    "reason_end",
    "shuffle",
    "skipped",
    "offline",
    "offline_timestamp",
    "incognito_mode",
)
_OLD = (
    "ts",
    "username",
    "platform",
    "ms_played",
    "conn_country",
    "ip_addr_decrypted",
    "user_agent_decrypted",
)
_NEW = ("ts", "platform", "ms_played", "conn_country", "ip_addr")
_PLACES = ("metro_code", "city", "region", "longitude", "latitude")
_FOLDERS = ("MyData", "Spotify Extended Streaming History")
LAYOUTS = {
    2020: Layout(_FOLDERS[0], (*_OLD, *_PLACES, *_NAMES, *_END), by_time=False),
    2022: Layout(_FOLDERS[0], (*_OLD, *_NAMES, _URI, *_EPISODE, *_END), by_time=False),
    2024: Layout(_FOLDERS[1], (*_OLD, *_NAMES, _URI, *_EPISODE, *_END), by_time=True),
    2026: Layout(_FOLDERS[1], (*_NEW, *_NAMES, _URI, *_EPISODE, *_BOOK, *_END), by_time=True),
}


@dataclass(frozen=True)
class Rows:
    """The n rows of an export, in their order in its files; each array has n elements.

    Attributes:
        ended: seconds since 1970.
        played_ms: how long it sounded.
        item: index of `items`.
        reason: index of `reasons`.
        shuffle: whether in shuffle.
        skipped: 0 null, 1 false, 2 true.
        offline: the start as noted, in seconds or milliseconds; 0 for none, -1 for null.
        incognito: whether the listener wanted it left out.
        items: values of the keys that say what was played; what is not named is null.
        reasons: of start and end.
    """

    ended: Counts
    played_ms: Counts
    item: Counts
    reason: Counts
    shuffle: Bools
    skipped: Counts
    offline: Counts
    incognito: Bools
    items: dict[str, pa.Array]
    reasons: list[tuple[str, str]]


def zip_of(layout: Layout, music: Rows, video: Rows) -> bytes:
    """Return the zip of an export as bytes: the same bytes for the same rows."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:

        def write(name: str, content: bytes | memoryview) -> None:
            info = zipfile.ZipInfo(f"{layout.folder}/{name}", STAMP)
            info.compress_type, info.create_system = zipfile.ZIP_DEFLATED, 3
            info.external_attr = 0o644 << 16
            archive.writestr(info, content, compresslevel=1)

        for name, content in parts(layout, music):
            write(name, content)
        for name, content in parts(layout, video):
            write(_video_name(name), content)
        if layout.by_time:
            write("ReadMeFirst_ExtendedStreamingHistory.pdf", PDF)
    return buffer.getvalue()


def _video_name(name: str) -> str:
    """Return how the file of videos is called beside one of music.

    >>> _video_name("endsong_0.json"), _video_name("Streaming_History_Audio_2024.json")
    ('endvideo.json', 'Streaming_History_Video_2024.json')
    """
    return "endvideo.json" if name.startswith("endsong") else name.replace("Audio", "Video")


def parts(layout: Layout, rows: Rows) -> Iterator[tuple[str, bytes]]:
    """Yield the name and the content of each file with rows."""
    n = len(rows.ended)
    write, end_line = _writer(layout, rows), b"\n" if layout.by_time else b""
    for block in range(0, n, BLOCK):
        end = min(block + BLOCK, n)
        texts = write(slice(block, end))
        offsets = np.frombuffer(texts.buffers()[1], dtype=np.int64)
        data = memoryview(texts.buffers()[2])
        for first in range(block, end, PART):
            last = min(first + PART, end)
            content = data[offsets[first - block] : offsets[last - block] - 1]
            years = rows.ended[first], rows.ended[last - 1]
            yield (
                _name(layout, first // PART, years, alone=n <= PART),
                b"".join((b"[", content, end_line, b"]")),
            )


def _name(layout: Layout, number: int, ended: tuple[int, int], *, alone: bool) -> str:
    if not layout.by_time:
        return f"endsong_{number}.json"
    first, last = (str(np.datetime64(int(second), "s"))[:4] for second in ended)
    years = first if first == last else f"{first}-{last}"
    return f"Streaming_History_Audio_{years}{'' if alone else f'_{number}'}.json"


def _writer(layout: Layout, rows: Rows) -> Callable[[slice], pa.Array]:
    """Return what makes JSON texts of a slice of `rows`, each with a comma behind."""
    outer, line, colon = ("\n  ", "\n    ", ": ") if layout.by_time else ("", "", ":")

    def key(name: str) -> str:
        return f'{line}"{name}"{colon}'

    def fixed(names: tuple[str, ...]) -> str:
        return "".join(f"{key(name)}{json.dumps(PRIVATE.get(name))}," for name in names)

    keys = layout.keys
    played, item, reason = (keys.index(x) for x in ("ms_played", _NAMES[0], "reason_start"))
    items = joined(
        [_json(rows.items.get(x), key(x), len(_length(rows))) for x in keys[item:reason]]
    )
    ends = _ends(rows, key)
    flags = [f",{key('incognito_mode')}{x}{outer}}}," for x in ("false", "true")]
    head = f'{outer}{{{key("ts")}"'

    def write(chosen: slice) -> pa.Array:
        ended = rows.ended[chosen]
        code = (rows.reason[chosen] * 2 + rows.shuffle[chosen]) * 3 + rows.skipped[chosen]
        offline = text(np.maximum(rows.offline[chosen], 0))
        return joined(
            [
                head,
                *_moment(ended),
                f'Z",{fixed(keys[1:played])}{key("ms_played")}',
                text(rows.played_ms[chosen]),
                f",{fixed(keys[played + 1 : item])}",
                items.take(pa.array(rows.item[chosen])),
                ends.take(pa.array(code)),
                pc.if_else(pa.array(rows.offline[chosen] < 0), "null", offline),
                pa.array(flags, pa.large_string()).take(
                    pa.array(rows.incognito[chosen].astype(np.int8))
                ),
            ]
        )

    return write


def _ends(rows: Rows, key: Callable[[str], str]) -> pa.Array:
    """Return the texts from reason_start to offline_timestamp: by reasons, shuffle and skipped."""
    start, *rest = (key(name) for name in _END[:-1])
    texts = [
        f'{start}"{one}",{rest[0]}"{other}",{rest[1]}{shuffle},{rest[2]}{skipped},'
        f"{rest[3]}false,{rest[4]}"
        for one, other in rows.reasons
        for shuffle in ("false", "true")
        for skipped in ("null", "false", "true")
    ]
    return pa.array(texts, pa.large_string())


def _length(rows: Rows) -> pa.Array:
    return next(iter(rows.items.values()))


def _json(values: pa.Array | None, key: str, n: int) -> pa.Array:
    """Return `"key":"value",` or `"key":null,` of n items."""
    if values is None:
        return pa.repeat(pa.scalar(f"{key}null,", pa.large_string()), n)
    texts = joined([f'{key}"', values, '",'])
    return pc.fill_null(texts, f"{key}null,")


def _moment(seconds: Counts) -> tuple[pa.Array, pa.Array]:
    """Return day and time of day of seconds since 1970, as texts that follow each other."""
    day, second = seconds // DAY, seconds % DAY
    days, code = np.unique(day, return_inverse=True)
    texts = pa.array(days.astype(np.int32)).cast(pa.date32()).cast(pa.large_string())
    return texts.take(pa.array(code)), _times().take(pa.array(second))


@cache
def _times() -> pa.Array:
    """Return the time of each second of a day, with a T before."""
    texts = pa.array(np.arange(DAY, dtype=np.int32)).cast(pa.time32("s")).cast(pa.large_string())
    return joined(["T", texts])


def text(numbers: Counts) -> pa.Array:
    """Return whole numbers as texts."""
    return pa.array(numbers).cast(pa.large_string())


def joined(pieces: list[Any]) -> pa.Array:
    """Join texts and columns of texts, row by row."""
    columns = [pa.scalar(x, pa.large_string()) if isinstance(x, str) else x for x in pieces]
    return pc.binary_join_element_wise(*columns, pa.scalar("", pa.large_string()))
