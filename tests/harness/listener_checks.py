"""What a listener's history must do so that no play knows a present or later outcome.

Tests call these checks with planted leaks, too. Each check takes a function with the arguments and
the results of `listener_counts.count_listeners`.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from skipcast.arrays import Bools
from skipcast.features.build import build_features
from skipcast.schema import HORIZONS, OUTCOMES

Count = Callable[[pd.DataFrame], tuple[pd.DataFrame, pd.DataFrame]]


def with_other_outcomes(plays: pd.DataFrame, rows: Bools) -> pd.DataFrame:
    """Return plays of which some have the opposite outcomes."""
    changed = plays.copy()
    for name in OUTCOMES:
        known = rows & plays[name].notna().to_numpy()
        changed.loc[known, name] = ~plays.loc[known, name].astype(bool)
    return changed


def differ(count: Count, plays: pd.DataFrame, changed: pd.DataFrame) -> Bools:
    """Tell which plays have other features of any horizon when the others are `changed`."""
    result = np.zeros(len(plays), bool)
    for horizon in HORIZONS:
        before, after = (
            build_features(table.join(count(table)[0]), horizon, ("listener_history",)).to_numpy()
            for table in (plays, changed)
        )
        result |= ~((before == after) | (np.isnan(before) & np.isnan(after))).all(axis=1)
    return result


def check_no_session_knows_its_own_outcomes(count: Count, plays: pd.DataFrame) -> None:
    """The opposite outcomes of a session change no feature of it."""
    for session in plays["session_id"].unique():
        own = (plays["session_id"] == session).to_numpy()
        changed = differ(count, plays, with_other_outcomes(plays, own))
        assert not changed[own].any(), f"{session} knows its own outcomes"


def check_no_session_knows_later_ones(count: Count, plays: pd.DataFrame) -> None:
    """Other outcomes, tracks and artists of later sessions change no feature of earlier ones."""
    number = plays["session_id"].str[-7:].astype(int).to_numpy()
    for first in range(1, number.max() + 1):
        later = number >= first
        changed = with_other_outcomes(plays, later)
        for name in ("track_id_clean", "artist_id", "started_at"):
            changed.loc[later, name] = changed.loc[later, name].to_numpy()[::-1]
        wrong = differ(count, plays, changed)[~later].any()
        assert not wrong, f"sessions before number {first} know later outcomes"


def check_no_listener_knows_others(count: Count, plays: pd.DataFrame) -> None:
    """The opposite outcomes of a listener change no feature of others."""
    for listener in plays["listener_id"].unique():
        own = (plays["listener_id"] == listener).to_numpy()
        changed = differ(count, plays, with_other_outcomes(plays, own))
        assert not changed[~own].any(), f"others know the outcomes of {listener}"


def check_later_sessions_know_earlier_ones(count: Count, plays: pd.DataFrame) -> None:
    """The opposite outcomes of a listener's first session change features of the later ones."""
    for _, own in plays.groupby("listener_id"):
        first = (plays["session_id"] == own["session_id"].iloc[0]).to_numpy()
        changed = differ(count, plays, with_other_outcomes(plays, first))
        later = (plays["listener_id"] == own["listener_id"].iloc[0]).to_numpy() & ~first
        counted = plays.loc[first, "skip_2"].notna().any()
        assert changed[later].all() == counted, "a session knows nothing of earlier ones"


def check_cut_plays_count_nothing(count: Count, plays: pd.DataFrame) -> None:
    """Without the plays that the app cut, all others have the same features."""
    is_cut = plays["skip_2"].isna().to_numpy()
    known, without = count(plays)[0], count(plays[~is_cut])[0]
    pd.testing.assert_frame_equal(known[~is_cut], without, check_exact=True)


CHECKS = (
    check_no_session_knows_its_own_outcomes,
    check_no_session_knows_later_ones,
    check_no_listener_knows_others,
    check_later_sessions_know_earlier_ones,
    check_cut_plays_count_nothing,
)
