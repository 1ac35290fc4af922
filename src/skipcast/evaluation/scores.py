"""Models on the test plays: scores with intervals, overall and in slices, and differences.

All of it is made of the sums in `held_out.py`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from skipcast.arrays import Floats
from skipcast.evaluation.bootstrap import Interval
from skipcast.evaluation.held_out import HeldOut, PairSums
from skipcast.evaluation.metrics import METRICS, RANKING, Metric
from skipcast.evaluation.slices import ALL, LAST_POSITION, PLACE, Slice

PER_SESSION = tuple(name for name, metric in METRICS.items() if metric.per_session)

Scores = dict[str, Interval]
"""By the name of the metric."""
Slices = dict[str, dict[str, Scores]]
"""By kind and value of the slice, such as `position` and `3-5`."""


def scores(test: HeldOut, model: str) -> Scores:
    """Score a model by all metrics of the plays' horizon."""
    return {metric.name: _score(test, model, metric) for metric in _metrics(test)}


def rule_scores(test: HeldOut, rule: str) -> Scores:
    """Score a rule, which answers 0 or 1 and no probability, by the metrics that this leaves."""
    return {m.name: _score(test, rule, m) for m in _metrics(test) if m.for_rules}


def _metrics(test: HeldOut) -> Iterator[Metric]:
    return (m for m in METRICS.values() if test.challenge or not m.challenge)


def _score(test: HeldOut, model: str, metric: Metric) -> Interval:
    sums = test.models[model]
    if metric.of_grid is not None:
        return metric.of_grid(sums.grid)
    if metric.per_play is not None:
        return _mean_over_plays(test, model, metric.name, ALL)
    return _mean(sums.by_session[PER_SESSION.index(metric.name)], test.by_slice[ALL][2])


def _mean_over_plays(test: HeldOut, model: str, metric: str, where: Slice) -> Interval:
    columns = [name for name, each in METRICS.items() if each.per_play]
    sums = test.models[model].by_slice[where][columns.index(metric)]
    return _mean(sums, test.by_slice[where][0])


def _mean(sums: Floats, plays: Floats) -> Interval:
    with np.errstate(invalid="ignore"):  # a sample may hold no play of a slice
        return Interval.of(sums / plays)


def slice_scores(test: HeldOut, model: str) -> Slices:
    """Score a model in every slice, by the metrics that rank models."""
    result: Slices = {}
    for where in test.slices():
        kind, value = where
        scored = {name: _mean_over_plays(test, model, name, where) for name in RANKING}
        result.setdefault(kind, {})[value] = scored
    return result


def accuracy_by_position(test: HeldOut, model: str) -> dict[int, Interval]:
    """Return the accuracy, 0..1, at each position of the test plays up to `LAST_POSITION`."""
    return {
        int(where[1]): _mean_over_plays(test, model, "accuracy", where)
        for where in test.slices(PLACE)
        if int(where[1]) <= LAST_POSITION
    }


def skip_rate(test: HeldOut, where: Slice) -> Interval:
    """Return the share of a slice's plays that were skipped, 0..1."""
    plays, skips, _ = test.by_slice[where]
    return _mean(skips, plays)


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


def errors_removed(test: HeldOut, model: str, rule: str) -> Interval:
    """Return the share of a rule's errors that a model does not make, below 0 if it makes more.

    Of a rule without errors, NaN comes back.
    """
    plays = test.by_slice[ALL][0]
    wrong, of_rule = (plays - test.models[name].by_slice[ALL][0] for name in (model, rule))
    with np.errstate(invalid="ignore", divide="ignore"):  # a sample may hold no error of the rule
        return Interval.of(np.where(of_rule > 0, 1 - wrong / of_rule, np.nan))


def compare(test: HeldOut) -> Comparison:
    """Compare the candidate with the champion, play by play.

    Raises:
        ValueError: the champion predicts no play.
    """
    pair = test.pair
    if pair is None or not pair.by_slice[ALL][2, 0]:
        raise ValueError("The champion must predict one play of the candidate's or more.")
    accuracy, log_loss, plays = pair.by_slice[ALL]
    slices = {
        " ".join(where): (int(pair.by_slice[where][2, 0]), _accuracy(pair, where))
        for where in test.slices()
        if pair.by_slice[where][2, 0]
    }
    challenge: dict[str, Interval] = {}
    if test.challenge and pair.whole:
        sessions = test.by_slice[ALL][2]
        challenge = {
            name: _mean(sums, sessions)
            for name, sums in zip(PER_SESSION, pair.by_session, strict=True)
        }
    return Comparison(
        _mean(accuracy, plays), _mean(log_loss, plays), slices, int(plays[0]), **challenge
    )


def _accuracy(pair: PairSums, where: Slice) -> Interval:
    more_right, _, plays = pair.by_slice[where]
    return _mean(more_right, plays)
