"""Little histories of listeners, drawn at random: quick to make, and with all that is odd in them.

Plays that the app cut, starts that are not known, artists that are missing, and sessions of one
play are all there.
"""

import numpy as np
import pandas as pd

from skipcast.features.listener_counts import count_listeners
from skipcast.schema import LOG, REASON_END, names

START = 1_700_000_000  # UTC seconds


def listening(seed: int, *, listeners: int = 3, sessions: int = 8, tracks: int = 6) -> pd.DataFrame:
    """Return histories: columns `schema.LOG`, sorted by session and position.

    Args:
        seed: of what is drawn.
        listeners: how many.
        sessions: of each listener.
        tracks: that each play is of one of; two have an artist in common, one has none.
    """
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 7, listeners * sessions)
    session = np.repeat(np.arange(listeners * sessions), lengths)
    plays = len(session)
    position = np.arange(plays) - np.repeat(np.cumsum(lengths) - lengths, lengths) + 1
    track = rng.integers(0, tracks, plays)
    depth = rng.integers(0, 5, plays)  # 0: skip_1, ... 4: not skipped at all
    cut = rng.random(plays) < 0.1
    columns: dict[str, object] = dict.fromkeys(names(LOG))
    listener = [f"listener{number}" for number in session // sessions]
    columns |= {
        "session_id": [
            f"{who}-{number:07d}" for who, number in zip(listener, session % sessions, strict=True)
        ],
        "session_position": position,
        "session_length": np.repeat(lengths, lengths),
        "track_id_clean": [f"track{number}" for number in track],
        "hist_user_behavior_is_shuffle": rng.random(plays) < 0.5,
        "hist_user_behavior_reason_start": rng.choice(["trackdone", "fwdbtn"], plays),
        REASON_END: np.where(cut, "logout", np.where(depth < 3, "fwdbtn", "trackdone")),
        "listener_id": listener,
        "artist_id": [None if number == 0 else f"artist{number // 2}" for number in track],
        "started_at": np.where(
            rng.random(plays) < 0.2, np.nan, START + 3600.0 * session + 200 * position
        ),
    }
    table = pd.DataFrame(columns)
    for name, is_so in zip(
        ("skip_1", "skip_2", "skip_3", "not_skipped"),
        (depth < 1, depth < 2, depth < 3, depth == 4),
        strict=True,
    ):
        table[name] = pd.Series(is_so).astype(object).where(~pd.Series(cut), None)
    return table


def with_history(plays: pd.DataFrame) -> pd.DataFrame:
    """Return plays with what their listeners did before, as the stage `features` has them."""
    return plays.join(count_listeners(plays)[0])
