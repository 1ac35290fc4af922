"""The group listener_history: what the listener did before, with the track, the artist, and at all.

"Before" means in earlier sessions. All but the time since then is as of the session's start.

Rates are shrunk by fixed numbers of pseudo-plays: a listener's rate to the usual one, that of an
artist to the listener's, that of a track to the artist's. So who or what was never played has the
rate that it is shrunk to.
"""

from itertools import chain

import numpy as np

from skipcast.arrays import Floats
from skipcast.features.feature import Feature, FeatureBlock, FeatureGroup, column
from skipcast.features.views import Past, Present
from skipcast.schema import LISTENER_KEYS

# Of 18 whole histories (Spotify's "Extended streaming history"), 2013 to 2026: the share of plays
# skipped is 0.30 by the label `brief` and 0.42 by `any`; these are between them. The features do
# not know the label. Of the plays that the app did not cut, 0.58 were full listens.
USUAL = {"skips": 0.36, "full_listens": 0.58}
# In the same histories, the skip rates of listeners have a standard deviation of 0.122 (`brief`)
# and 0.176 (`any`): beta distributions of 13 and 7 pseudo-plays. An outcome tells the next one of
# the same artist or track by a correlation of 0.29 to 0.35, so 2 to 3 pseudo-plays; but in this
# listeners differ, too, and plays of one day are more alike than those that are to be predicted.
PSEUDO_PLAYS = {"listener": 10, "listener_artist": 5, "listener_track": 5}
SHRUNK_TO = {"listener_artist": "listener", "listener_track": "listener_artist"}
WHOSE = {
    "listener": "listener's plays",
    "listener_track": "listener's plays of the track",
    "listener_artist": "listener's plays of the artist",
}
DAY = 86_400  # seconds


def shrunk_rate(now: Present, key: str, outcome: str) -> Floats:
    """Return the share of a key's plays with an outcome, 0..1, shrunk; never NaN.

    Args:
        now: shows the counts of the key and of those that it is shrunk to.
        key: one of `schema.LISTENER_KEYS`.
        outcome: a key of `USUAL`.
    """
    above = SHRUNK_TO.get(key)
    prior = shrunk_rate(now, above, outcome) if above else USUAL[outcome]
    pseudo = PSEUDO_PLAYS[key]
    return (now[f"{key}_{outcome}"] + pseudo * prior) / (now[f"{key}_plays"] + pseudo)


def _rate(key: str, outcome: str, words: str) -> FeatureBlock:
    name = {"skips": "skip_rate", "full_listens": "full_listen_rate"}[outcome]
    prior = SHRUNK_TO.get(key)
    to = f"`{prior}_{name}`" if prior else f"{USUAL[outcome]}"
    meaning = (
        f"Share of the {WHOSE[key]} in earlier sessions that were {words}, 0..1, shrunk to {to} "
        f"by {PSEUDO_PLAYS[key]} plays; never NaN."
    )
    reads, above = set[str](), key
    while above:
        reads |= {f"{above}_plays", f"{above}_{outcome}"}
        above = SHRUNK_TO.get(above, "")
    return FeatureBlock(
        (Feature(f"{key}_{name}", meaning),),
        frozenset(reads),
        lambda now, before: shrunk_rate(now, key, outcome),
    )


def _log_plays(key: str) -> FeatureBlock:
    plays = f"{key}_plays"
    meaning = (
        f"Natural logarithm of 1 plus the {WHOSE[key]} in earlier sessions, 0 or more; never NaN."
    )

    def compute(now: Present, before: Past) -> Floats:
        return np.log1p(now[plays])

    return FeatureBlock((Feature(f"{key}_log_plays", meaning),), frozenset({plays}), compute)


def _log_days_since(key: str) -> FeatureBlock:
    last = f"{key}_last_at"
    meaning = (
        f"Natural logarithm of 1 plus the days from the start of the last of the {WHOSE[key]} in "
        "earlier sessions to that of the present play, 0 or more; NaN if either is unknown."
    )

    def compute(now: Present, before: Past) -> Floats:
        days = (now["started_at"] - now[last]) / DAY
        return np.log1p(np.maximum(days, 0))  # clocks are set back now and then

    reads = frozenset({"started_at", last})
    return FeatureBlock((Feature(f"{key}_log_days_since", meaning),), reads, compute)


def _of(key: str) -> FeatureGroup:
    """Return the features of a key."""
    none = "NaN if there is none."
    return (
        _rate(key, "skips", "skipped"),
        _rate(key, "full_listens", "full listens"),
        column(
            f"{key}_recent_skip_rate",
            f"Share skipped, 0..1, of the last 20 of the {WHOSE[key]} in earlier sessions; five "
            f"plays earlier weighs half; {none}",
        ),
        column(
            f"{key}_last_skipped",
            f"Whether the last of the {WHOSE[key]} in earlier sessions was skipped: 0 or 1; {none}",
        ),
        _log_plays(key),
        _log_days_since(key),
    )


LISTENER_HISTORY: FeatureGroup = tuple(chain.from_iterable(map(_of, LISTENER_KEYS)))
