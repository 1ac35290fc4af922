"""The split into training, validation and test sessions."""

import numpy as np
import pandas as pd

from skipcast.arrays import Labels
from skipcast.params import Split
from skipcast.sessions import hash_sessions


def split_sessions(session_ids: pd.Series, params: Split) -> Labels:
    """Return `train`, `validation` or `test` for each play, the same for all plays of a session.

    The label depends on the id of the session and on the seed alone. Other sessions, their order
    and their number change nothing, so no session gets another label when data are added.

    Args:
        session_ids: the id of the session of each play.
        params: the shares of validation and test sessions, 0..1 and below 1 in sum, and a seed.

    >>> ids = pd.Series(["a", "a", "b", "c", "d"])
    >>> split_sessions(ids, Split(validation=0.3, test=0.3, seed=0)).tolist()
    ['test', 'test', 'test', 'validation', 'validation']
    """
    place = hash_sessions(session_ids, purpose="split", seed=params.seed) / 2.0**64  # 0..1
    is_below = [place < params.test, place < params.test + params.validation]
    return np.select(is_below, ["test", "validation"], "train")
