"""Sums of summaries: what a batch prediction keeps of its blocks is as large as that of one."""

from typing import Any

import numpy as np

Summary = dict[str, Any]
SAME = ("features", "trained")  # the same of all blocks; the second only of earlier models


def add(one: Summary, other: Summary) -> Summary:
    """Return the summary of the plays of two blocks.

    Args:
        one: what `SkipModel.summarise` returned for some plays, or a sum of such.
        other: the same of others, by the same model.

    >>> add({"plays": 2, "counts": [[1, 0]]}, {"plays": 3, "counts": [[1, 4]]})
    {'plays': 5, 'counts': array([[2, 4]])}
    """
    return {name: one[name] if name in SAME else _sum(one[name], other[name]) for name in one}


def _sum(one: Any, other: Any) -> Any:
    if isinstance(one, dict):
        return {name: _sum(one[name], other[name]) for name in one}
    if one is None:
        return None
    return np.add(one, other) if isinstance(one, list | np.ndarray) else one + other
