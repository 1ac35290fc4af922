"""How well the served model does: what its log tells, beside what the test sessions said of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from skipcast.arrays import Counts
from skipcast.clients import drift
from skipcast.evaluation.bootstrap import Interval, session_keys
from skipcast.evaluation.held_out import JudgedPlays, tally
from skipcast.evaluation.scores import scores
from skipcast.evaluation.slices import ALL, Coded
from skipcast.params import Monitor, Params
from skipcast.serving.histogram import BINS, expected
from skipcast.serving.log_reader import Log
from skipcast.serving.request_log import FIRST_BIN

SERVED = "served"
SCORES = ("accuracy", "log_loss", "calibration_error")
Tested = Mapping[str, Interval]  # scores of a version on the test sessions


@dataclass(frozen=True)
class Version:
    """What is known of a version beside its answers.

    Attributes:
        tested: its scores on the test sessions; None where the ledger has none.
        trained: the histograms of its training plays; None where it has none.
    """

    tested: Tested | None
    trained: dict[str, Any] | None


@dataclass(frozen=True)
class Period:
    """What one version answered in some time.

    Attributes:
        version: that answered.
        day: UTC, such as 2026-11-26.
        answers: their number.
        answered_sessions: the number of their sessions.
        outcomes: how many of the answers have one.
        sessions: the number of sessions that these are of.
        scores: `SCORES` of these, with intervals; empty where there are none.
        drift: of all the answers, as `drift.summary` returns it.
    """

    version: str
    day: str
    answers: int
    answered_sessions: int
    outcomes: int
    sessions: int
    scores: dict[str, Interval]
    drift: dict[str, Any]

    @property
    def most_drifted(self) -> tuple[str, float] | None:
        """The feature with the largest stability index, and the index; None where none is known."""
        stability: dict[str, float] | None = self.drift["stability"]
        return next(iter(stability.items()), None) if stability else None

    def figures(self) -> dict[str, float]:
        """Return all numbers by name."""
        result: dict[str, float] = {
            "answers": self.answers,
            "outcomes": self.outcomes,
            "sessions": self.sessions,
            "unknown_tracks": self.drift["unknown_tracks"],
            "mean_probability": self.drift["mean_probability"],
        }
        for name, score in self.scores.items():
            result |= {name: score.value, f"{name}_low": score.low, f"{name}_high": score.high}
        if self.most_drifted:
            result["stability"] = self.most_drifted[1]
        return result


@dataclass(frozen=True)
class Verdict:
    """What a period says of its version: what is wrong, and what cannot be told."""

    faults: list[str]
    untold: list[str]


def by_day(log: Log, versions: Mapping[str, Version], params: Params) -> list[Period]:
    """Return a period for each day and version, in order of time."""
    days = log.answers["at"].dt.strftime("%Y-%m-%d").rename("day")
    return [
        _period(log, rows, versions, params, day=str(day))
        for (day, _), rows in log.answers.groupby([days, "version"], sort=True)
    ]


def latest(
    log: Log, versions: Mapping[str, Version], params: Params, *, now: datetime
) -> Period | None:
    """Return what the version that answered last did in the last days; None without answers."""
    since = now.astimezone(UTC) - timedelta(days=params.monitor.days)
    recent = log.answers[log.answers["at"] >= since]
    if recent.empty:
        return None
    rows = recent[recent["version"] == recent["version"].iloc[-1]]
    return _period(log, rows, versions, params, day=f"last {params.monitor.days} days")


def _period(
    log: Log, rows: pd.DataFrame, versions: Mapping[str, Version], params: Params, *, day: str
) -> Period:
    version = str(rows["version"].iloc[0])
    known = rows.dropna(subset="skipped")
    return Period(
        version=version,
        day=day,
        answers=len(rows),
        answered_sessions=rows["session"].nunique(),
        outcomes=len(known),
        sessions=known["session"].nunique(),
        scores=_scores(known, params),
        drift=_drift(rows, log.features[version], versions[version].trained, params.monitor),
    )


def _scores(known: pd.DataFrame, params: Params) -> dict[str, Interval]:
    if known.empty:
        return {}
    # In an order that does not depend on which process answered when.
    known = known.sort_values(["session", "position", "at"])
    sessions, ids = pd.factorize(known["session"])
    plays = JudgedPlays(
        skipped=known["skipped"].to_numpy(bool),
        sessions=sessions.astype(np.intp),
        keys=session_keys(pd.Series(ids), seed=params.promote.seed),
        slices={ALL[0]: Coded(ALL[1:], np.zeros(len(known), np.intp))},
        challenge=False,
    )
    sums = tally(plays, {SERVED: known["probability"].to_numpy()}, samples=params.promote.samples)
    of_all = scores(sums, SERVED)
    return {name: of_all[name] for name in SCORES}


def _drift(
    rows: pd.DataFrame, features: list[str], trained: dict[str, Any] | None, limits: Monitor
) -> dict[str, Any]:
    """Compare answers with the training plays, as `skipcast predict --summary` compares plays."""
    probability, positions = rows["probability"].to_numpy(), rows["position"].to_numpy(np.intp)
    counts = _counts(rows["bins"])
    if counts.shape != (len(features), BINS + 1):  # the model was logged without training plays
        trained = None
    total = {
        "plays": len(rows),
        "scored": len(rows),
        "unknown_tracks": int((~rows["known"].to_numpy(bool)).sum()),
        "unseen_categories": {},
        "sessions": rows["session"].nunique(),
        "probability": float(probability.sum()),
        "probability_squared": float((probability**2).sum()),
        "counts": counts,
        "features": features,
        "expected": trained and expected(trained, positions),
    }
    return drift.summary(total, limits)


def _counts(bins: "pd.Series[str]") -> Counts:
    """Count letters by place: places x bins."""
    letters = np.frombuffer("".join(bins).encode("ascii"), np.uint8).reshape(len(bins), -1)
    counts = [np.bincount(column, minlength=BINS + 1) for column in letters.T - FIRST_BIN]
    return np.array(counts, np.int64)


def judge(period: Period, version: Version, params: Params) -> Verdict:
    """Compare a version's live figures with those of the test sessions and with the limits.

    What chance explains is no fault: intervals are compared, as the gate of a promotion does.
    """
    faults: list[str] = []
    untold = [*_untold(period, version, params.monitor)]
    if period.sessions >= params.monitor.sessions:
        faults += _score_faults(period.scores, version.tested, params.promote.max_ece)
    if period.answered_sessions >= params.monitor.sessions:
        faults += period.drift["warnings"]
    return Verdict(faults, untold)


def _score_faults(
    scores: Mapping[str, Interval], tested: Tested | None, max_ece: float
) -> Iterator[str]:
    live, error = scores["accuracy"], scores["calibration_error"]
    if tested is not None and live.high < tested["accuracy"].low:
        yield (
            f"live accuracy must reach that of the test sessions, {text(tested['accuracy'])}, but "
            f"is {text(live)}"
        )
    if error.low > max_ece:
        yield (
            f"the calibration error must be at most {max_ece} (promote.max_ece) but is "
            f"{text(error)}"
        )


def _untold(period: Period, version: Version, limits: Monitor) -> Iterator[str]:
    if period.sessions < limits.sessions:
        yield (
            "there are too few outcomes to tell accuracy and calibration: "
            f"{period.sessions} sessions have any, of {limits.sessions} that monitor.sessions asks "
            "for"
        )
    elif version.tested is None:
        yield "live accuracy has nothing to be compared with: the ledger has no test scores of it"
    if period.answered_sessions < limits.sessions:
        yield (
            f"there are too few answers to tell drift: of {period.answered_sessions} sessions, of "
            f"{limits.sessions} that monitor.sessions asks for"
        )
    elif period.drift["stability"] is None:
        yield "drift of features is not known: the histograms of its training plays are not there"


def text(interval: Interval) -> str:
    """Write a score with its interval.

    >>> text(Interval(0.75, 0.7, 0.8))
    '0.7500 (0.7000..0.8000)'
    """
    return f"{interval.value:.4f} ({interval.low:.4f}..{interval.high:.4f})"
