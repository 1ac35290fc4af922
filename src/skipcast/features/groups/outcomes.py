"""The group outcomes: which earlier plays of the session were skipped.

"Last" and "so far" mean plays of the same session that have ended.
"""

import numpy as np

from skipcast.arrays import Floats
from skipcast.features.feature import Feature, FeatureBlock, reads
from skipcast.features.groups.signals import depth, full_listen, listened, skipped
from skipcast.features.views import Past, Present, divide

USUAL_SKIP_RATE = 0.517  # of the dataset's mini version
USUAL_PLAYS = 2.0  # how many plays the usual rate counts for
MEMORY = 20  # plays that decayed rates look back: the length of the dataset's longest sessions
HALF_LIVES = (1, 2, 5)  # plays
WEIGHTS = np.array([[0.5 ** (np.arange(MEMORY) / half_life)] for half_life in HALF_LIVES])
DEPTHS = 5

LAST_DEPTHS = FeatureBlock(
    tuple(
        Feature(
            f"depth_{plays}",
            f"How far the play that ended {plays} plays ago got: 0 skip_1, 1 skip_2, 2 skip_3, "
            "3 further, 4 not_skipped; NaN if there is none or a skip column was not given.",
        )
        for plays in range(1, DEPTHS + 1)
    ),
    frozenset(),
    lambda now, before: before.lags(depth, DEPTHS).T,
)


def _decayed_rates(now: Present, before: Past) -> Floats:
    last = before.lags(skipped, MEMORY)
    is_known = ~np.isnan(last)
    skips = np.where(is_known, last, 0)
    return divide((skips * WEIGHTS).sum(axis=2), (is_known * WEIGHTS).sum(axis=2))


DECAYED_RATES = FeatureBlock(
    tuple(
        Feature(
            f"skip_rate_half_life_{half_life}",
            f"Share of the last {MEMORY} plays that were skipped, 0..1, each counting half as much "
            f"as one {half_life} plays later; NaN at the first play.",
        )
        for half_life in HALF_LIVES
    ),
    frozenset(),
    _decayed_rates,
)


@reads()
def previous_skipped(now: Present, before: Past) -> Floats:
    """Whether the last play with an outcome was skipped: 0 or 1; NaN if there is none."""
    return _last(before)


def _last(before: Past) -> Floats:
    """Return the last outcome: a play that the app cut has none and is looked past."""
    skip, listen = before.since(skipped), before.since(listened)
    later = np.fmin(skip, listen)
    return np.where(np.isnan(later), np.nan, later == skip)


@reads()
def streak(now: Present, before: Past) -> Floats:
    """Last plays in a row that were skipped (above 0) or not (below 0); NaN at the first play."""
    last = _last(before)
    # fmin: a session without the other outcome is one streak from its start.
    skips = np.fmin(before.since(listened) - 1, before.count)
    listens = np.fmin(before.since(skipped) - 1, before.count)
    return np.where(np.isnan(last), np.nan, np.where(last == 1, skips, -listens))


@reads()
def skip_rate(now: Present, before: Past) -> Floats:
    """Share of the plays so far that were skipped, 0..1, shrunk to the usual rate; never NaN."""
    usual = USUAL_SKIP_RATE * USUAL_PLAYS
    skips, listens = before.totals((skipped, listened))
    result: Floats = (skips + usual) / (skips + listens + USUAL_PLAYS)
    return result


@reads()
def plays_since_skip(now: Present, before: Past) -> Floats:
    """How many plays ago one was skipped, 1 for the last; NaN if none was."""
    return before.since(skipped)


@reads()
def plays_since_full_listen(now: Present, before: Past) -> Floats:
    """How many plays ago one was not_skipped, 1 for the last; NaN if none was or none is known."""
    return before.since(full_listen)


OUTCOMES = (
    LAST_DEPTHS,
    previous_skipped,
    streak,
    skip_rate,
    DECAYED_RATES,
    plays_since_skip,
    plays_since_full_listen,
)
