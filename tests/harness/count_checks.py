"""What counts must do so that no play knows its own outcome. Tests call these checks with a planted
leak, too.

Each check takes a function with the arguments and the results of `counts.count_tracks`.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from skipcast.arrays import Bools
from skipcast.features.counts import FOLDS
from skipcast.schema import OUTCOMES
from skipcast.sessions import hash_sessions

Count = Callable[..., tuple[pd.DataFrame, pd.DataFrame]]
SEED = 3


def invert(plays: pd.DataFrame, rows: Bools) -> pd.DataFrame:
    """Return plays of which some have the opposite outcomes."""
    changed = plays.copy()
    for name in OUTCOMES:
        changed[name] = plays[name].to_numpy() ^ rows
    return changed


def differ(count: Count, plays: pd.DataFrame, is_train: Bools, rows: Bools) -> Bools:
    """Tell which plays know other counts when some have the opposite outcomes."""
    before, _ = count(plays, is_train, seed=SEED)
    after, _ = count(invert(plays, rows), is_train, seed=SEED)
    changed: Bools = (before != after).any(axis=1).to_numpy()
    return changed


def check_no_outcome_of_validation_or_test_counts(
    count: Count, plays: pd.DataFrame, is_train: Bools
) -> None:
    """The opposite outcomes of all sessions that do not train change no count."""
    assert not differ(count, plays, is_train, ~is_train).any()
    table = count(plays, is_train, seed=SEED)[1]
    changed = count(invert(plays, ~is_train), is_train, seed=SEED)[1]
    pd.testing.assert_frame_equal(table, changed, check_exact=True)


def check_no_session_counts_itself(count: Count, plays: pd.DataFrame, is_train: Bools) -> None:
    """The opposite outcomes of a training session change no count that it knows."""
    for session in plays.loc[is_train, "session_id"].unique()[:20]:
        own = (plays["session_id"] == session).to_numpy()
        assert not differ(count, plays, is_train, own)[own].any(), f"{session} knows its outcomes"


def check_no_fold_counts_itself(count: Count, plays: pd.DataFrame, is_train: Bools) -> None:
    """The opposite outcomes of a fold change what all others know, and nothing that it knows."""
    folds = hash_sessions(plays["session_id"], purpose="fold", seed=SEED) % np.uint64(FOLDS)
    for fold in range(FOLDS):
        own = (folds == fold) & is_train
        changed = differ(count, plays, is_train, own)
        assert not changed[own].any(), f"fold {fold} knows its outcomes"
        assert changed[~own].all(), f"who is not of fold {fold} must know of it"


CHECKS = (
    check_no_outcome_of_validation_or_test_counts,
    check_no_session_counts_itself,
    check_no_fold_counts_itself,
)
