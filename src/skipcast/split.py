"""Train, validation and test, by whole sessions."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from skipcast.sessions import hash_sessions


def split_sessions(
    session_ids: pd.Series, *, validation: float, test: float, seed: int
) -> npt.NDArray[np.str_]:
    """Give each play `train`, `validation` or `test`, the same for all plays of a session.

    The choice depends on the session's own id and `seed` only: other sessions, their order and
    their number change nothing, so a play never moves from one part to another as data grow.

    Args:
        session_ids: one per play.
        validation: share of the sessions, 0..1.
        test: share of the sessions, 0..1.
        seed: any whole number.

    >>> ids = pd.Series(["a", "a", "b", "c", "d"])
    >>> split_sessions(ids, validation=0.3, test=0.3, seed=0).tolist()
    ['test', 'test', 'test', 'validation', 'validation']
    """
    at = hash_sessions(session_ids, purpose="split", seed=seed) / 2.0**64
    return np.select([at < test, at < test + validation], ["test", "validation"], "train")
