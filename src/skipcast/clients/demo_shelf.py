"""What the page of `skipcast demo` offers: test sessions, and of histories their listeners."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import pandas as pd

from skipcast.clients.demo_listening import carried_by, listening_view
from skipcast.clients.demo_view import Reader
from skipcast.clients.sentences import Row
from skipcast.errors import SkipcastError
from skipcast.evaluation.listening import listenings
from skipcast.reading.values import display
from skipcast.schema import LABELS, is_synthetic

OFFERED = 300  # sessions to pick from, of a listener
EXPLAINED = 300  # plays whose contributions tell what carries the model; they take under a second

Explain = Callable[[pd.DataFrame], pd.DataFrame]


@dataclass(frozen=True)
class Offer:
    """What there is to see.

    Attributes:
        plays: of the sessions to pick from, in order, as a request has them.
        reader: who reads the page.
        history: all plays of the listeners, the label in skip_2; None where there are none.
        timezone: of the hours of the history.
    """

    plays: pd.DataFrame
    reader: Reader
    history: pd.DataFrame | None = None
    timezone: str = "UTC"


class Shelf:
    """The sessions and histories of an offer; of listeners, the latest sessions come first."""

    def __init__(self, offer: Offer, explain: Explain) -> None:
        self._offer, self._explain = offer, explain
        self._sessions = {
            str(id_): rows for id_, rows in offer.plays.groupby("session_id", sort=False)
        }
        self._listeners: dict[str, list[str]] = {}
        self._shown: dict[str, Row] = {}
        if offer.history is not None:
            # Not of `plays`: a model of before listeners were known takes no such column.
            of = offer.history.drop_duplicates("session_id")
            of = of[of["session_id"].isin(list(self._sessions))]
            sizes = of.groupby("listener_id").size().sort_values(ascending=False, kind="stable")
            for listener in sizes.index:
                ids = of.loc[of["listener_id"] == listener, "session_id"]
                self._listeners[str(listener)] = ids.tolist()[::-1]

    def offered(self, listener: str | None) -> Row:
        """Return the sessions to pick from: of a listener, or of the first where none is named.

        Raises:
            SkipcastError: there is no such listener.
        """
        ids = list(self._sessions)
        if self._listeners:
            ids = self._of(listener or next(iter(self._listeners)))
        look_up = self._offer.reader.look_up
        return {
            "sessions": [self._about(id_) for id_ in ids[:OFFERED]],
            "of": len(ids),
            "synthetic": is_synthetic(self._sessions),
            "listeners": [{"id": i, "name": look_up.listener(i)} for i in self._listeners],
            "you": self._offer.reader.you,
        }

    def session(self, id_: str) -> pd.DataFrame:
        """Return the plays of a session.

        Raises:
            SkipcastError: there is no such session.
        """
        if id_ not in self._sessions:
            raise SkipcastError(
                f"session_id must be one of those offered but got {display(id_)}. Reload the page."
            )
        return self._sessions[id_].reset_index(drop=True)

    def listening(self, listener: str) -> Row:
        """Return what the page shows of a listener's history; computed once.

        Raises:
            SkipcastError: there is no such listener.
        """
        ids = self._of(listener)
        if listener not in self._shown:
            assert self._offer.history is not None
            history, reader = self._offer.history, self._offer.reader
            shown = next(listenings(history[history["listener_id"] == listener]))
            about = listening_view(shown, reader.look_up, reader.skip, self._offer.timezone)
            self._shown[listener] = about | {"carries": carried_by(self._explained(ids))}
        return self._shown[listener]

    def _of(self, listener: str) -> list[str]:
        if listener not in self._listeners:
            raise SkipcastError(
                f"listener must be one of those offered but got {display(listener)}. "
                "Reload the page."
            )
        return self._listeners[listener]

    def _explained(self, ids: list[str]) -> pd.DataFrame:
        """Return the contributions to the plays of the latest sessions."""
        plays, count = [], 0
        for id_ in ids:
            plays.append(self._sessions[id_])
            count += len(plays[-1])
            if count >= EXPLAINED:
                break
        return self._explain(pd.concat(plays, ignore_index=True))

    def _about(self, id_: str) -> Row:
        rows = self._sessions[id_]
        skipped = rows[LABELS[self._offer.reader.skip]]
        return {
            "id": id_,
            "plays": len(rows),
            "skipped": int(skipped.fillna(False).sum()),
            "when": self._when(id_) if self._listeners else None,
        }

    def _when(self, id_: str) -> str | None:
        """Return day and hour of a session; None where they are not known."""
        rows = self._offer.reader.look_up.dated(self._sessions[id_])
        known = rows[rows["date"].notna() & rows["hour_of_day"].notna()]
        if known.empty:
            return None
        day, hour = known["date"].iloc[0], known["hour_of_day"].iloc[0]
        return f"{date.fromisoformat(day):%a} {day}, {hour:.0f} h"
