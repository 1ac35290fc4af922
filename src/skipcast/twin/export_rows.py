"""Plays of a listener as the rows of an export, with all that makes real exports hard to read.

Rows stand twice, are of episodes, audiobooks or nothing at all, or were to be left out; reasons
have rare names; `skipped` was not filled for years, and the start is given in some years more than
in others, in seconds or in milliseconds.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from skipcast.arrays import Bools, Counts
from skipcast.twin.export_clock import Times, hashed
from skipcast.twin.export_files import Layout, Rows, joined, text
from skipcast.twin.export_outcomes import Outcomes
from skipcast.twin.export_reasons import ENDS, SKIPS, STARTS, read_stats
from skipcast.twin.export_tracks import ARTISTS

BASE62 = np.frombuffer(b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", np.uint8)
ALBUM = 10  # tracks of an album
VIDEOS = 3  # rows of the file of videos
KINDS, INCOGNITO = 4, 3  # of other rows: episodes, rows of nothing, audiobooks, incognito plays
# Rare names of reasons, and which share of the plays with the usual one have them.
RARE_STARTS = {
    "clickrow": {"popup": 0.005, "click-row": 0.0002, "clickside": 0.0002, "uriopen": 0.0002},
    "fwdbtn": {"nextbtn": 0.0002},
    "trackdone": {"autoplay": 0.0002},
    "appload": {"persisted": 0.003},
}
RARE_ENDS = {
    "trackdone": {"clickrow": 0.0013, "popup": 0.0011, "playbtn": 0.0008},
    "endplay": {"switched-to-video": 0.001},
}
NEVER_SKIPPED = ("2017-04-01", "2022-10-15")  # from and to when `skipped` was never true


@dataclass(frozen=True)
class Plays:
    """The n plays of a listener: how they went, when, and of which tracks."""

    outcomes: Outcomes
    times: Times
    numbers: Counts
    shuffle: Bools
    session_ends: Bools


def rows_of(
    plays: Plays, layout: Layout, *, duplicates: float, others: float, rng: np.random.Generator
) -> tuple[Rows, Rows]:
    """Return the rows of the files of music, and of videos.

    Args:
        plays: in order of time.
        layout: of the files.
        duplicates: which share of the rows stands twice.
        others: how many rows are added that are no music or incognito, as a share.
        rng: of this listener alone.
    """
    n = len(plays.numbers)
    n_others = int(others * n)
    rows = _all_rows(plays, n_others, rng)
    music = np.arange(n + n_others)
    music = np.append(music, rng.choice(music, int(duplicates * len(music)), replace=False))
    if layout.by_time:
        music = music[np.lexsort((music, rows.ended[music]))]
    else:
        music = rng.permutation(music)
    video = n + n_others + np.argsort(rows.ended[n + n_others :], kind="stable")
    return _taken(rows, music), _taken(rows, video)


def _all_rows(plays: Plays, n_others: int, rng: np.random.Generator) -> Rows:
    """Return the rows of the plays, then of what is none or incognito, then of the videos."""
    n = len(plays.numbers)
    numbers, item = np.unique(plays.numbers, return_inverse=True)
    # The others lie behind a session, so that they part no plays.
    after = rng.choice(np.flatnonzero(plays.session_ends), n_others + VIDEOS)
    later = rng.integers(60, 900, n_others + VIDEOS)
    kind = np.arange(n_others) % KINDS
    other_item = np.where(kind == INCOGNITO, rng.choice(item, n_others), len(numbers) + kind)
    ends, end = _renamed(ENDS, plays.outcomes.end, RARE_ENDS, rng)
    starts, start = _renamed(STARTS, plays.outcomes.start, RARE_STARTS, rng)
    source = np.append(np.arange(n), after)  # the play that each row is like
    ended, started = plays.times.ended[source], plays.times.started[source]
    ended[n:] += later
    started[n:] = plays.times.ended[after] + 1
    by_hand = np.isin(ends, SKIPS)[end][source]
    return Rows(
        ended=ended,
        played_ms=np.append(plays.times.played_ms, later * 900),
        item=np.concatenate([item, other_item, np.full(VIDEOS, len(numbers))]),
        reason=(start * len(ends) + end)[source],
        shuffle=plays.shuffle[source],
        skipped=_skipped(ended, by_hand, rng),
        offline=_offline(ended, started, rng),
        incognito=np.isin(np.arange(len(ended)), n + np.flatnonzero(kind == INCOGNITO)),
        items=_items(numbers),
        reasons=[(one, other) for one in starts for other in ends],
    )


def _taken(rows: Rows, chosen: Counts) -> Rows:
    """Return the rows `chosen`."""
    fixed = ("items", "reasons")
    return Rows(**{k: v if k in fixed else v[chosen] for k, v in vars(rows).items()})


def _renamed(
    names: tuple[str, ...],
    code: Counts,
    rare: dict[str, dict[str, float]],
    rng: np.random.Generator,
) -> tuple[list[str], Counts]:
    """Give some plays a rare name of their reason; return all names and the code of each play."""
    u, names_now, result = rng.random(len(code)), list(names), code.copy()
    for usual, others in rare.items():
        low = 0.0
        for other, share in others.items():
            chosen = (code == names.index(usual)) & (u >= low) & (u < low + share)
            if other not in names_now:
                names_now.append(other)
            result[chosen] = names_now.index(other)
            low += share
    return names_now, result


def _skipped(ended: Counts, by_hand: Bools, rng: np.random.Generator) -> Counts:
    """Return the codes of `skipped`: 0 null, 1 false, 2 true."""
    first, last = (np.datetime64(day, "s").astype(np.int64) for day in NEVER_SKIPPED)
    usual = 1 + by_hand.astype(int)
    null_until = rng.integers(first, last)
    return np.where((ended < first) | (ended >= last), usual, (ended >= null_until).astype(int))


def _offline(ended: Counts, started: Counts, rng: np.random.Generator) -> Counts:
    """Return `offline_timestamp`: seconds or milliseconds, 0 or -1 (null) where it is not given."""
    shares = {int(k): v for k, v in read_stats()["offline_timestamp_given"].items()}
    year = ended.astype("datetime64[s]").astype("datetime64[Y]").astype(int) + 1970
    known = np.array([shares.get(y, 1.0) for y in range(2012, 2031)])
    given = rng.random(len(ended)) < known[np.clip(year - 2012, 0, 18)]
    in_ms = (year < 2023) & (rng.random(len(ended)) < 0.3)
    value = np.where(in_ms, started * 1000 + rng.integers(0, 1000, len(ended)), started)
    return np.where(given, value, np.where(year < 2020, 0, -1))


def _items(numbers: Counts) -> dict[str, pa.Array]:
    """Return what rows say of the tracks, then of an episode, of nothing, and of an audiobook."""

    def column(texts: pa.Array, *others: str | None) -> pa.Array:
        return pa.concat_arrays([texts, pa.array(others, pa.large_string())])

    artist, rank = numbers % ARTISTS, numbers // ARTISTS
    none = pa.nulls(len(numbers), pa.large_string())
    nothing = (None, None, None)
    album = joined(["Twin album ", text(artist), "-", text(rank // ALBUM)])
    return {
        "master_metadata_track_name": column(joined(["Twin track ", text(numbers)]), *nothing),
        "master_metadata_album_artist_name": column(
            joined(["Twin artist ", text(artist)]), *nothing
        ),
        "master_metadata_album_album_name": column(album, *nothing),
        "spotify_track_uri": column(joined(["spotify:track:", _ids(numbers)]), *nothing),
        "episode_name": column(none, "Twin episode 1", None, None),
        "episode_show_name": column(none, "Twin show 1", None, None),
        "spotify_episode_uri": column(none, "spotify:episode:twin000000000000000001", None, None),
        "audiobook_title": column(none, None, None, "Twin audiobook 1"),
        "audiobook_uri": column(none, None, None, "spotify:show:twin000000000000000002"),
        "audiobook_chapter_uri": column(none, None, None, "spotify:episode:twin000000000000000003"),
        "audiobook_chapter_title": column(none, None, None, "Twin chapter 1"),
    }


def _ids(numbers: Counts) -> pa.Array:
    """Return 22 digits of base 62 for each track: "twin" and what looks random.

    >>> _ids(np.array([17])).to_pylist()
    ['twinLLcme5aMoMs7N88Gmp']
    """
    digits = np.empty((len(numbers), 22), np.uint8)
    digits[:, :4] = np.frombuffer(b"twin", np.uint8)
    for first, salt in ((4, 2), (13, 3)):
        rest = hashed(numbers, salt)
        for i in range(first, first + 9):
            digits[:, i] = BASE62[rest % np.uint64(62)]
            rest //= np.uint64(62)
    fixed = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(22), len(numbers), [None, pa.py_buffer(digits)]
    )
    return fixed.cast(pa.large_binary()).cast(pa.large_string())
