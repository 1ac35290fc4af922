"""Hand-written exports of a streaming history, in the layouts of four years."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from harness.archives import write_zip

Layout = Literal[2020, 2022, 2024, 2026]
Row = dict[str, Any]
LAYOUTS: tuple[Layout, ...] = (2020, 2022, 2024, 2026)

NOON = int(datetime(2024, 3, 1, 12, tzinfo=UTC).timestamp())
FOLDER = "Spotify Extended Streaming History"
FILES: dict[Layout, str] = {
    2020: "MyData/endsong_{}.json",
    2022: "MyData/endsong_{}.json",
    2024: FOLDER + "/Streaming_History_Audio_2019-2024_{}.json",
    2026: FOLDER + "/Streaming_History_Audio_2019-2026_{}.json",
}
PRIVATE: dict[Layout, Row] = {
    2020: {
        "username": "marker-user",
        "conn_country": "marker-country",
        "ip_addr_decrypted": "marker-ip",
        "user_agent_decrypted": "marker-agent",
        "city": "marker-city",
        "region": "marker-region",
        "metro_code": "marker-metro",
        "latitude": "marker-latitude",
        "longitude": "marker-longitude",
    },
    2024: {
        "conn_country": "marker-country",
        "ip_addr_decrypted": "marker-ip",
        "user_agent_decrypted": None,
    },
    2026: {"conn_country": "marker-country", "ip_addr": "marker-ip"},
}
PRIVATE[2022] = PRIVATE[2020]
NO_TRACK = {
    "master_metadata_track_name": None,
    "master_metadata_album_artist_name": None,
    "master_metadata_album_album_name": None,
    "spotify_track_uri": None,
}


def make_play(
    ended: float,
    seconds: float = 200,
    start: str = "trackdone",
    end: str = "trackdone",
    *,
    layout: Layout = 2024,
    track: int = 1,
    **changes: Any,
) -> Row:
    """Return a play as a layout has it.

    Args:
        ended: seconds after `NOON`.
        seconds: that were played; without a pause, it started so many before it ended.
        start: why it started.
        end: why it ended.
        layout: the year of the export.
        track: a number; tracks 0 to 9 are of the first artist, and so on.
        changes: values of other keys; a key that the layout lacks is not added.
    """
    episodes = dict.fromkeys(("episode_name", "episode_show_name", "spotify_episode_uri"))
    row: Row = {
        "ts": f"{datetime.fromtimestamp(NOON + ended, UTC):%Y-%m-%dT%H:%M:%SZ}",
        **PRIVATE[layout],
        "platform": "marker-platform",
        "ms_played": round(seconds * 1000),
        "master_metadata_track_name": f"Track {track}",
        "master_metadata_album_artist_name": f"Artist {track // 10}",
        "master_metadata_album_album_name": "marker-album",
        "spotify_track_uri": f"spotify:track:{track:022d}",
        **episodes,
        **dict.fromkeys(("audiobook_title", "audiobook_uri", "audiobook_chapter_uri")),
        "reason_start": start,
        "reason_end": end,
        "shuffle": False,
        "skipped": None if layout < 2024 else end in ("fwdbtn", "backbtn", "endplay"),
        "offline": False,
        "offline_timestamp": NOON + ended - seconds,
        "incognito_mode": False,
    }
    if layout == 2020:
        del row["spotify_track_uri"], row["spotify_episode_uri"]
    if layout < 2026:
        row = {key: value for key, value in row.items() if not key.startswith("audiobook")}
    return row | {key: value for key, value in changes.items() if key in row}


def make_plays(plays: Iterable[Sequence[Any]], **changes: Any) -> list[Row]:
    """Return plays from sequences of the first arguments of `make_play`."""
    return [make_play(*play, **changes) for play in plays]


def evening(layout: Layout = 2024, start: float = 0, **changes: Any) -> list[Row]:
    """Return a session of five plays: heard, skipped at once, skipped late, cut, heard."""
    plays = [
        (start + 200, 200, "clickrow", "trackdone"),
        (start + 205, 5, "trackdone", "fwdbtn"),
        (start + 305, 100, "fwdbtn", "endplay"),
        (start + 405, 90, "clickrow", "logout"),
        (start + 705, 200, "appload", "trackdone"),
    ]
    return [make_play(*play, layout=layout, track=7 * i, **changes) for i, play in enumerate(plays)]


def files_of(rows: Sequence[Row], layout: Layout = 2024, *, parts: int = 1) -> dict[str, bytes]:
    """Return rows as the files of an export, by name."""
    return {
        FILES[layout].format(part): json.dumps(rows[part::parts], ensure_ascii=False).encode()
        for part in range(parts)
    }


def write_export(path: Path, rows: Sequence[Row], layout: Layout = 2024, *, parts: int = 1) -> Path:
    """Write a zip as Spotify sends it; return its path."""
    pdf = {f"{FOLDER}/ReadMeFirst_ExtendedStreamingHistory.pdf": b"%PDF-1.7 "}
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_zip(path, files_of(rows, layout, parts=parts) | pdf)
