"""Signals: a number per play that is known after the play ended; NaN if its columns are missing."""

import numpy as np

from skipcast.arrays import Floats
from skipcast.features.columns import Columns
from skipcast.features.views import Signal
from skipcast.schema import REASON_END, REASONS, TARGET


def skipped(plays: Columns) -> Floats:
    """Whether the play was skipped: 0 or 1."""
    return plays[TARGET]


def listened(plays: Columns) -> Floats:
    """Whether the play was not skipped: 0 or 1."""
    return 1 - plays[TARGET]


def depth(plays: Columns) -> Floats:
    """How far the play got: 0 skip_1, 1 skip_2, 2 skip_3, 3 further, 4 not_skipped."""
    return 3 - plays["skip_1"] - plays["skip_2"] - plays["skip_3"] + plays["not_skipped"]


def full_listen(plays: Columns) -> Floats:
    """Whether the play had no skip of any kind: 0 or 1."""
    return plays["not_skipped"]


def _column(name: str) -> Signal:
    return lambda plays: plays[name]


def _ended_by(reason: str) -> Signal:
    code = REASONS.index(reason)

    def signal(plays: Columns) -> Floats:
        reasons = plays[REASON_END]
        return np.where(np.isnan(reasons), np.nan, reasons == code)

    return signal


FORWARD, BACK, DONE = _ended_by("fwdbtn"), _ended_by("backbtn"), _ended_by("trackdone")
SEEKS_FORWARD = _column("hist_user_behavior_n_seekfwd")
SEEKS_BACK = _column("hist_user_behavior_n_seekback")
SHORT_PAUSES = _column("short_pause_before_play")
LONG_PAUSES = _column("long_pause_before_play")
SWITCHES = _column("context_switch")
