"""How well each listener's plays are predicted."""

from collections.abc import Mapping
from dataclasses import dataclass

from skipcast.evaluation.baselines import best_rule
from skipcast.evaluation.bootstrap import Interval
from skipcast.evaluation.held_out import HeldOut
from skipcast.evaluation.scores import Slices, skip_rate
from skipcast.evaluation.slices import LISTENER


@dataclass(frozen=True)
class ListenerScores:
    """One listener's test plays, with 95 % intervals over sessions.

    Attributes:
        plays: their number.
        sessions: the number of their sessions.
        skip_rate: the share that was skipped, 0..1.
        accuracy: of the candidate, 0..1.
        log_loss: of the candidate, nats.
        best_rule: the most accurate rule on these plays, a key of `BASELINES`.
        rule_accuracy: its accuracy, 0..1.
    """

    plays: int
    sessions: int
    skip_rate: Interval
    accuracy: Interval
    log_loss: Interval
    best_rule: str
    rule_accuracy: Interval


def by_listener(test: HeldOut, slices: Mapping[str, Slices]) -> dict[str, ListenerScores]:
    """Return the scores of each listener by id; none for plays that name no listeners.

    Args:
        test: the sums over the test plays.
        slices: scores of "candidate" and of the baselines, as `slice_scores` returns them.
    """
    result = {}
    for where in test.slices(LISTENER):
        listener = where[1]
        scores = {name: own[LISTENER][listener] for name, own in slices.items()}
        rule = best_rule({name: own["accuracy"].value for name, own in scores.items()})
        result[listener] = ListenerScores(
            plays=test.plays_in(where),
            sessions=test.sessions_in(where),
            skip_rate=skip_rate(test, where),
            accuracy=scores["candidate"]["accuracy"],
            log_loss=scores["candidate"]["log_loss"],
            best_rule=rule,
            rule_accuracy=scores[rule]["accuracy"],
        )
    return result
