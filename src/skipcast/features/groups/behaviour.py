"""The group behaviour: what the listener did in earlier plays of the session.

"Last" and "so far" mean plays of the same session that have ended.
"""

from skipcast.arrays import Floats
from skipcast.features.feature import Feature, FeatureBlock, reads
from skipcast.features.groups.signals import (
    BACK,
    DONE,
    FORWARD,
    LONG_PAUSES,
    SEEKS_BACK,
    SEEKS_FORWARD,
    SHORT_PAUSES,
    SWITCHES,
)
from skipcast.features.views import Past, Present
from skipcast.schema import REASON_END, REASON_START, SHUFFLE


@reads()
def previous_started_by(now: Present, before: Past) -> Floats:
    """Code of what started the last play, in `schema.REASONS`; NaN at the first or if not given."""
    return before[REASON_START]


@reads()
def previous_ended_by(now: Present, before: Past) -> Floats:
    """Code of what ended the last play, in `schema.REASONS`; NaN at the first or if not given."""
    return before[REASON_END]


RATES = FeatureBlock(
    tuple(
        Feature(name, f"Share of the plays so far that ended {how}, 0..1; NaN if no end is known.")
        for name, how in (
            ("forward_rate", "by the forward button"),
            ("back_rate", "by the back button"),
            ("done_rate", "with the track"),
        )
    ),
    frozenset(),
    lambda now, before: before.rates((FORWARD, BACK, DONE)),
)

TOTALS = FeatureBlock(
    tuple(
        Feature(name, f"{what}: 0, 1, 2, ...")
        for name, what in (
            ("seeks_forward", "Seeks forward within tracks so far"),
            ("seeks_back", "Seeks back within tracks so far"),
            ("short_pauses", "Short pauses before earlier plays"),
            ("long_pauses", "Long pauses before earlier plays"),
            ("context_switches", "Changes of the list that was played so far"),
        )
    ),
    frozenset(),
    lambda now, before: before.totals(
        (SEEKS_FORWARD, SEEKS_BACK, SHORT_PAUSES, LONG_PAUSES, SWITCHES)
    ),
)


@reads()
def plays_since_context_switch(now: Present, before: Past) -> Floats:
    """How many plays ago the list was changed, 1 for the last; NaN if it was not."""
    return before.since(SWITCHES)


@reads(SHUFFLE)
def shuffle_changed(now: Present, before: Past) -> Floats:
    """Shuffle switched on (1), off (-1) or left (0) since the last play; NaN at the first."""
    return now[SHUFFLE] - before[SHUFFLE]


BEHAVIOUR = (
    previous_started_by,
    previous_ended_by,
    RATES,
    TOTALS,
    plays_since_context_switch,
    shuffle_changed,
)
