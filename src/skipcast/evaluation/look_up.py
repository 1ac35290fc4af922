"""What tracks, artists and listeners are called: for eyes on this machine alone.

The names are in a file that `fetch` writes beside the plays. Nothing that is logged, registered or
put into a database may read it: there, ids stand for names.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pandas as pd

NAMELESS = "(no name)"


@dataclass(frozen=True)
class LookUp:
    """Names by id; what is not in it is called by its id.

    Attributes:
        tracks: the track's name and its artist's.
        artists: the artist's name.
        listeners: the name of the file or folder that a listener's history is from.
    """

    tracks: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    artists: Mapping[str, str] = field(default_factory=dict)
    listeners: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the file; without one, nothing has a name."""
        return cls.of(pd.read_parquet(path)) if path.is_file() else cls()

    @classmethod
    def of(cls, names: pd.DataFrame) -> Self:
        """Return the look-up of a table with the columns id, kind, name and artist.

        >>> table = pd.DataFrame({"id": ["a"], "kind": "artist", "name": "Ana", "artist": None})
        >>> LookUp.of(table).artist("a"), LookUp.of(table).track("t")
        ('Ana', ('t', ''))
        """
        names = names.fillna({"name": "", "artist": ""})
        tracks, artists, listeners = (
            names[names["kind"] == kind] for kind in ("track", "artist", "listener")
        )
        parts = zip(tracks["name"], tracks["artist"], strict=True)
        return cls(
            dict(zip(tracks["id"], parts, strict=True)),
            dict(zip(artists["id"], artists["name"], strict=True)),
            dict(zip(listeners["id"], listeners["name"], strict=True)),
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

    def labels(self, ids: Iterable[str], *, tracks: bool) -> list[str]:
        """Return names of tracks, with the artist in a second line, or of artists."""
        every = (self.track(each) if tracks else (self.artist(each),) for each in ids)
        return ["\n".join(" ".join(name.split()) for name in names if name) for names in every]
