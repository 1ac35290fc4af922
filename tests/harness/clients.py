"""Requests of tests: what a client sends, and the client that sends it."""

import json
from contextlib import closing
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

from skipcast.schema import LOG, OUTCOMES, REASON_END, names

JSON = "application/json"
ANSWER_SECONDS = 60


class Endpoint:
    """An address on this machine to which a client posts."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.host, self.port, self.path = parts.hostname or "", parts.port or 80, parts.path

    def send(self, body: bytes, content_type: str | None = JSON) -> tuple[int, Any]:
        """Post bytes over a connection of its own; return the status and the decoded answer."""
        headers = {} if content_type is None else {"Content-Type": content_type}
        with closing(self._connection()) as connection:
            connection.request("POST", self.path, body, headers)
            response = connection.getresponse()
            text = response.read()
        return response.status, json.loads(text) if text[:1] in (b"{", b"[") else text.decode()

    def _connection(self) -> HTTPConnection:
        return HTTPConnection(self.host, self.port, timeout=ANSWER_SECONDS)

    def post(self, content: object) -> tuple[int, Any]:
        """Post JSON."""
        return self.send(json.dumps(content).encode())


def requests(plays: pd.DataFrame, sessions: int = 5) -> pd.DataFrame:
    """Return the plays of some sessions as a client sends them: the last one's outcome unknown."""
    ids = plays["session_id"].unique()[:sessions]
    columns = [name for name in names(LOG) if name in plays]  # plays of old may lack new ones
    request = plays.loc[plays["session_id"].isin(ids), columns].astype(
        dict.fromkeys(OUTCOMES, object)
    )
    last = ~request["session_id"].duplicated(keep="last")
    request.loc[last, [*OUTCOMES, REASON_END]] = None
    return request.drop(columns="session_length")


def records(request: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as JSON has them."""
    rows: list[dict[str, Any]] = json.loads(request.to_json(orient="records"))
    return rows
