"""Each play of a request behind its history: sorted, complete, several candidates side by side."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from skipcast.arrays import Bools, Floats, Indices, Texts
from skipcast.errors import SkipcastError


@dataclass(frozen=True)
class Histories:
    """Rows of a request in the order in which features are computed.

    `take` names rows of the request, session after session and by position; where a session has
    several candidates for its next position, its history is repeated before each of them. `row`
    tells for each row of the request its place in `take`.
    """

    take: Indices
    row: Indices


def number_ids(ids: Texts) -> Indices:
    """Number ids in order of their first row: 0, 1, 2, ...

    >>> number_ids(np.array(["b", "a", "b"], object))
    array([0, 1, 0])
    """
    numbers: dict[Any, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in ids.tolist()], np.intp)


def arrange(
    ids: Texts, positions: Floats, open_: Bools, *, ended: Bools | None, limit: int
) -> Histories:
    """Arrange rows, which may come in any order, as histories.

    Args:
        ids: session of each row.
        positions: place of each row in its session, whole numbers.
        open_: whether the row's outcome is null.
        ended: whether the row must have an outcome; None asks it of all but a session's last.
        limit: of rows, each candidate counted with its history.

    Raises:
        SkipcastError: a session has a gap or a duplicate, an ended play has no outcome, or there
            are too many rows; the message names the session.

    >>> ids = np.array(["s", "s", "s"], object)
    >>> open_, positions = np.array([False, True, True]), np.array([1.0, 2.0, 2.0])
    >>> arrange(ids, positions, open_, ended=None, limit=9)
    Histories(take=array([0, 1, 0, 2]), row=array([0, 1, 3]))
    """
    _check_limit(len(ids), limit)
    sessions = number_ids(ids)
    order = np.lexsort((positions, sessions))
    session, position = sessions[order], positions[order]
    first = np.append(True, session[1:] != session[:-1])
    before = np.where(first, 0, np.append(0, position[:-1]))
    again = ~first & (position == before)
    ends = np.append(np.flatnonzero(first)[1:], len(order)) - 1
    last = position == position[ends][session]
    check = _Check(ids, positions, order)
    check.none((position != before + 1) & ~again, _GAP, before)
    twin = again | np.append(again[1:], False)
    check.none(twin & ~(open_[order] & last), _TWICE, before)
    check.none(open_[order] & (~last if ended is None else ended[order]), _NULL, before)
    if not again.any():
        row = np.empty_like(order)
        row[order] = np.arange(len(order))
        return Histories(order, row)
    return _repeat(order, np.flatnonzero(first), twin, limit)


_GAP = (
    "session_position must count 1, 2, 3, ... in each session but got {position:g} after {before:g}"
    " in session {session}. Send whole histories, from the first play on."
)
_TWICE = (
    "session_position must come once in a session, but for candidates with null skip_2 at its end, "
    "but got {position:g} again in session {session}. Send each play once."
)
_NULL = (
    "skip_2 must be true, false, 0 or 1 for each play that has ended but got null at "
    "session_position {position:g} of session {session}. Send its outcome."
)


@dataclass(frozen=True)
class _Check:
    ids: Texts
    positions: Floats
    order: Indices

    def none(self, wrong: Bools, message: str, before: Floats) -> None:
        """Raise a message about the first sorted row that is wrong."""
        if wrong.any():
            i = int(np.argmax(wrong))
            row = self.order[i]
            session = repr(self.ids[row][:40])
            raise SkipcastError(
                message.format(position=self.positions[row], before=before[i], session=session)
            )


def _check_limit(count: int, limit: int) -> None:
    if count > limit:
        raise SkipcastError(
            f"A request must hold at most {limit} plays, each candidate counted with its history, "
            f"but got {count}. Send several requests."
        )


def _repeat(order: Indices, starts: Indices, twin: Bools, limit: int) -> Histories:
    """Repeat the history before each candidate but the first, which follows it already."""
    edges = np.append(starts, len(order))
    histories = edges[:-1] + np.add.reduceat(~twin, starts)  # where each session's history ends
    tails = edges[1:] - histories
    sizes = (histories - starts) * np.maximum(tails, 1) + tails
    _check_limit(int(sizes.sum()), limit)
    parts: list[Indices] = []
    row = np.empty_like(order)
    done = 0
    for start, history, stop in zip(starts, histories, edges[1:], strict=True):
        row[order[start:history]] = np.arange(done, done + history - start)
        if history == stop:
            parts.append(order[start:stop])
            done += stop - start
        for i in range(history, stop):
            parts += [order[start:history], order[i : i + 1]]
            done += history - start + 1
            row[order[i]] = done - 1
    return Histories(np.concatenate(parts), row)
