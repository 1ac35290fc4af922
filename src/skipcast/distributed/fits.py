"""A model of any family, fitted by the workers of a cluster; its file is as one machine's."""

from typing import Any

from skipcast.distributed import lightgbm, logistic, xgboost
from skipcast.distributed.pool import DaskPool
from skipcast.distributed.shards import Shares
from skipcast.models.families import Family
from skipcast.models.family import OnRound, Params


def fit(
    pool: DaskPool, family: Family, params: Params, shares: Shares, *, seed: int, on_round: OnRound
) -> Any:
    """Fit a model.

    Args:
        pool: the workers.
        family: of the model.
        params: a value for each parameter of its space.
        shares: the plays; how many workers share them decides, with the seed, what boosters learn.
        seed: 0..2**32-1.
        on_round: called for each round where all workers grow the same trees.

    Returns:
        What the family's methods take as `model`.

    Raises:
        SkipcastError: the scheduler, or workers and those in their place, were lost.
    """
    if family == "logistic":
        return logistic.fit(pool, params, shares.train)
    if family == "lightgbm":
        return lightgbm.fit(pool, params, shares, seed=seed)
    return xgboost.fit(pool, params, shares, seed=seed, on_round=on_round)
