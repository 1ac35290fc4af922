"""Sessions as units: a seeded hash that chooses them, and the check that each is whole."""

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from skipcast.arrays import Array
from skipcast.errors import SkipcastError


def hash_sessions(session_ids: pd.Series, *, purpose: str, seed: int) -> npt.NDArray[np.uint64]:
    """Return a number for each id, spread evenly over 0..2**64-1; equal ids get equal numbers.

    Args:
        session_ids: texts.
        purpose: such as "split". Numbers for different purposes are independent: which sessions
            are in a sample must not decide which of them test.
        seed: any whole number; another seed gives other numbers.

    >>> ids = pd.Series(["a", "b", "a"])
    >>> a, b, again = hash_sessions(ids, purpose="split", seed=1)
    >>> a == again, a == b
    (np.True_, np.False_)
    """
    key = hashlib.blake2b(f"{purpose} {seed}".encode(), digest_size=8).hexdigest()
    return pd.util.hash_array(session_ids.to_numpy(dtype=object), hash_key=key)


def has_listeners(plays: pd.DataFrame) -> bool:
    """Tell whether the plays say whose they are.

    >>> has_listeners(pd.DataFrame({"listener_id": [None]}))
    False
    """
    return "listener_id" in plays and bool(plays["listener_id"].notna().any())


def check_positions(ids: Any, positions: Array) -> None:
    """Check that every session is one run of rows with positions 1, 2, 3, ...

    Args:
        ids: the session of each row, a numpy or pandas array of texts.
        positions: the place of each row in its session, numbers.

    Raises:
        SkipcastError: a session has a gap, a duplicate or rows out of order; the message names it.

    >>> check_positions(np.array(["a", "a"], object), np.array([1, 3]))
    Traceback (most recent call last):
    skipcast.errors.SkipcastError: session_position must count 1, 2, 3, ... in each session \
but got 3 after 1 in session a. Send or keep only whole histories, in order, each play once.
    """
    codes = pd.factorize(ids)[0]
    same = np.zeros(len(codes), dtype=bool)
    same[1:] = codes[1:] == codes[:-1]
    before = np.zeros(len(codes), dtype=positions.dtype)
    before[1:] = np.where(same[1:], positions[:-1], 0)
    wrong = np.flatnonzero(positions != before + 1)
    if wrong.size:
        i = wrong[0]
        after = f"after {before[i]:g}" if same[i] else "first"
        raise SkipcastError(
            f"session_position must count 1, 2, 3, ... in each session but got {positions[i]:g} "
            f"{after} in session {ids[i]}. Send or keep only whole histories, in order, each play "
            "once."
        )
    runs = codes[~same]
    again = np.flatnonzero(np.bincount(runs) > 1)
    if again.size:
        raise SkipcastError(
            "session_id must stand in one run of rows but "
            f"{ids[np.argmax(codes == again[0])]} comes back later. Sort the plays by session."
        )


def sample_bound(hashes: npt.NDArray[np.uint64], plays: Array, most: int) -> float:
    """Return the hash below which a sample of whole sessions holds as many plays as it may.

    Args:
        hashes: of each session, by `hash_sessions`.
        plays: the number of plays of each.
        most: of the sample, at most.

    >>> hashes = np.array([30, 10, 20], np.uint64)
    >>> sample_bound(hashes, np.array([4, 5, 3]), 8), sample_bound(hashes, np.array([4, 5, 3]), 12)
    (30.0, inf)
    """
    order = np.argsort(hashes)
    fits = int(np.searchsorted(np.cumsum(plays[order]), most, side="right"))
    return float(hashes[order[fits]]) if fits < len(order) else np.inf
