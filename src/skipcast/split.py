"""The split into training, validation and test sessions."""

import math

import numpy as np
import pandas as pd

from skipcast.arrays import Floats, Labels
from skipcast.errors import SkipcastError
from skipcast.params import Split
from skipcast.sessions import has_listeners, hash_sessions

TRAIN, VALIDATION, TEST = "train", "validation", "test"


def split_sessions(plays: pd.DataFrame, params: Split) -> Labels:
    """Return `train`, `validation` or `test` for each play, the same for all plays of a session.

    By session, the label depends on the id of the session and on the seed alone. Other sessions,
    their order and their number change nothing, so no session gets another label when data are
    added. By time, of each listener the last sessions test and those before them validate, so a
    model is judged on what came after all that it learned from. By listener, all sessions of one
    have the same label, and the listeners of lowest hash test.

    Args:
        plays: columns session_id and, where there are listeners, listener_id; sorted by
            session_id, which numbers a listener's sessions in order of time.
        params: the shares of validation and test sessions (by listener: of listeners), 0..1 and
            below 1 in sum, a seed, and `by`; None is by time where plays have listeners, else by
            session.

    Raises:
        SkipcastError: the plays have no listeners to split by, or too few.

    >>> plays = pd.DataFrame({"session_id": ["a", "a", "b", "c", "d"], "listener_id": None})
    >>> split_sessions(plays, Split(validation=0.3, test=0.3, seed=0)).tolist()
    ['test', 'test', 'test', 'validation', 'validation']
    >>> split_sessions(plays.assign(listener_id="x"), Split(validation=0.3, test=0.3, seed=0))
    array(['train', 'train', 'validation', 'test', 'test'], dtype='<U10')
    """
    by = params.by or ("time" if has_listeners(plays) else "session")
    test, validation = params.test, params.validation
    if by == "session":
        place = hash_sessions(plays["session_id"], purpose="split", seed=params.seed) / 2.0**64
    else:
        listeners = _check_listeners(plays, by)
        if by == "listener":  # at least one of each
            test, validation = (math.ceil(x * listeners) / listeners for x in (test, validation))
        place = _place_in_time(plays) if by == "time" else _place_of_listener(plays, params.seed)
    is_below = [place < test, place < test + validation]
    return np.select(is_below, [TEST, VALIDATION], TRAIN)


def _check_listeners(plays: pd.DataFrame, by: str) -> int:
    """Return the number of listeners."""
    listeners = int(plays["listener_id"].nunique())
    fewest = 3 if by == "listener" else 1
    if listeners < fewest:
        remedy = "session" if not listeners else "time"
        raise SkipcastError(
            f"split.by {by} must have plays of {fewest} listeners or more but there are "
            f"{listeners}. Set split.by to {remedy} in params.yaml."
        )
    return listeners


def _place_in_time(plays: pd.DataFrame) -> Floats:
    """Return the share of the listener's sessions that come after the play's own, 0..1."""
    is_first = ~plays["session_id"].duplicated()
    number = is_first.groupby(plays["listener_id"]).cumsum()
    sessions = is_first.groupby(plays["listener_id"]).transform("sum")
    place: Floats = ((sessions - number) / sessions).to_numpy(np.float64)
    return place


def _place_of_listener(plays: pd.DataFrame, seed: int) -> Floats:
    """Return the share of the listeners whose hash is lower, 0..1."""
    ids = pd.Series(plays["listener_id"].unique())
    rank = hash_sessions(ids, purpose="split", seed=seed).argsort().argsort()
    place: Floats = (rank / len(ids))[pd.factorize(plays["listener_id"])[0]]
    return place
