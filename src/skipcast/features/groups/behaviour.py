"""The group behaviour: what the listener did in earlier plays of the session."""

from collections.abc import Callable

from skipcast.arrays import Floats
from skipcast.features.feature import Feature, reads
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
from skipcast.features.views import Past, Present, Signal, Signals
from skipcast.schema import REASON_END, REASON_START, SHUFFLE

# behaviour


@reads()
def previous_started_by(now: Present, before: Past) -> Floats:
    """Code of what started the last play, in `schema.REASONS`; NaN at the first or if not given."""
    return before[REASON_START]


@reads()
def previous_ended_by(now: Present, before: Past) -> Floats:
    """Code of what ended the last play, in `schema.REASONS`; NaN at the first or if not given."""
    return before[REASON_END]


def _of_signals(
    said: dict[str, tuple[Signal, str]], text: str, method: Callable[[Past, Signals], Floats]
) -> tuple[Feature, ...]:
    """Return a feature per signal, all computed by a method of the past in one go."""
    signals = tuple(signal for signal, _ in said.values())

    def compute(now: Present, before: Past) -> Floats:
        return method(before, signals)

    return tuple(
        Feature(name, text.format(what), frozenset(), compute) for name, (_, what) in said.items()
    )


RATES = _of_signals(
    {
        "forward_rate": (FORWARD, "by the forward button"),
        "back_rate": (BACK, "by the back button"),
        "done_rate": (DONE, "with the track"),
    },
    "Share of the plays so far that ended {}, 0..1; NaN if none was told.",
    Past.rates,
)
TOTALS = _of_signals(
    {
        "seeks_forward": (SEEKS_FORWARD, "Seeks forward within tracks so far"),
        "seeks_back": (SEEKS_BACK, "Seeks back within tracks so far"),
        "short_pauses": (SHORT_PAUSES, "Short pauses before earlier plays"),
        "long_pauses": (LONG_PAUSES, "Long pauses before earlier plays"),
        "context_switches": (SWITCHES, "Changes of the list that was played so far"),
    },
    "{}: 0, 1, 2, ...",
    Past.totals,
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
    *RATES,
    *TOTALS,
    plays_since_context_switch,
    shuffle_changed,
)
