"""Signals: a number per play that is known once the play has ended."""

import numpy as np

from skipcast.arrays import Floats
from skipcast.features.columns import Columns
from skipcast.features.views import Signal
from skipcast.schema import REASON_END, REASONS, TARGET

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
