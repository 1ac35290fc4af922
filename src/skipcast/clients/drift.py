"""How far plays are from those that a model was trained on: counts of feature values, and PSI.

The population stability index of a feature is the sum over bins of (share - trained) * ln(share /
trained). By custom, 0.1 is a small and 0.25 a large shift.
"""

from typing import Any

import numpy as np

from skipcast.arrays import Counts, Floats
from skipcast.params import Predict

FLOOR = 1e-4  # share taken for an empty bin: its logarithm must be finite


def stability(trained: Counts, seen: Counts) -> Floats:
    """Return the population stability index of each feature, 0 or more.

    >>> same, other = np.array([[5, 5]]), np.array([[9, 1]])
    >>> stability(same, same), stability(same, other).round(3)
    (array([0.]), array([0.879]))
    """
    before, now = (
        np.maximum(counts / counts.sum(axis=1, keepdims=True), FLOOR) for counts in (trained, seen)
    )
    index: Floats = ((now - before) * np.log(now / before)).sum(axis=1)
    return index


def summary(blocks: list[dict[str, Any]], limits: Predict) -> dict[str, Any]:
    """Add up the summaries of blocks of plays, and warn of figures that are over their limit.

    Args:
        blocks: what `SkipModel.summarise` returned for each block, at least one.
        limits: the section `predict` of params.yaml.

    Returns:
        `plays` and `scored`; `unknown_tracks`, the share of plays whose track the model lacks;
        `unseen_categories`, the share of plays by column; `mean_probability` of the scored plays;
        `stability`, the index by feature, the largest first; `trained_mean_probability`; and
        `warnings`, a sentence each. What needs the plays of training is null without them.
    """
    plays, scored = (sum(block[name] for block in blocks) for name in ("plays", "scored"))
    columns = blocks[0]["unseen_categories"]
    trained = blocks[0]["trained"] if scored else None
    result: dict[str, Any] = {
        "plays": plays,
        "scored": scored,
        "unknown_tracks": sum(block["unknown_tracks"] for block in blocks) / plays,
        "unseen_categories": {
            name: sum(block["unseen_categories"][name] for block in blocks) / plays
            for name in columns
        },
        "mean_probability": sum(block["probability"] for block in blocks) / scored
        if scored
        else None,
        "trained_mean_probability": trained and trained["mean_probability"],
        "stability": trained and _stability(blocks, trained),
    }
    return result | {"warnings": _warnings(result, limits)}


def _stability(blocks: list[dict[str, Any]], trained: dict[str, Any]) -> dict[str, float]:
    seen = np.sum([block["counts"] for block in blocks], axis=0)
    index = stability(np.array(trained["counts"]), seen)
    order = np.argsort(-index, kind="stable")
    return {blocks[0]["features"][i]: round(float(index[i]), 6) for i in order}


def _warnings(result: dict[str, Any], limits: Predict) -> list[str]:
    """Say which figures are over their limit."""
    over = [("unknown_tracks", "share of unknown tracks", result["unknown_tracks"])]
    over += [
        ("unseen_categories", f"share of unseen categories of {name}", share)
        for name, share in result["unseen_categories"].items()
    ]
    if result["stability"] is not None:
        shift = abs(result["mean_probability"] - result["trained_mean_probability"])
        over.append(("mean_probability", "shift of the mean probability", shift))
        over += [
            ("stability", f"population stability index of {name}", index)
            for name, index in result["stability"].items()
        ]
    return [
        f"{text} must be at most {getattr(limits, limit)} (predict.{limit}) but is {value:.4f}"
        for limit, text, value in over
        if value > getattr(limits, limit)
    ]
