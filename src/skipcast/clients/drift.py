"""How far plays are from those that a model was trained on: counts of feature values, and PSI.

The population stability index of a feature is the sum over bins of (share - trained) * ln(share /
trained). By custom, 0.1 is a small and 0.25 a large shift.

Like is compared with like: the shares of training are those at the positions of the plays that were
scored. Where few sessions were, chance alone moves every figure; it is not warned of.
"""

import numpy as np

from skipcast.arrays import Counts, Floats
from skipcast.clients.summaries import Summary
from skipcast.features.groups.listener_history import LISTENER_HISTORY
from skipcast.features.groups.track_history import TRACK_HISTORY
from skipcast.params import Monitor, Predict

FLOOR = 1e-4  # share taken for an empty bin, at least: its logarithm must be finite
# Of n independent plays like those of training, n times the index is distributed as chi-squared
# with 10 degrees of freedom, one less than there are bins (Yurdakul and Naranjo 2020, "Statistical
# properties of the population stability index"). It exceeds this once in 100,000 times, as there
# are 126 such features. The plays of one session are alike, so n is the number of sessions.
CHANCE = 41.3
ERRORS = 4.4  # standard errors that a mean exceeds as seldom

# A training play knows the counts of four fifths of the sessions, any other play those of all; and
# a listener's history grows with every session. So these features differ however alike the plays
# are; `unknown_tracks` tells whether tracks are new.
COUNTED = {
    feature.name
    for group in (TRACK_HISTORY, LISTENER_HISTORY)
    for block in group
    for feature in block.features
}

UNPLACED = (
    "The model was logged by an earlier version of skipcast, without the positions of its training "
    "plays: it must be asked for all plays to compare them, but was asked for some. Add "
    "--score-history, or promote a new model."
)


def stability(trained: Floats | Counts, seen: Counts, sessions: int) -> Floats:
    """Return the population stability index of each feature, 0 or more.

    Args:
        trained: features x bins, of the plays of training.
        seen: the same of other plays.
        sessions: of the other plays; for an empty bin, half a session is taken.

    >>> same, other = np.array([[5, 5]]), np.array([[9, 1]])
    >>> stability(same, same, 100), stability(same, other, 100).round(3)
    (array([0.]), array([0.879]))
    """
    floor = max(FLOOR, 0.5 / sessions)
    before, now = (
        np.maximum(counts / counts.sum(axis=1, keepdims=True), floor) for counts in (trained, seen)
    )
    index: Floats = ((now - before) * np.log(now / before)).sum(axis=1)
    return index


def summary(total: Summary, limits: Predict | Monitor) -> Summary:
    """Return how far plays are from training's, and warn of figures that are over their limit.

    Args:
        total: what `SkipModel.summarise` returned for the plays, or a sum of such by `add`.
        limits: the section `predict` of params.yaml, or `monitor` of plays without categories.

    Returns:
        `plays` and `scored`; `unknown_tracks`, the share of plays whose track the model lacks;
        `unseen_categories`, the share of plays by column; of the scored plays `mean_probability`,
        `trained_mean_probability`, that of training plays at the same positions, and `stability`,
        the index by feature, the largest first; and `warnings`, a sentence each. What needs the
        plays of training is null without them.
    """
    plays, scored = total["plays"], total["scored"]
    trained = _trained(total) if scored else None
    result: Summary = {
        "plays": plays,
        "scored": scored,
        "unknown_tracks": total["unknown_tracks"] / plays,
        "unseen_categories": {
            name: unseen / plays for name, unseen in total["unseen_categories"].items()
        },
        "mean_probability": total["probability"] / scored if scored else None,
        "trained_mean_probability": trained and trained["probability"] / scored,
        "stability": trained and _stability(total, trained),
    }
    unplaced = scored and total.get("trained") and not trained
    return result | {"warnings": _warnings(result, limits, total) + [UNPLACED] * bool(unplaced)}


def _trained(total: Summary) -> Summary | None:
    """Return counts and sum of probabilities of training plays like those that were scored."""
    expected: Summary | None = total.get("expected")
    if expected:
        return expected | {"counts": np.asarray(expected["counts"])}
    earlier, plays = total.get("trained"), total["plays"]
    if earlier and total["scored"] == plays:
        mean = earlier["mean_probability"]
        return {"counts": np.array(earlier["counts"]), "probability": mean * plays}
    return None


def _stability(total: Summary, trained: Summary) -> dict[str, float]:
    index = stability(trained["counts"], np.asarray(total["counts"]), _sessions(total))
    names = total["features"]
    compared = [i for i in np.argsort(-index, kind="stable") if names[i] not in COUNTED]
    return {names[i]: round(float(index[i]), 6) for i in compared}


def _sessions(total: Summary) -> int:
    """Return the number of sessions; earlier models do not count them: as many as plays."""
    return int(total["sessions" if "sessions" in total else "scored"])


def _warnings(result: Summary, limits: Predict | Monitor, total: Summary) -> list[str]:
    """Say which figures are over their limit, and over what chance gives."""
    over = [("unknown_tracks", "share of unknown tracks", result["unknown_tracks"], 0.0)]
    over += [
        ("unseen_categories", f"share of unseen categories of {name}", share, 0.0)
        for name, share in result["unseen_categories"].items()
    ]
    if result["stability"] is not None:
        sessions = _sessions(total)
        shift = abs(result["mean_probability"] - result["trained_mean_probability"])
        error = ERRORS * (_variance(result, total) / sessions) ** 0.5
        over.append(("mean_probability", "shift of the mean probability", shift, error))
        over += [
            ("stability", f"population stability index of {name}", index, CHANCE / sessions)
            for name, index in result["stability"].items()
        ]
    section = type(limits).__name__.lower()
    return [
        f"{text} must be at most {getattr(limits, limit)} ({section}.{limit}) but is {value:.4f}"
        for limit, text, value, chance in over
        if value > max(getattr(limits, limit), chance)
    ]


def _variance(result: Summary, total: Summary) -> float:
    """Return the variance of the probabilities; of few sessions, or an earlier model, no less."""
    squared = "probability_squared" if "probability_squared" in total else "probability"
    seen, trained = result["mean_probability"], result["trained_mean_probability"]
    most = trained * (1 - trained)  # the variance of probabilities that are 0 or 1
    variance = total[squared] / result["scored"] - seen**2
    return float(max(variance, 0.0) + most / _sessions(total))
