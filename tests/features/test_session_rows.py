"""Two sessions: rows 0 to 2, and row 3."""

import numpy as np
import pytest

from skipcast.features.session_rows import SessionRows

NAN = np.nan
POSITIONS = np.array([1.0, 2.0, 3.0, 1.0])
VALUES = np.array([5.0, 6.0, 7.0, 8.0])


@pytest.fixture
def rows():
    return SessionRows(POSITIONS)


@pytest.fixture
def divided():
    """Only the first play of a session is history."""
    return SessionRows(POSITIONS, np.ones(4))


def equal(values, expected):
    np.testing.assert_array_equal(values, np.array(expected, float))


def test_the_history_is_all_rows_before(rows):
    equal(rows.count, [0, 1, 2, 0])


def test_the_history_may_end_earlier(divided):
    equal(divided.count, [0, 1, 1, 0])
    equal(divided.until, [0, 1, 1, 3])


def test_shift_does_not_cross_sessions(rows):
    equal(rows.shift(VALUES, 1), [NAN, 5, 6, NAN])
    equal(rows.shift(VALUES, 2), [NAN, NAN, 5, NAN])
    equal(rows.shift(VALUES, 9), [NAN] * 4)


def test_shift_takes_columns_below_each_other(rows):
    equal(rows.shift(np.array([VALUES, -VALUES]), 1), [[NAN, 5, 6, NAN], [NAN, -5, -6, NAN]])


def test_shift_sees_rows_that_have_not_ended_and_last_does_not(divided):
    equal(divided.shift(VALUES, 1), [NAN, 5, 6, NAN])
    equal(divided.last(VALUES, 1), [NAN, 5, 5, NAN])


def test_last_is_shift_where_all_rows_before_have_ended(rows):
    equal(rows.last(VALUES, 2), rows.shift(VALUES, 2))


def test_lasts_are_the_last_first(rows, divided):
    equal(rows.lasts(VALUES, 2), [[NAN, NAN], [5, NAN], [6, 5], [NAN, NAN]])
    equal(divided.lasts(VALUES, 2), [[NAN, NAN], [5, NAN], [5, NAN], [NAN, NAN]])


def test_sums_are_over_the_history(rows, divided):
    equal(rows.sums(VALUES), [0, 5, 11, 0])
    equal(divided.sums(VALUES), [0, 5, 5, 0])
    some = np.array([1, 3])
    equal(rows.sums(VALUES[some], [some]), [[0, 0, 6, 0]])
    equal(divided.sums(VALUES[some], [some]), [[0, 0, 0, 0]])
    two = [np.array([1, 3]), np.array([0])]
    equal(rows.sums(VALUES[[1, 3, 0]], two), [[0, 0, 6, 0], [0, 5, 5, 0]])


def test_latest_is_the_last_marked_row_of_the_history(rows, divided):
    marked = np.array([True, True, False, True])
    equal(rows.latest(marked), [-1, 0, 1, -1])
    equal(divided.latest(marked), [-1, 0, 0, -1])


def test_latest_equal_looks_past_rows_that_have_not_ended(rows, divided):
    keys = np.array(["a", "a", "a", "a"], object)
    equal(rows.latest_equal(keys), [-1, 0, 1, -1])
    equal(divided.latest_equal(keys), [-1, 0, 0, -1])


def test_latest_equal_takes_a_missing_key_as_a_key(rows):
    equal(rows.latest_equal(np.array([1.0, 2.0, 1.0, 2.0])), [-1, -1, 0, -1])


def test_take_gives_nan_before_the_session(rows):
    equal(rows.take(VALUES, np.array([-1, 0, 1, 2])), [NAN, 5, 6, NAN])


def test_no_rows():
    assert SessionRows(np.array([])).count.shape == (0,)
