"""Rows in any order become histories, on hand-written sessions."""

import numpy as np
import pytest

from skipcast.errors import SkipcastError
from skipcast.serving.histories import arrange


def arranged(sessions, positions, is_open, *, limit=99, ended=None):
    """Arrange rows that are written as lists; sessions as one text, a letter each."""
    result = arrange(
        np.array(list(sessions), object),
        np.array([*map([*dict.fromkeys(sessions)].index, sessions)]),
        np.array(positions, float),
        np.array(is_open, bool),
        must_have_ended=None if ended is None else np.array(ended, bool),
        limit=limit,
    )
    return result.take.tolist(), result.row.tolist()


def test_rows_in_order_stay_as_they_are():
    assert arranged("aab", [1, 2, 1], [0, 1, 1]) == ([0, 1, 2], [0, 1, 2])


def test_rows_are_sorted_by_session_and_position():
    assert arranged("abaa", [3, 1, 1, 2], [1, 1, 0, 0]) == ([2, 3, 0, 1], [2, 3, 0, 1])


def test_each_candidate_stands_behind_a_history_of_its_own():
    assert arranged("aaa", [1, 2, 2], [0, 1, 1]) == ([0, 1, 0, 2], [0, 1, 3])


def test_candidates_of_one_session_do_not_repeat_another():
    take, row = arranged("abab", [1, 1, 2, 1], [0, 1, 1, 1])
    assert take == [0, 2, 1, 3]
    assert row == [0, 2, 1, 3]


def test_candidates_may_be_first_plays():
    assert arranged("aa", [1, 1], [1, 1]) == ([0, 1], [0, 1])


@pytest.mark.parametrize(
    ("sessions", "positions", "is_open", "match"),
    [
        ("aa", [1, 3], [0, 1], "must count 1, 2, 3, .* but got 3 after 1 in session 'a'"),
        ("a", [2], [1], "must count 1, 2, 3, .* but got 2 after 0"),
        ("aaa", [1, 1, 2], [0, 0, 1], "must come once in a session, .* but got 1 again"),
        ("aa", [1, 1], [0, 1], "must come once in a session, .* but got 1 again"),
        ("aa", [1, 2], [1, 1], "skip_2 must be true, false, 0 or 1 .* session_position 1"),
    ],
)
def test_refuses_a_session_that_is_not_whole(sessions, positions, is_open, match):
    with pytest.raises(SkipcastError, match=match):
        arranged(sessions, positions, is_open)


def test_refuses_a_play_that_must_have_ended_but_has_no_outcome():
    with pytest.raises(SkipcastError, match=r"skip_2 must be .* session_position 2"):
        arranged("aaa", [1, 2, 3], [0, 1, 1], ended=[1, 1, 0])
    assert arranged("aaa", [1, 2, 3], [0, 1, 1], ended=[1, 0, 0])[0] == [0, 1, 2]


def test_the_limit_counts_rows():
    with pytest.raises(SkipcastError, match=r"at most 1 plays, .* but got 2. Send several"):
        arranged("ab", [1, 1], [1, 1], limit=1)


def test_the_limit_counts_each_candidate_with_its_history():
    arranged("aaa", [1, 2, 2], [0, 1, 1], limit=4)
    with pytest.raises(SkipcastError, match=r"at most 3 plays, .* but got 4"):
        arranged("aaa", [1, 2, 2], [0, 1, 1], limit=3)
