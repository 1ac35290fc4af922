"""The gate: whether a candidate becomes champion, and why, from scores alone."""

from collections.abc import Sequence
from dataclasses import dataclass

from skipcast.evaluation.bootstrap import Interval
from skipcast.evaluation.scores import Comparison, Scores
from skipcast.params import Promote
from skipcast.schema import RankBy


@dataclass(frozen=True)
class Verdict:
    """Whether the candidate passes, and one reason or more."""

    passed: bool
    reasons: tuple[str, ...]

    @property
    def reason(self) -> str:
        """All reasons in one line.

        >>> Verdict(False, ("one", "two")).reason
        'one; two'
        """
        return "; ".join(self.reasons)


@dataclass(frozen=True)
class Yardstick:
    """What rules do on the same plays, and what to look at where the candidate does far more.

    Attributes:
        rule: the best rule on the test plays, as texts name it.
        rule_accuracy: its accuracy, 0..1.
        removed: the share of its errors that the candidate does not make; NaN if it makes none.
        drift: the calibration error of the best calibrated table of rates. Such a table is right
            on the training plays, so this is how far listeners have changed since, and chance.
        carriers: the features that move the candidate's predictions most.
    """

    rule: str
    rule_accuracy: float
    removed: Interval
    drift: float
    carriers: Sequence[str]


def decide(
    scores: Scores,
    comparison: Comparison | None,
    params: Promote,
    *,
    yardstick: Yardstick,
    rank_by: RankBy = "accuracy",
) -> Verdict:
    """Decide whether the candidate may become champion.

    Args:
        scores: of the candidate on the test sessions.
        comparison: with the champion on the same plays; None where there is none to compare with.
        params: the limits.
        yardstick: how far the candidate is from what rules can do.
        rank_by: what decides; where the champion does not answer all plays, accuracy does.
    """
    faults = _absolute_faults(scores, params, yardstick)
    if comparison is None:
        return Verdict(not faults, tuple(faults) or ("there is no champion to compare with",))
    by_maa = rank_by == "maa" and comparison.maa is not None
    gains, reason = (_better_by_maa if by_maa else _better)(comparison, params)
    if not gains:
        faults.append(reason)
    faults += _worse_slices(comparison, params)
    return Verdict(not faults, tuple(faults) or (reason,))


def _absolute_faults(scores: Scores, params: Promote, yardstick: Yardstick) -> list[str]:
    """Return what is wrong with the candidate whatever the champion is."""
    faults = []
    accuracy, error = scores["accuracy"].value, scores["calibration_error"]
    if yardstick.removed.low > params.too_good_share:
        faults.append(
            "the candidate must remove at most promote.too_good_share, "
            f"{params.too_good_share}, of the errors of the best rule ({yardstick.rule}, accuracy "
            f"{yardstick.rule_accuracy:.4f}) but, with accuracy {accuracy:.4f}, removes "
            f"{interval_text(yardstick.removed)}: probably a feature knows how the play ended. "
            f"Most of the prediction comes from {', '.join(yardstick.carriers)}. Look at how these "
            "are made"
        )
    if error.low > max(params.max_ece, yardstick.drift):  # of few plays, chance makes an error
        faults.append(
            f"the calibration error must be at most promote.max_ece, {params.max_ece}, or that of "
            f"a table of rates, {yardstick.drift:.4f}, but is {interval_text(error)}"
        )
    return faults


def _better(comparison: Comparison, params: Promote) -> tuple[bool, str]:
    accuracy, log_loss = comparison.accuracy, comparison.log_loss
    if accuracy.low > 0:
        return True, f"accuracy is higher by {interval_text(accuracy)}"
    if accuracy.value >= -params.tolerance and log_loss.high < 0:
        return True, (
            f"accuracy is within promote.tolerance, {interval_text(accuracy)}, and log loss is "
            f"lower by {interval_text(_negated(log_loss))}"
        )
    return False, (
        f"accuracy differs from the champion's by {interval_text(accuracy)} and log loss by "
        f"{interval_text(log_loss)}: neither is better beyond what other sessions could have given"
    )


def _better_by_maa(comparison: Comparison, params: Promote) -> tuple[bool, str]:
    maa, fpa = comparison.maa, comparison.fpa
    assert maa is not None
    assert fpa is not None
    if maa.low > 0:
        return True, f"MAA is higher by {interval_text(maa)}"
    if maa.value >= -params.tolerance and fpa.low > 0:
        return True, (
            f"MAA is within promote.tolerance, {interval_text(maa)}, and FPA is higher by "
            f"{interval_text(fpa)}"
        )
    return False, (
        f"MAA differs from the champion's by {interval_text(maa)} and FPA by {interval_text(fpa)}: "
        "neither is better beyond what other sessions could have given"
    )


def _worse_slices(comparison: Comparison, params: Promote) -> list[str]:
    return [
        f"accuracy in the slice {name}, {plays} plays, must not fall by more than "
        f"promote.slice_tolerance, {params.slice_tolerance}, but falls by "
        f"{interval_text(_negated(difference))}"
        for name, (plays, difference) in comparison.slices.items()
        if plays >= params.slice_plays and difference.value < -params.slice_tolerance
    ]


def _negated(interval: Interval) -> Interval:
    return Interval(-interval.value, -interval.high, -interval.low)


def interval_text(interval: Interval) -> str:
    """Write a score with its 95 % interval.

    >>> interval_text(Interval(0.75, 0.7, 0.8))
    '0.7500 (0.7000..0.8000)'
    """
    return f"{interval.value:.4f} ({interval.low:.4f}..{interval.high:.4f})"
