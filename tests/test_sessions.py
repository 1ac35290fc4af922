import numpy as np
import pandas as pd
import pytest

from skipcast.errors import SkipcastError
from skipcast.sessions import check_positions, hash_sessions

IDS = pd.Series([f"s{i}" for i in range(20_000)])


def test_hash_is_fixed_for_ever():
    """Another value would silently move sessions between train and test of older runs."""
    assert hash_sessions(pd.Series(["a"]), purpose="split", seed=0).tolist() == [
        2956036495230454443
    ]


def test_hash_is_even_and_independent_of_purpose_and_seed():
    split = hash_sessions(IDS, purpose="split", seed=0) / 2.0**64
    assert np.histogram(split, 10, (0, 1))[0] == pytest.approx(2000, abs=200)
    for purpose, seed in (("sample", 0), ("split", 1)):
        other = hash_sessions(IDS, purpose=purpose, seed=seed) / 2.0**64
        assert abs(np.corrcoef(split, other)[0, 1]) < 0.03


@pytest.mark.parametrize(
    ("ids", "positions", "match"),
    [
        ("aab", [1, 3, 1], "got 3 after 1 in session a"),
        ("aab", [1, 1, 1], "got 1 after 1 in session a"),
        ("aab", [2, 1, 1], "got 2 first in session a"),
        ("aab", [1, 2, 2], "got 2 first in session b"),
        ("aba", [1, 1, 1], "a comes back later"),
    ],
)
def test_positions_must_count(ids, positions, match):
    with pytest.raises(SkipcastError, match=match):
        check_positions(np.array(list(ids), object), np.array(positions))


def test_whole_sessions_pass():
    check_positions(np.array(list("aab"), object), np.array([1, 2, 1]))
    check_positions(pd.array(list("aab"), dtype="str"), np.array([1, 2, 1]))
    check_positions(np.array([], object), np.array([], int))
