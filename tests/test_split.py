import numpy as np
import pandas as pd
import pytest

from skipcast.errors import SkipcastError
from skipcast.params import Split
from skipcast.split import split_sessions

PARAMS = Split(validation=0.2, test=0.1, seed=0)
IDS = pd.Series([f"s{i // 3}" for i in range(30_000)])  # three plays per session
PLAYS = pd.DataFrame({"session_id": IDS, "listener_id": None})


@pytest.fixture(scope="module")
def parts():
    return pd.Series(split_sessions(PLAYS, PARAMS))


def test_all_plays_of_a_session_are_in_one_part(parts):
    assert (parts.groupby(IDS).nunique() == 1).all()


@pytest.mark.parametrize(("part", "share"), [("test", 0.1), ("validation", 0.2), ("train", 0.7)])
def test_each_part_has_its_share_of_the_sessions(parts, part, share):
    assert (parts == part).mean() == pytest.approx(share, abs=0.01)


def test_other_sessions_and_their_order_change_nothing():
    part_of = dict(zip(IDS, split_sessions(PLAYS, PARAMS), strict=True))
    some = PLAYS[::-7]
    assert split_sessions(some, PARAMS).tolist() == [part_of[i] for i in some["session_id"]]


def test_more_test_sessions_keep_those_that_there_were(parts):
    more = split_sessions(PLAYS, Split(validation=0.2, test=0.3, seed=0))
    assert set(more[parts == "test"]) == {"test"}


def test_another_seed_splits_in_another_way(parts):
    other = split_sessions(PLAYS, Split(validation=0.2, test=0.1, seed=1))
    assert (other != parts).any()


def histories(*sessions: int) -> pd.DataFrame:
    """Return two plays of each session of listeners a, b, ... with so many sessions."""
    rows = [
        (f"{listener}-{number:07}", listener)
        for listener, count in zip("abcdefgh", sessions, strict=False)
        for number in range(count)
    ]
    return pd.DataFrame(rows, columns=["session_id", "listener_id"]).iloc[
        np.repeat(range(len(rows)), 2)
    ]


SHARES = Split(validation=0.2, test=0.2, seed=0)


def test_by_time_the_last_sessions_of_each_listener_test():
    plays = histories(10, 5)
    part = pd.Series(split_sessions(plays, SHARES), plays["session_id"])
    assert part[part == "test"].index.unique().tolist() == ["a-0000008", "a-0000009", "b-0000004"]
    assert part[part == "validation"].index.unique().tolist() == [
        *("a-0000006", "a-0000007", "b-0000003"),
    ]


@pytest.mark.parametrize("listeners", [3, 4, 8])
def test_by_listener_each_part_has_whole_listeners(listeners):
    plays = histories(*range(2, listeners + 2))
    params = SHARES.model_copy(update={"by": "listener"})
    parts = pd.Series(split_sessions(plays, params)).groupby(plays["listener_id"].to_numpy())
    assert (parts.nunique() == 1).all()
    assert set(parts.first()) == {"train", "validation", "test"}


@pytest.mark.parametrize(
    ("plays", "by", "remedy"),
    [
        (PLAYS, "time", "session"),
        (PLAYS, "listener", "session"),
        (histories(4, 4), "listener", "time"),
    ],
)
def test_refuses_plays_without_the_listeners_to_split_by(plays, by, remedy):
    with pytest.raises(SkipcastError, match=f"Set split.by to {remedy} in params.yaml"):
        split_sessions(plays, SHARES.model_copy(update={"by": by}))
    split_sessions(plays, SHARES.model_copy(update={"by": remedy}))
