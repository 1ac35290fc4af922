"""Models on the test plays: scores with intervals, overall and in slices, and differences."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from skipcast.arrays import Bools, Floats, Indices
from skipcast.evaluation.bootstrap import Interval, Resamples
from skipcast.evaluation.challenge import average_accuracy, first_accuracy
from skipcast.evaluation.metrics import METRICS, RANKING, is_right, log_losses
from skipcast.schema import HORIZONS, SHUFFLE, TARGET, HorizonName

LAST_POSITION = (
    20  # of what is shown position by position: the dataset's longest sessions end there
)
POSITION_SLICES = {
    "1": (1, 1), "2": (2, 2), "3-5": (3, 5), "6-10": (6, 10), "11-20": (11, LAST_POSITION),
    "21+": (LAST_POSITION + 1, math.inf),
}  # fmt: skip
LISTENER = "listener"
COLUMN_SLICES = {
    "context_type": "context_type",
    "premium": "premium",
    "shuffle": SHUFFLE,
    LISTENER: "listener_id",
}

Scores = dict[str, Interval]
"""By the name of the metric."""
Slices = dict[str, dict[str, Scores]]
"""By kind and value of the slice, such as `position` and `3-5`."""


@dataclass(frozen=True)
class HeldOut:
    """The plays of the test sessions with their outcomes.

    Attributes:
        skipped: whether each play was skipped.
        sessions: the number of its session: 0, 1, 2, ...; all plays of a session are neighbours.
        positions: its place in the session: 1, 2, ...; where the challenge scores, in the session's
            second half.
        slices: by kind and value of a slice, whether each play is in it.
        challenge: whether the challenge scores the horizon of the plays.
        resamples: the bootstrap samples of the sessions.
    """

    skipped: Bools
    sessions: Indices
    positions: Indices
    slices: Mapping[str, Mapping[str, Bools]]
    challenge: bool
    resamples: Resamples

    @classmethod
    def of(cls, plays: pd.DataFrame, horizon: HorizonName, *, seed: int, samples: int) -> "HeldOut":
        """Prepare raw plays.

        Args:
            plays: columns `schema.LOG`, in order of session and position; the plays to predict.
            horizon: what is known when the prediction is made.
            seed: of the bootstrap.
            samples: of the bootstrap, 1 or more.
        """
        sessions = pd.factorize(plays["session_id"])[0].astype(np.intp)
        positions, slices = plays["session_position"].to_numpy(np.intp), slices_of(plays)
        history_length = HORIZONS[horizon].history_length
        if history_length is not None:
            positions = positions - history_length(plays["session_length"].to_numpy(np.intp))
            places = np.unique(positions)
            slices["place in the half"] = {str(place): positions == place for place in places}
        return cls(
            plays[TARGET].to_numpy(dtype=bool),
            sessions,
            positions,
            slices,
            HORIZONS[horizon].divides_sessions,
            Resamples(sessions, seed=seed, samples=samples),
        )


def slices_of(plays: pd.DataFrame) -> dict[str, dict[str, Bools]]:
    """Return which plays are in each slice: by position, context, subscription, shuffle, listener.

    A play is in no slice of a kind that it has no value of. Slices and kinds without any play are
    left out.

    >>> plays = pd.DataFrame({"session_position": [1, 4], "context_type": None,
    ...     "premium": [True, False], "hist_user_behavior_is_shuffle": False, "listener_id": None})
    >>> slices = slices_of(plays)
    >>> list(slices), slices["position"]["3-5"].tolist()
    (['position', 'premium', 'shuffle'], [False, True])
    """
    at = plays["session_position"].to_numpy()
    by_position = {
        name: (at >= low) & (at <= high) for name, (low, high) in POSITION_SLICES.items()
    }
    result = {"position": {name: rows for name, rows in by_position.items() if rows.any()}}
    for kind, column in COLUMN_SLICES.items():
        values = plays[column]
        known = values.notna().to_numpy()
        if known.any():
            codes, found = pd.factorize(values, sort=True)
            result[kind] = {_text(value): codes == code for code, value in enumerate(found)}
    return result


def _text(value: object) -> str:
    """Return how a slice is named after a value; flags with nulls among them are numbers."""
    return value if isinstance(value, str) else str(bool(value)).lower()


def scores(test: HeldOut, probability: Floats) -> Scores:
    """Score probabilities of the test plays by all metrics of their horizon.

    Args:
        test: the plays.
        probability: of each play, the predicted probability of a skip, 0..1.
    """
    return {
        name: metric.estimate(test.resamples, test.skipped, probability)
        for name, metric in METRICS.items()
        if test.challenge or not metric.challenge
    }


def rule_scores(test: HeldOut, answer: Floats) -> Scores:
    """Score answers that are 0 or 1 and not probabilities, by the metrics that this leaves.

    Args:
        test: the plays.
        answer: of each play, 1 for a skip, else 0.
    """
    return {
        name: metric.estimate(test.resamples, test.skipped, answer)
        for name, metric in METRICS.items()
        if metric.for_rules and (test.challenge or not metric.challenge)
    }


def slice_scores(test: HeldOut, probability: Floats) -> Slices:
    """Score probabilities in every slice, by the metrics that rank models.

    Args:
        test: the plays.
        probability: of each play, the predicted probability of a skip, 0..1.
    """
    values = {name: per_play(test.skipped, probability) for name, per_play in RANKING.items()}
    return {
        kind: {
            value: {name: test.resamples.mean(values[name], rows) for name in values}
            for value, rows in slices.items()
        }
        for kind, slices in test.slices.items()
    }


def accuracy_by_position(test: HeldOut, probability: Floats) -> dict[int, Interval]:
    """Return the accuracy, 0..1, at each position of the test plays up to `LAST_POSITION`."""
    right = is_right(test.skipped, probability)
    return {
        int(position): test.resamples.mean(right, test.positions == position)
        for position in np.unique(test.positions)
        if position <= LAST_POSITION
    }


@dataclass(frozen=True)
class Comparison:
    """How much the candidate's scores exceed the champion's on the same plays.

    Attributes:
        accuracy: the difference, -1..1.
        log_loss: the difference in nats; below 0 the candidate is better.
        slices: by slice, such as `position 3-5`, its plays and the difference in accuracy, -1..1.
        plays: the number of plays that both predict.
        maa: the difference in mean average accuracy, -1..1, where the challenge scores the plays
            and the champion predicts all of them; else None.
        fpa: the same in first prediction accuracy.
    """

    accuracy: Interval
    log_loss: Interval
    slices: Mapping[str, tuple[int, Interval]]
    plays: int
    maa: Interval | None = None
    fpa: Interval | None = None


def errors_removed(test: HeldOut, candidate: Floats, rule: Floats) -> Interval:
    """Return the share of a rule's errors that a model does not make, below 0 if it makes more.

    Args:
        test: the plays.
        candidate: the model's probabilities.
        rule: the rule's probabilities, or answers of 0 or 1; of one without errors, NaN comes back.
    """
    wrong = np.column_stack([1 - is_right(test.skipped, each) for each in (candidate, rule)])
    sums = np.vstack([wrong.sum(axis=0), test.resamples.sums(wrong)])
    sums[sums[:, 1] == 0] = np.nan  # a sample may hold no error of the rule
    value, *estimates = 1 - sums[:, 0] / sums[:, 1]
    return Interval.of(value, np.array(estimates))


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
        raise ValueError("The champion must predict one play of the candidate's or more.")
    one, other = (np.where(both, probability, 0.5) for probability in (candidate, champion))
    more_right = is_right(test.skipped, one) - is_right(test.skipped, other)
    has_challenge = test.challenge and both.all()
    maa, fpa = _challenge_excess(test, one, other) if has_challenge else (None, None)
    more_loss = log_losses(test.skipped, one) - log_losses(test.skipped, other)
    slices = {
        f"{kind} {value}": (int((rows & both).sum()), test.resamples.mean(more_right, rows & both))
        for kind, values in test.slices.items()
        for value, rows in values.items()
        if (rows & both).any()
    }
    return Comparison(
        test.resamples.mean(more_right, both),
        test.resamples.mean(more_loss, both),
        slices,
        int(both.sum()),
        maa,
        fpa,
    )


def _challenge_excess(test: HeldOut, one: Floats, other: Floats) -> tuple[Interval, Interval]:
    """Return how much the MAA and the FPA of one model exceed those of the other."""
    right = [is_right(test.skipped, probability).astype(bool) for probability in (one, other)]
    maa, fpa = (
        test.resamples.session_mean(np.subtract(*(score(r, test.sessions) for r in right)))
        for score in (average_accuracy, first_accuracy)
    )
    return maa, fpa
