"""Histories of listeners with names in many scripts, drawn at random: for figures and the page."""

import numpy as np
import pandas as pd

from skipcast.schema import LOG, REASON_END, REASON_START, names

DAY = 86_400  # seconds
FIRST_DAY = 17_897  # 2019-01-01
ARTISTS = (
    *("Twin artist 1", "宇多田ヒカル", "فيروز", "🔥 Emoji 👩‍👩‍👧 Band", "A$AP $ix", "Мумий Тролль"),
    *(
        "방탄소년단",
        "Godspeed You! Black Emperor and a Name That Does Not End Soon",
        "",
        "אביב גפן",
    ),
    *("\\alpha_1^2 {x}", "<b>Bold</b> & Co", "two\nlines\tand\x07bells", "ลำไย ไหทองคำ", "Ænima é"),
)
CUT = 0.06  # share of plays


def own_history(
    plays: int, *, seed: int = 0, listeners: int = 1, artists: int = 60, days: int = 1500
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return plays, columns `schema.LOG`, and names, as the stage `fetch` writes them.

    Args:
        plays: of all listeners.
        seed: of what is drawn.
        listeners: how many.
        artists: how many, of three tracks each.
        days: from the first play to the last.
    """
    rng = np.random.default_rng(seed)
    lengths = np.minimum(rng.geometric(0.08, plays), 60)
    lengths = lengths[: np.searchsorted(np.cumsum(lengths), plays) + 1]
    session = np.repeat(np.arange(len(lengths)), lengths)[:plays]
    listener = session * listeners // (session[-1] + 1)
    is_first = np.append(True, np.diff(session) > 0)
    starts = np.flatnonzero(is_first)
    position = np.arange(plays) - starts[session] + 1
    # Popular artists come first; each is skipped as often as it is by itself and by the hour.
    artist = np.minimum(rng.geometric(min(1.0, 6 / artists), plays) - 1, artists - 1)
    began = np.sort(rng.integers(0, days * 24, len(starts)))
    started = (FIRST_DAY * DAY + began[session] * 3600 + 180 * position).astype(float)
    hour = started // 3600 % 24
    chance = rng.beta(0.8, 1.6, artists)[artist] + 0.15 * np.cos(2 * np.pi * (hour - 8) / 24)
    chance = np.where(rng.random(plays) < 0.5, chance, chance.mean())
    skipped = rng.random(plays) < chance
    cut = rng.random(plays) < CUT
    unknown = rng.random(plays) < 0.1
    dates = pd.to_datetime(started, unit="s")
    ended = np.where(cut, "logout", np.where(skipped, "fwdbtn", "trackdone"))
    columns: dict[str, object] = dict.fromkeys(names(LOG))
    columns |= {
        "session_id": [
            f"twin-{who}-{number:07d}" for who, number in zip(listener, session, strict=True)
        ],
        "session_position": position,
        "session_length": np.bincount(session)[session],
        "track_id_clean": [
            f"twin-t{number}-{which}"
            for number, which in zip(artist, rng.integers(0, 3, plays), strict=True)
        ],
        "hist_user_behavior_is_shuffle": rng.random(len(starts))[session] < 0.5,
        REASON_START: np.where(is_first, "clickrow", np.append("clickrow", ended[:-1])),
        REASON_END: ended,
        "listener_id": [f"twin-{who}" for who in listener],
        "artist_id": [f"twin-a{number}" for number in artist],
        "started_at": np.where(unknown, np.nan, started),
        "hour_of_day": np.where(unknown, np.nan, hour),
        "date": dates.strftime("%Y-%m-%d").where(~unknown, None),
    }
    table = pd.DataFrame(columns)
    for name, share in (("skip_1", 0.6), ("skip_2", 0.8), ("skip_3", 1.0)):
        is_so = pd.Series(skipped & (rng.random(plays) < share) if share < 1 else skipped)
        table[name] = is_so.astype(object).where(~pd.Series(cut), None)
    table["skip_2"] = table["skip_2"].where(table["skip_1"] != True, True)  # noqa: E712
    table["not_skipped"] = (~pd.Series(skipped)).astype(object).where(~pd.Series(cut), None)
    return table, _names(artists, listeners)


def _names(artists: int, listeners: int) -> pd.DataFrame:
    called = [ARTISTS[i] if i < len(ARTISTS) else f"Twin artist {i + 1}" for i in range(artists)]
    rows: list[tuple[str, str, str, str | None]] = [
        (f"twin-a{i}", "artist", name, None) for i, name in enumerate(called)
    ]
    rows += [
        (f"twin-t{i}-{which}", "track", f"Twin track {which} of {name}", name)
        for i, name in enumerate(called)
        for which in range(3)
    ]
    rows += [(f"twin-{who}", "listener", f"listener-{who}", None) for who in range(listeners)]
    return pd.DataFrame(rows, columns=["id", "kind", "name", "artist"])
