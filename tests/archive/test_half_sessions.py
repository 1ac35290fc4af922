"""Halves of sessions that are joined, by hand-written sessions of 2 and 3 plays."""

import re

import pyarrow as pa
import pytest

from skipcast.archive import half_sessions
from skipcast.archive.half_sessions import Halves
from skipcast.errors import SkipcastError


def table(rows):
    """Return rows of (session, position, length)."""
    session, position, length = zip(*rows, strict=True) if rows else ((), (), ())
    columns = {
        "session_id": pa.array(session, pa.string()),
        "session_position": pa.array(position, pa.int64()),
        "session_length": pa.array(length, pa.int64()),
    }
    return pa.table(columns)


def halves(*sessions):
    """Return the rows of first and of second halves of (session, length)."""
    rows = [(s, p, n) for s, n in sessions for p in range(1, n + 1)]
    return [r for r in rows if r[1] <= r[2] // 2], [r for r in rows if r[1] > r[2] // 2]


def in_steps(rows, step):
    return (table(rows[i : i + step]) for i in range(0, len(rows), step))


def join(first, second, step=100):
    halves = Halves(("pre.csv", in_steps(first, step)), ("in.csv", in_steps(second, step)))
    tables = list(halves.join())
    rows = [row for each in tables for row in each.to_pylist()]
    return [(row["session_id"], row["session_position"]) for row in rows], tables


WHOLE = [("b", 1), ("b", 2), ("a", 1), ("a", 2), ("a", 3), ("c", 1)]


@pytest.mark.parametrize("step", [1, 2, 100])
@pytest.mark.parametrize("enough", [1, 3, 1000])
def test_sessions_come_whole_in_the_order_of_the_second_halves(monkeypatch, step, enough):
    monkeypatch.setattr(half_sessions, "STEP", enough)
    first, second = halves(("b", 2), ("a", 3), ("c", 1))
    assert join(first, second, step)[0] == WHOLE


@pytest.mark.parametrize("enough", [1, 1000])
def test_first_halves_may_come_in_another_order_and_rows_in_any(monkeypatch, enough):
    monkeypatch.setattr(half_sessions, "STEP", enough)
    first, second = halves(("b", 2), ("a", 3), ("c", 1))
    second = [second[i] for i in (0, 2, 3, 1)]  # b 2, a 3, c 1, a 2
    assert join(first[::-1], second, 1)[0] == WHOLE


def test_what_is_joined_is_not_kept(monkeypatch):
    monkeypatch.setattr(half_sessions, "STEP", 8)
    first, second = halves(*((f"s{i:03}", 4) for i in range(100)))
    tables = join(first, second, 2)[1]
    assert max(t.num_rows for t in tables) <= 12


def test_columns_that_second_halves_lack_are_null():
    first, second = halves(("a", 2))
    tables = join(first, second)[1]
    assert tables[0]["skip_2"].null_count == 2
    assert "premium" in tables[0].column_names


def without(rows, *gone):
    return [row for row in rows if row[:2] not in gone]


FIRST, SECOND = halves(("a", 4), ("b", 6), ("c", 5))
FAULTS = {
    "pre.csv must have the positions 1 to 3 of session 'b', which has 6 plays, but has none.": (
        [row for row in FIRST if row[0] != "b"],
        SECOND,
    ),
    "in.csv must have the positions 4 to 6 of session 'b', which has 6 plays, but has none.": (
        FIRST,
        [row for row in SECOND if row[0] != "b"],
    ),
    "in.csv must have the positions 4 to 6 of session 'b', which has 6 plays, but has 4, 6.": (
        FIRST,
        without(SECOND, ("b", 5)),
    ),
    "pre.csv must have the positions 1 to 2 of session 'a', which has 4 plays, but has 2.": (
        without(FIRST, ("a", 1)),
        SECOND,
    ),
    "pre.csv must have the positions 1 to 2 of session 'c', which has 5 plays, but has 1, 2, 3": (
        [*FIRST, ("c", 3, 5)],
        without(SECOND, ("c", 3)),
    ),
    "in.csv must have the positions 3 to 4 of session 'a', which has 4 plays, but has 3, 5": (
        FIRST,
        [*without(SECOND, ("a", 4)), ("a", 5, 4)],
    ),
    "session_length must be the same for a session but is 4 and 6 in 'a' of pre.csv and in.csv": (
        FIRST,
        [(s, p, 6 if s == "a" else n) for s, p, n in SECOND],
    ),
    "session_length must be the same for a session but is 6 and 4 in 'a' of pre.csv and in.csv": (
        [(s, p, 6 if s == "a" else n) for s, p, n in FIRST],
        SECOND,
    ),
    "session_length must be given for each play of in.csv but is empty in session 'b'": (
        FIRST,
        [(s, p, None if s == "b" else n) for s, p, n in SECOND],
    ),
    "session_length must be given for each play of pre.csv but is empty in session 'c'": (
        [(s, p, None if s == "c" else n) for s, p, n in FIRST],
        SECOND,
    ),
}


@pytest.mark.parametrize("message", FAULTS)
@pytest.mark.parametrize("enough", [1, 1000])
def test_halves_that_do_not_fit_are_named(monkeypatch, message, enough):
    monkeypatch.setattr(half_sessions, "STEP", enough)
    with pytest.raises(SkipcastError, match=re.escape(message)):
        join(*FAULTS[message], step=2)


def test_no_rows_give_no_sessions():
    assert join([], []) == ([], [])


def test_only_first_halves_are_named():
    with pytest.raises(SkipcastError, match=r"in\.csv must have the positions 3 to 4 of session"):
        join(FIRST, [])


def test_a_row_that_comes_twice_is_named():
    with pytest.raises(SkipcastError, match=r"positions 3 to 4 of session 'a'.* but has 3, 4, 4"):
        join(FIRST, [*SECOND, ("a", 4, 4)])


def test_a_row_of_a_session_that_is_joined_already_is_an_error_too(monkeypatch):
    monkeypatch.setattr(half_sessions, "STEP", 1)
    with pytest.raises(SkipcastError, match="of session 'a', which has 4 plays, but has"):
        join(FIRST, [*SECOND, ("a", 4, 4)], step=2)
