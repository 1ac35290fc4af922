"""How earlier plays of the session went: the groups outcomes and behaviour.

"Last" and "so far" mean plays of the same session that have ended.
"""

from collections.abc import Callable

import numpy as np

from skipcast.columns import Columns, Floats
from skipcast.schema import REASON_END, REASON_START, REASONS, SHUFFLE, TARGET
from skipcast.views import Feature, Past, Present, Signal, Signals, divide, reads

USUAL_SKIP_RATE = 0.517  # of the dataset's mini version
USUAL_PLAYS = 2.0  # how many plays the usual rate counts for
MEMORY = 20  # plays that decayed rates look back: the length of the dataset's longest sessions


# Signals: what an ended play tells.


def skipped(ended: Columns) -> Floats:
    """Whether it was skipped."""
    return ended[TARGET]


def listened(ended: Columns) -> Floats:
    """Whether it was not skipped."""
    return 1 - ended[TARGET]


def depth(ended: Columns) -> Floats:
    """How far it got: 0 skip_1, 1 skip_2, 2 skip_3, 3 further, 4 not_skipped."""
    return 3 - ended["skip_1"] - ended["skip_2"] - ended["skip_3"] + ended["not_skipped"]


def full_listen(ended: Columns) -> Floats:
    """Whether it was listened to without any skip."""
    return ended["not_skipped"]


def _column(name: str) -> Signal:
    return lambda ended: ended[name]


def _ended_by(reason: str) -> Signal:
    code = REASONS.index(reason)

    def signal(ended: Columns) -> Floats:
        given = ended[REASON_END]
        return np.where(np.isnan(given), np.nan, given == code)

    return signal


FORWARD, BACK, DONE = _ended_by("fwdbtn"), _ended_by("backbtn"), _ended_by("trackdone")
SEEKS_FORWARD = _column("hist_user_behavior_n_seekfwd")
SEEKS_BACK = _column("hist_user_behavior_n_seekback")
SHORT_PAUSES = _column("short_pause_before_play")
LONG_PAUSES = _column("long_pause_before_play")
SWITCHES = _column("context_switch")


# outcomes


def _depth(plays: int) -> Feature:
    def compute(now: Present, before: Past) -> Floats:
        return before.lag(depth, plays)

    text = (
        f"How far the play that ended {plays} plays ago got: 0 skip_1, 1 skip_2, 2 skip_3, "
        "3 further, 4 not_skipped; NaN if there is none or a skip column was not given."
    )
    return Feature(f"depth_{plays}", text, frozenset(), compute)


HALF_LIVES = (1, 2, 5)
WEIGHTS = [0.5 ** (np.arange(MEMORY) / half_life) for half_life in HALF_LIVES]


def _decayed(now: Present, before: Past) -> Floats:
    last = before.lags(skipped, MEMORY)
    told = ~np.isnan(last)
    skips = np.where(told, last, 0)
    return np.array([divide((skips * w).sum(axis=1), (told * w).sum(axis=1)) for w in WEIGHTS])


DECAYED = tuple(
    Feature(
        f"skip_rate_half_life_{half_life}",
        f"Share of the last {MEMORY} plays that were skipped, 0..1, each counting half as much as "
        f"one {half_life} plays later; NaN at the first play.",
        frozenset(),
        _decayed,
    )
    for half_life in HALF_LIVES
)


@reads()
def previous_skipped(now: Present, before: Past) -> Floats:
    """Whether the last play was skipped: 0 or 1; NaN at the first play."""
    return before[TARGET]


@reads()
def streak(now: Present, before: Past) -> Floats:
    """Last plays in a row that were skipped (above 0) or not (below 0); NaN at the first play."""
    last = before[TARGET]
    # fmin: a session without the other outcome is one streak from its start.
    skips = np.fmin(before.since(listened) - 1, before.count)
    listens = np.fmin(before.since(skipped) - 1, before.count)
    return np.where(np.isnan(last), np.nan, np.where(last == 1, skips, -listens))


@reads()
def skip_rate(now: Present, before: Past) -> Floats:
    """Share of the plays so far that were skipped, 0..1, shrunk to the usual rate; never NaN."""
    usual = USUAL_SKIP_RATE * USUAL_PLAYS
    skips: Floats = before.totals((skipped,))[0]
    return (skips + usual) / (before.count + USUAL_PLAYS)


@reads()
def plays_since_skip(now: Present, before: Past) -> Floats:
    """How many plays ago one was skipped, 1 for the last; NaN if none was."""
    return before.since(skipped)


@reads()
def plays_since_full_listen(now: Present, before: Past) -> Floats:
    """How many plays ago one was not_skipped, 1 for the last; NaN if none was or none was told."""
    return before.since(full_listen)


OUTCOMES = (
    *map(_depth, (1, 2, 3, 4, 5)),
    previous_skipped,
    streak,
    skip_rate,
    *DECAYED,
    plays_since_skip,
    plays_since_full_listen,
)


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
