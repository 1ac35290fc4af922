"""Sessions that are sent play by play, as an app asks while somebody listens."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd

from harness.clients import Endpoint, records
from skipcast.arrays import Floats
from skipcast.schema import LOG, OUTCOMES, REASON_END, TARGET, names
from skipcast.serving.histories import arrange
from skipcast.serving.request_log import RequestLog

AT_ONCE = 4  # sessions


def as_known(plays: pd.DataFrame) -> pd.DataFrame:
    """Return plays as a client knows them when they have ended."""
    columns = [name for name in names(LOG) if name in plays and name != "session_length"]
    return plays[columns].astype(dict.fromkeys(OUTCOMES, object))


def replay(endpoint: Endpoint, plays: pd.DataFrame) -> None:
    """Ask about each play when it starts, and tell at the end what happened to the last one."""
    sessions: Iterable[pd.DataFrame] = (session for _, session in plays.groupby("session_id"))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in pool.map(lambda session: _replay(endpoint, session), sessions):
            pass


def _replay(endpoint: Endpoint, session: pd.DataFrame) -> None:
    known = as_known(session)
    for count in range(1, len(session) + 1):
        request = known.head(count).copy()
        request.loc[request.index[-1], [*OUTCOMES, REASON_END]] = None
        _post(endpoint, {"dataframe_records": records(request)})
    _post(endpoint, {"dataframe_records": records(known)})


def answer_wrongly(log: RequestLog, sessions: int) -> None:
    """Log that plays were expected to be skipped which then were not."""
    for number in range(sessions):
        for is_over in (False, True):
            one, position = np.array([f"s{number}"], object), np.ones(1)
            is_open = np.array([not is_over])
            log.write(
                {
                    "session_id": one,
                    "track_id_clean": one,
                    "session_position": position,
                    TARGET: np.array([0.0 if is_over else np.nan]),
                },
                arrange(one, np.zeros(1, int), position, is_open, must_have_ended=None, limit=1),
                probability=np.array([np.nan if is_over else 0.9]),
                is_open=is_open,
                known=np.ones(1, bool),
                features=np.empty((len(np.flatnonzero(is_open)), 0), np.float32),
            )


def batch(endpoint: Endpoint, plays: pd.DataFrame) -> Floats:
    """Ask about plays that have ended at once, each with what was known when it started."""
    rows = records(as_known(plays))
    answer = _post(endpoint, {"dataframe_records": rows, "params": {"score_history": True}})
    return np.array([row["skip_probability"] for row in answer["predictions"]])


def _post(endpoint: Endpoint, body: object) -> dict[str, list[dict[str, float]]]:
    status, answer = endpoint.post(body)
    assert status == 200, answer
    found: dict[str, list[dict[str, float]]] = answer
    return found
