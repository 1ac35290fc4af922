"""How earlier plays of the session went: the groups outcomes and behaviour.

"Last" and "so far" mean plays of the same session that have ended.
"""

import numpy as np

from skipcast.columns import Columns, Floats
from skipcast.schema import REASON_END, REASON_START, REASONS, SHUFFLE, TARGET
from skipcast.views import Feature, Past, Present, Signal, divide, reads

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


def _decayed(half_life: int) -> Feature:
    weights = 0.5 ** (np.arange(MEMORY) / half_life)

    def compute(now: Present, before: Past) -> Floats:
        last = before.lags(skipped, MEMORY)
        told = ~np.isnan(last)
        total = (np.where(told, last, 0) * weights).sum(axis=1)
        return divide(total, (told * weights).sum(axis=1))

    text = (
        f"Share of the last {MEMORY} plays that were skipped, 0..1, each counting half as much as "
        f"one {half_life} plays later; NaN at the first play."
    )
    return Feature(f"skip_rate_half_life_{half_life}", text, frozenset(), compute)


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
    return (before.total(skipped) + usual) / (before.count + USUAL_PLAYS)


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
    *map(_decayed, (1, 2, 5)),
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


@reads()
def forward_rate(now: Present, before: Past) -> Floats:
    """Share of the plays so far that ended by the forward button, 0..1; NaN if none was told."""
    return before.rate(FORWARD)


@reads()
def back_rate(now: Present, before: Past) -> Floats:
    """Share of the plays so far that ended by the back button, 0..1; NaN if none was told."""
    return before.rate(BACK)


@reads()
def done_rate(now: Present, before: Past) -> Floats:
    """Share of the plays so far that ended with the track, 0..1; NaN if none was told."""
    return before.rate(DONE)


@reads()
def seeks_forward(now: Present, before: Past) -> Floats:
    """Seeks forward within tracks so far: 0, 1, 2, ..."""
    return before.total(SEEKS_FORWARD)


@reads()
def seeks_back(now: Present, before: Past) -> Floats:
    """Seeks back within tracks so far: 0, 1, 2, ..."""
    return before.total(SEEKS_BACK)


@reads()
def short_pauses(now: Present, before: Past) -> Floats:
    """Short pauses before earlier plays: 0, 1, 2, ..."""
    return before.total(SHORT_PAUSES)


@reads()
def long_pauses(now: Present, before: Past) -> Floats:
    """Long pauses before earlier plays: 0, 1, 2, ..."""
    return before.total(LONG_PAUSES)


@reads()
def context_switches(now: Present, before: Past) -> Floats:
    """Changes of the list that was played so far: 0, 1, 2, ..."""
    return before.total(SWITCHES)


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
    forward_rate,
    back_rate,
    done_rate,
    seeks_forward,
    seeks_back,
    short_pauses,
    long_pauses,
    context_switches,
    plays_since_context_switch,
    shuffle_changed,
)
