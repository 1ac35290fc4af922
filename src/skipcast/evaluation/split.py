"""Train, validation and test, by whole sessions."""

import numpy as np
import pandas as pd

from skipcast.arrays import Labels
from skipcast.params import Split
from skipcast.sessions import hash_sessions


def split_sessions(session_ids: pd.Series, params: Split) -> Labels:
    """Give each play `train`, `validation` or `test`, the same for all plays of a session.

    The choice depends on the session's own id and the seed only: other sessions, their order and
    their number change nothing, so a play never moves from one part to another as data grow.

    Args:
        session_ids: one per play.
        params: the shares of the sessions that validate and test, 0..1, and a seed.

    >>> ids = pd.Series(["a", "a", "b", "c", "d"])
    >>> split_sessions(ids, Split(validation=0.3, test=0.3, seed=0)).tolist()
    ['test', 'test', 'test', 'validation', 'validation']
    """
    at = hash_sessions(session_ids, purpose="split", seed=params.seed) / 2.0**64
    below = [at < params.test, at < params.test + params.validation]
    return np.select(below, ["test", "validation"], "train")
