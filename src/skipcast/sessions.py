"""Sessions as units: a seeded hash to choose them by, and the check that each is whole."""

import hashlib

import numpy as np
import numpy.typing as npt
import pandas as pd

from skipcast.errors import SkipcastError


def hash_sessions(session_ids: pd.Series, *, purpose: str, seed: int) -> npt.NDArray[np.uint64]:
    """Hash each id to a whole number, evenly in 0..2**64-1; the same id always to the same.

    `purpose` keeps choices with equal seeds independent: a sample chosen by low hashes must not
    decide which of its sessions test.

    >>> ids = pd.Series(["a", "b", "a"])
    >>> a, b, again = hash_sessions(ids, purpose="split", seed=1)
    >>> a == again, a == b
    (np.True_, np.False_)
    """
    key = hashlib.blake2b(f"{purpose} {seed}".encode(), digest_size=8).hexdigest()
    return pd.util.hash_array(session_ids.to_numpy(dtype=object), hash_key=key)


def check_positions(plays: pd.DataFrame) -> None:
    """Check that every session is one run of rows with positions 1, 2, 3, ...

    Raises:
        SkipcastError: a session has a gap, a duplicate or rows out of order; the message names it.

    >>> check_positions(pd.DataFrame({"session_id": ["a", "a"], "session_position": [1, 3]}))
    Traceback (most recent call last):
    skipcast.errors.SkipcastError: session_position must count 1, 2, 3, ... in each session \
but got 3 after 1 in session a. Send or keep only whole histories, in order, each play once.
    """
    positions = plays["session_position"].to_numpy()
    ids = plays["session_id"].to_numpy(dtype=object)
    same = np.zeros(len(plays), dtype=bool)
    same[1:] = ids[1:] == ids[:-1]
    before = np.where(same, np.roll(positions, 1), 0)
    wrong = np.flatnonzero(positions != before + 1)
    if wrong.size:
        i = wrong[0]
        after = f"after {before[i]}" if same[i] else "first"
        raise SkipcastError(
            f"session_position must count 1, 2, 3, ... in each session but got {positions[i]} "
            f"{after} in session {ids[i]}. Send or keep only whole histories, in order, each play "
            "once."
        )
    starts = pd.Series(ids[~same])
    if starts.duplicated().any():
        raise SkipcastError(
            "session_id must stand in one run of rows but "
            f"{starts[starts.duplicated()].iloc[0]} comes back later. Sort the plays by session."
        )
