"""The rows of a request as histories: sorted, checked, and one history before each candidate."""

from dataclasses import dataclass

import numpy as np

from skipcast.arrays import Bools, Floats, Indices, Texts
from skipcast.errors import SkipcastError
from skipcast.schema import TARGET


@dataclass(frozen=True)
class Histories:
    """Rows of a request in the order in which features are computed.

    `take` has rows of the request, session after session and by position; where a session has
    several candidates for its next position, its history is repeated before each of them. `row`
    is the place in `take` of each row of the request. `cut` has the rows of the request whose plays
    have ended without an outcome, because the app cut them. `order` has each row of the request
    once, session after session and by position; `starts` the place in it of each session's first.
    """

    take: Indices
    row: Indices
    cut: Indices
    order: Indices
    starts: Indices


def arrange(
    ids: Texts,
    sessions: Indices,
    positions: Floats,
    is_open: Bools,
    *,
    must_have_ended: Bools | None,
    limit: int,
    gives_reason: Bools | None = None,
    outcome: str = TARGET,
) -> Histories:
    """Arrange rows, which may come in any order, as histories.

    Args:
        ids: session of each row.
        sessions: its number, in order of their first row: 0, 1, 2, ...
        positions: place of each row in its session, whole numbers from 1 on.
        is_open: whether the row's outcome is null.
        must_have_ended: whether the row must have an outcome; None: all but a session's last must.
        limit: of rows, each candidate counted with its history.
        gives_reason: whether the row says what ended its play; None: no row does.
        outcome: name of the column that an ended play must give, unless it gives the reason.

    Raises:
        SkipcastError: a session has a gap or a duplicate, an ended play has no outcome, or there
            are too many rows; the message names the session.

    >>> ids, sessions = np.array(["s", "s", "s"], object), np.zeros(3, int)
    >>> is_open, positions = np.array([False, True, True]), np.array([1.0, 2.0, 2.0])
    >>> histories = arrange(ids, sessions, positions, is_open, must_have_ended=None, limit=9)
    >>> histories.take, histories.row, histories.order, histories.starts
    (array([0, 1, 0, 2]), array([0, 1, 3]), array([0, 1, 2]), array([0]))
    """
    _check_limit(len(ids), limit)
    order = np.lexsort((positions, sessions))
    session, position = sessions[order], positions[order]
    before = np.zeros(len(order))
    before[1:] = np.where(session[1:] == session[:-1], position[:-1], 0)
    starts = np.flatnonzero(before == 0)
    last = np.full(len(starts), len(order) - 1)
    last[:-1] = starts[1:] - 1
    is_last = position == position[last][session]
    must_end = ~is_last if must_have_ended is None else must_have_ended[order]
    is_repeated = position == before
    # All rows of one position: the first of them, which repeats no other, too.
    shares_position = is_repeated.copy()
    shares_position[:-1] |= is_repeated[1:]
    check = _Check(ids, positions, order, before, outcome)
    check.none((position != before + 1) & ~is_repeated, _GAP)
    check.none(shares_position & ~(is_open[order] & is_last), _TWICE)
    null = is_open[order] & must_end
    check.none(null if gives_reason is None else null & ~gives_reason[order], _NULL)
    cut = order[null]
    if not is_repeated.any():
        take, row = order, _places(order)
    else:
        take, row = _repeat(order, starts, shares_position, limit)
    return Histories(take, row, cut, order, starts)


_GAP = (
    "session_position must count 1, 2, 3, ... in each session but got {position:g} after {before:g}"
    " in session {session}. Send whole histories, from the first play on."
)
_TWICE = (
    "session_position must come once in a session, but for candidates with null {outcome} at its "
    "end, but got {position:g} again in session {session}. Send each play once."
)
_NULL = (
    "{outcome} must be true, false, 0 or 1 for each play that has ended but got null at "
    "session_position {position:g} of session {session}. Send its outcome; of a play that the "
    "app cut, which has none, send hist_user_behavior_reason_end."
)


@dataclass(frozen=True)
class _Check:
    """Checks of sorted rows.

    `ids` and `positions` are those of the request's rows, `order` sorts them, and `before` is the
    position before each sorted row in its session, 0 at its start. `outcome` is the column that
    plays that have ended must give.
    """

    ids: Texts
    positions: Floats
    order: Indices
    before: Floats
    outcome: str

    def none(self, wrong: Bools, message: str) -> None:
        """Raise `message` about the first sorted row that is wrong, if there is one."""
        if wrong.any():
            i = int(np.argmax(wrong))
            row = self.order[i]
            session = repr(self.ids[row][:40])
            raise SkipcastError(
                message.format(
                    position=self.positions[row],
                    before=self.before[i],
                    session=session,
                    outcome=self.outcome,
                )
            )


def _check_limit(count: int, limit: int) -> None:
    if count > limit:
        raise SkipcastError(
            f"A request must hold at most {limit} plays, each candidate counted with its history, "
            f"but got {count}. Send several requests."
        )


def _places(order: Indices) -> Indices:
    """Return the place of each row in `order`."""
    row = np.empty_like(order)
    row[order] = np.arange(len(order))
    return row


def _repeat(
    order: Indices, starts: Indices, is_candidate: Bools, limit: int
) -> tuple[Indices, Indices]:
    """Repeat the history before each candidate but the first, which follows it already.

    Returns:
        `Histories.take` and `Histories.row`.
    """
    edges = np.append(starts, len(order))
    histories = edges[:-1] + np.add.reduceat(
        ~is_candidate, starts
    )  # where each session's history ends
    tails = edges[1:] - histories
    sizes = (histories - starts) * np.maximum(tails, 1) + tails
    _check_limit(int(sizes.sum()), limit)
    pieces: list[Indices] = []
    row = np.empty_like(order)
    count = 0  # of rows in `pieces`
    for start, history, stop in zip(starts, histories, edges[1:], strict=True):
        length = history - start
        row[order[start:history]] = np.arange(count, count + length)
        if history == stop:
            pieces.append(order[start:stop])
            count += length
        for i in range(history, stop):
            pieces += [order[start:history], order[i : i + 1]]
            count += length + 1
            row[order[i]] = count - 1
    return np.concatenate(pieces), row
