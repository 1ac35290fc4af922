"""Models on the test plays: scores with intervals, overall and in slices, and differences."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from skipcast.arrays import Bools, Floats, Indices
from skipcast.evaluation.bootstrap import Interval, Resamples
from skipcast.evaluation.challenge import challenge_scores
from skipcast.evaluation.metrics import calibration_bins
from skipcast.schema import HORIZONS, SHUFFLE, TARGET, THRESHOLD, HorizonName

POSITIONS = {"1": (1, 1), "2": (2, 2), "3-5": (3, 5), "6-10": (6, 10), "11-20": (11, 20)}
TINY = float(np.finfo(np.float64).eps)  # as scikit-learn: a sure and wrong answer costs 36 nats
Scores = dict[str, Interval]
Slices = dict[str, dict[str, Scores]]


@dataclass(frozen=True)
class HeldOut:
    """What models are judged on: plays of test sessions with their outcomes."""

    skipped: Bools
    sessions: Indices  # 0, 1, 2, ... in one run of plays each
    positions: Indices  # 1, 2, ...
    slices: Mapping[str, Mapping[str, Bools]]  # by kind and value, which plays
    divides_sessions: bool  # whether the challenge's own scores apply
    resamples: Resamples

    @classmethod
    def of(cls, plays: pd.DataFrame, horizon: HorizonName, *, seed: int, samples: int) -> "HeldOut":
        """Prepare raw plays, columns `schema.LOG`, in order of session and position."""
        sessions = pd.factorize(plays["session_id"])[0].astype(np.intp)
        return cls(
            plays[TARGET].to_numpy(dtype=bool),
            sessions,
            plays["session_position"].to_numpy(np.intp),
            slices_of(plays),
            HORIZONS[horizon].divides_sessions,
            Resamples(sessions, seed=seed, samples=samples),
        )


def slices_of(plays: pd.DataFrame) -> dict[str, dict[str, Bools]]:
    """Tell which plays are in each slice: by position, context, subscription and shuffle.

    >>> plays = pd.DataFrame({"session_position": [1, 4], "context_type": "radio",
    ...     "premium": [True, False], "hist_user_behavior_is_shuffle": False})
    >>> slices_of(plays)["position"]["3-5"].tolist()
    [False, True]
    """
    at = plays["session_position"].to_numpy()
    result = {
        "position": {name: (at >= low) & (at <= high) for name, (low, high) in POSITIONS.items()}
    }
    columns = {"context_type": "context_type", "premium": "premium", "shuffle": SHUFFLE}
    for kind, column in columns.items():
        values = plays[column].astype(str).str.lower().to_numpy()
        result[kind] = {str(value): values == value for value in sorted(set(values))}
    return {
        kind: {value: rows for value, rows in found.items() if rows.any()}
        for kind, found in result.items()
    }


def losses(skipped: Bools, probability: Floats) -> dict[str, Floats]:
    """Return of each play whether it is answered right (1 or 0), its log loss and squared error.

    >>> losses(np.array([True]), np.array([0.5]))["squared_error"]
    array([0.25])
    """
    given = np.clip(np.where(skipped, probability, 1 - probability), TINY, 1)
    return {
        "accuracy": (skipped == (probability >= THRESHOLD)).astype(np.float64),
        "log_loss": -np.log(given),
        "squared_error": (probability - skipped) ** 2,
    }


def scores(test: HeldOut, probability: Floats) -> Scores:
    """Score probabilities of the test plays.

    Returns:
        accuracy, log_loss (nats), brier, auc and calibration_error; with the challenge's task also
        maa and fpa.
    """
    of_plays = losses(test.skipped, probability)
    draw = test.resamples
    result = {
        "accuracy": draw.mean(of_plays["accuracy"]),
        "log_loss": draw.mean(of_plays["log_loss"]),
        "brier": draw.mean(of_plays["squared_error"]),
        "auc": draw.auc(test.skipped, probability),
        "calibration_error": draw.calibration_error(
            test.skipped, probability, calibration_bins(probability)
        ),
    }
    return result | _challenge(test, probability)


def rule_scores(test: HeldOut, answer: Floats) -> Scores:
    """Score answers that are no probabilities, 0 or 1."""
    return {
        "accuracy": test.resamples.mean(losses(test.skipped, answer)["accuracy"]),
        **_challenge(test, answer),
    }


def _challenge(test: HeldOut, probability: Floats) -> Scores:
    if not test.divides_sessions:
        return {}
    right = test.skipped == (probability >= THRESHOLD)
    names = ("maa", "fpa")
    of_sessions = challenge_scores(right, test.sessions)
    return {
        name: test.resamples.session_mean(values)
        for name, values in zip(names, of_sessions, strict=True)
    }


def slice_scores(test: HeldOut, probability: Floats) -> Slices:
    """Return accuracy and log loss in every slice, and its number of plays and share skipped."""
    of_plays = losses(test.skipped, probability)
    return {
        kind: {
            value: {
                name: test.resamples.mean(of_plays[name], rows) for name in ("accuracy", "log_loss")
            }
            for value, rows in values.items()
        }
        for kind, values in test.slices.items()
    }


def accuracy_by_position(test: HeldOut, probability: Floats) -> dict[int, Interval]:
    """Return the accuracy of the plays at each position that the test plays have."""
    right = losses(test.skipped, probability)["accuracy"]
    return {
        int(position): test.resamples.mean(right, test.positions == position)
        for position in np.unique(test.positions)
    }


@dataclass(frozen=True)
class Comparison:
    """How much the candidate's scores exceed the champion's on the same plays."""

    accuracy: Interval
    log_loss: Interval
    slices: Mapping[str, tuple[int, Interval]]  # plays, and difference in accuracy
    plays: int


def compare(test: HeldOut, candidate: Floats, champion: Floats) -> Comparison:
    """Compare two models, play by play.

    Args:
        test: the plays.
        candidate: its probabilities.
        champion: its probabilities; NaN where it predicts none, and those plays do not count.

    Raises:
        ValueError: the champion predicts no play.
    """
    both = ~np.isnan(champion)
    if not both.any():
        raise ValueError("it predicts none of the plays that the candidate predicts")
    one, other = (losses(test.skipped, np.where(both, p, 0.5)) for p in (candidate, champion))
    apart = {name: one[name] - other[name] for name in ("accuracy", "log_loss")}
    slices = {
        f"{kind} {value}": (
            int((rows & both).sum()),
            test.resamples.mean(apart["accuracy"], rows & both),
        )
        for kind, values in test.slices.items()
        for value, rows in values.items()
        if (rows & both).any()
    }
    return Comparison(
        test.resamples.mean(apart["accuracy"], both),
        test.resamples.mean(apart["log_loss"], both),
        slices,
        int(both.sum()),
    )
