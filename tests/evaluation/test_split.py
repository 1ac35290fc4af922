import pandas as pd

from skipcast.evaluation.split import split_sessions
from skipcast.params import Split

PARAMS = Split(validation=0.2, test=0.1, seed=0)


def test_sessions_are_whole_and_shares_are_kept(plays):
    ids = pd.Series([f"s{i // 3}" for i in range(30_000)])
    parts = pd.Series(split_sessions(ids, PARAMS))
    assert (parts.groupby(ids).nunique() == 1).all()
    shares = parts.value_counts(normalize=True)
    assert abs(shares["test"] - 0.1) < 0.01
    assert abs(shares["validation"] - 0.2) < 0.01


def test_other_sessions_and_order_change_nothing():
    ids = pd.Series([f"s{i}" for i in range(1000)])
    parts = dict(zip(ids, split_sessions(ids, PARAMS), strict=True))
    some = ids[::-3]
    assert split_sessions(some, PARAMS).tolist() == [parts[i] for i in some]
