"""The sessions of lowest hash that together have enough plays, found without holding plays."""

import numpy as np
import pytest

from skipcast.archive.threshold import ALL, Threshold


@pytest.fixture
def sessions():
    """Return hashes of 3,000 sessions, and how many plays each has."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 2**63, 3000).astype(np.uint64), rng.integers(10, 21, 3000)


def lowest(hashes, plays, rows):
    """Return the threshold as one would compute it with all sessions at hand."""
    order = np.argsort(hashes)
    return hashes[order][np.flatnonzero(np.cumsum(plays[order]) >= rows)[0]]


@pytest.mark.parametrize("rows", [1, 500, 20_000])
@pytest.mark.parametrize("at_a_time", [1, 7, 3000])
def test_is_exact_whatever_comes_at_a_time(sessions, rows, at_a_time):
    hashes, plays = sessions
    threshold, values = Threshold(rows), []
    for first in range(0, len(hashes), at_a_time):
        part = slice(first, first + at_a_time)
        threshold.add(hashes[part], plays[part])
        values.append(threshold.value)
    assert values == sorted(values, reverse=True)
    assert threshold.exact() == lowest(hashes, plays, rows)


def test_plays_of_a_session_may_come_apart(sessions):
    hashes, plays = sessions
    threshold = Threshold(500)
    for half in (plays // 2, plays - plays // 2):
        threshold.add(hashes, half)
    assert threshold.exact() == lowest(hashes, plays, 500)


def test_begins_below_what_is_known_already(sessions):
    hashes, plays = sessions
    value = int(lowest(hashes[:1000], plays[:1000], 500))
    threshold = Threshold(500, value)
    threshold.add(hashes[1000:], plays[1000:])
    assert threshold.value <= value


@pytest.mark.parametrize("rows", [None, 10**9])
def test_takes_all_where_that_is_asked_for_or_there_are_fewer(sessions, rows):
    threshold = Threshold(rows)
    threshold.add(*sessions)
    assert threshold.exact() == ALL
