"""What tracks, artists and listeners are called: for eyes on this machine alone.

The names are in a file that `fetch` writes beside the plays. Nothing that is logged, registered or
put into a database may read it: there, ids stand for names.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pandas as pd

from skipcast.files import read_parquet

NAMELESS = "(no name)"


@dataclass(frozen=True)
class LookUp:
    """Names by id; what is not in it is called by its id.

    Attributes:
        tracks: the track's name and its artist's.
        artists: the artist's name.
        listeners: the name of the file or folder that a listener's history is from.
        sessions: the local day and hour of a session, such as 2019-05-03 14.
    """

    tracks: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    artists: Mapping[str, str] = field(default_factory=dict)
    listeners: Mapping[str, str] = field(default_factory=dict)
    sessions: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file; without one, nothing has a name."""
        return cls.of(read_parquet(path, made_by="fetch")) if path.is_file() else cls()

    @classmethod
    def of(cls, names: pd.DataFrame) -> Self:
        """Return the look-up of a table with the columns id, kind, name and artist.

        >>> table = pd.DataFrame({"id": ["a"], "kind": "artist", "name": "Ana", "artist": None})
        >>> LookUp.of(table).artist("a"), LookUp.of(table).track("t")
        ('Ana', ('t', ''))
        """
        names = names.fillna({"name": "", "artist": ""})
        tracks = names[names["kind"] == "track"]
        others = (names[names["kind"] == kind] for kind in ("artist", "listener", "session"))
        return cls(
            dict(
                zip(tracks["id"], zip(tracks["name"], tracks["artist"], strict=True), strict=True)
            ),
            *(dict(zip(rows["id"], rows["name"], strict=True)) for rows in others),
        )

    def track(self, track: str) -> tuple[str, str]:
        """Return the name of a track and of its artist, which is empty where it is not known."""
        name, artist = self.tracks.get(track, (track, ""))
        return name or NAMELESS, artist

    def artist(self, artist: str) -> str:
        """Return the name of an artist."""
        return self.artists.get(artist, artist) or NAMELESS

    def listener(self, listener: str) -> str:
        """Return what a listener's history is called."""
        return self.listeners.get(listener, listener) or NAMELESS

    def dated(self, plays: pd.DataFrame) -> pd.DataFrame:
        """Return plays with the day and hour of their session where their own are not known.

        Only for eyes: the time of a session is when its first play ended.

        >>> plays = pd.DataFrame({"session_id": ["s"], "date": [None], "hour_of_day": [None]})
        >>> LookUp(sessions={"s": "2019-05-03 14"}).dated(plays).to_numpy().tolist()
        [['s', '2019-05-03', 14.0]]
        """
        if not self.sessions:
            return plays
        told = plays["session_id"].map(self.sessions).astype("str")
        day, hour = told.str[:10], pd.to_numeric(told.str[11:]).astype(float)
        return plays.assign(
            date=plays["date"].astype("str").fillna(day),
            hour_of_day=plays["hour_of_day"].astype(float).fillna(hour),
        )

    def labels(self, ids: Iterable[str], *, tracks: bool) -> list[str]:
        """Return names of tracks, with the artist in a second line, or of artists."""
        every = (self.track(each) if tracks else (self.artist(each),) for each in ids)
        return ["\n".join(" ".join(name.split()) for name in names if name) for names in every]
