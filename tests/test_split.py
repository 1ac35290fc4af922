import pandas as pd
import pytest

from skipcast.params import Split
from skipcast.split import split_sessions

PARAMS = Split(validation=0.2, test=0.1, seed=0)
IDS = pd.Series([f"s{i // 3}" for i in range(30_000)])  # three plays per session


@pytest.fixture(scope="module")
def parts():
    return pd.Series(split_sessions(IDS, PARAMS))


def test_all_plays_of_a_session_are_in_one_part(parts):
    assert (parts.groupby(IDS).nunique() == 1).all()


@pytest.mark.parametrize(("part", "share"), [("test", 0.1), ("validation", 0.2), ("train", 0.7)])
def test_each_part_has_its_share_of_the_sessions(parts, part, share):
    assert (parts == part).mean() == pytest.approx(share, abs=0.01)


def test_other_sessions_and_their_order_change_nothing():
    part_of = dict(zip(IDS, split_sessions(IDS, PARAMS), strict=True))
    some = IDS[::-7]
    assert split_sessions(some, PARAMS).tolist() == [part_of[i] for i in some]


def test_more_test_sessions_keep_those_that_there_were(parts):
    more = split_sessions(IDS, Split(validation=0.2, test=0.3, seed=0))
    assert set(more[parts == "test"]) == {"test"}


def test_another_seed_splits_in_another_way(parts):
    other = split_sessions(IDS, Split(validation=0.2, test=0.1, seed=1))
    assert (other != parts).any()
