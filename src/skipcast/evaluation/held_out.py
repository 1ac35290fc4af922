"""Sums over the plays of the test sessions, which add up over parts of them.

All that a promotion tells of how good models are comes from these sums (`scores.py`): plain and per
bootstrap sample, in slices, by session, and by cells of probability.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add

import numpy as np
import pandas as pd

from skipcast.arrays import Bools, Floats, Indices
from skipcast.evaluation.bootstrap import Keys, Resamples, chunks, session_keys
from skipcast.evaluation.challenge import decide
from skipcast.evaluation.grid import Grid
from skipcast.evaluation.metrics import METRICS, is_right, log_losses
from skipcast.evaluation.slices import ALL, KINDS, Coded, Slice, order, slices_of
from skipcast.schema import HORIZONS, TARGET, HorizonName

CANDIDATE, CHAMPION = "candidate", "champion"

SliceSums = Mapping[Slice, Floats]
"""Of each slice, columns x (1 + samples)."""


@dataclass(frozen=True)
class JudgedPlays:
    """Plays of whole test sessions with their outcomes.

    Attributes:
        skipped: whether each play was skipped.
        sessions: the number of its session: 0, 1, 2, ...; all plays of a session are neighbours.
        keys: of each session, for the bootstrap.
        slices: by kind.
        challenge: whether the challenge scores the horizon of the plays.
    """

    skipped: Bools
    sessions: Indices
    keys: Keys
    slices: Mapping[str, Coded]
    challenge: bool

    @classmethod
    def of(cls, plays: pd.DataFrame, horizon: HorizonName, *, seed: int) -> "JudgedPlays":
        """Prepare raw plays.

        Args:
            plays: columns `schema.LOG`, in order of session and position; the plays to predict.
            horizon: what is known when the prediction is made.
            seed: of the bootstrap.
        """
        sessions, ids = pd.factorize(plays["session_id"])
        return cls(
            plays[TARGET].to_numpy(dtype=bool),
            sessions.astype(np.intp),
            session_keys(pd.Series(ids), seed=seed),
            slices_of(plays, horizon),
            HORIZONS[horizon].divides_sessions,
        )

    def part(self, rows: slice) -> "JudgedPlays":
        """Return a run of whole sessions."""
        sessions = self.sessions[rows]
        return JudgedPlays(
            self.skipped[rows],
            sessions - sessions[0],
            self.keys[sessions[0] : sessions[-1] + 1],
            {kind: Coded(c.values, c.codes[rows]) for kind, c in self.slices.items()},
            self.challenge,
        )


@dataclass(frozen=True)
class ModelSums:
    """What one model's answers sum up to.

    Attributes:
        by_slice: the columns are the metrics that have a value per play, in their order.
        by_session: sums over sessions of the challenge's metrics, metrics x (1 + samples); no
            metric where the challenge does not score the plays.
        grid: the plays by cells of probability.
    """

    by_slice: SliceSums
    by_session: Floats
    grid: Grid

    def __add__(self, other: "ModelSums") -> "ModelSums":
        return ModelSums(
            merged(self.by_slice, other.by_slice),
            self.by_session + other.by_session,
            self.grid + other.grid,
        )


@dataclass(frozen=True)
class PairSums:
    """By how much the candidate's values exceed the champion's, on plays that both predict.

    Attributes:
        by_slice: the columns are right answers, log loss (nats) and plays.
        by_session: as of `ModelSums`.
        whole: whether the champion predicts all plays.
    """

    by_slice: SliceSums
    by_session: Floats
    whole: bool

    def __add__(self, other: "PairSums") -> "PairSums":
        return PairSums(
            merged(self.by_slice, other.by_slice),
            self.by_session + other.by_session,
            self.whole and other.whole,
        )


@dataclass(frozen=True)
class HeldOut:
    """What the test plays and the answers of all models to them sum up to.

    Attributes:
        by_slice: the columns are plays, skips and sessions.
        models: by name, those that answered all plays.
        pair: of candidate and champion, where both answered.
        challenge: as of `JudgedPlays`.
    """

    by_slice: SliceSums
    models: Mapping[str, ModelSums]
    pair: PairSums | None
    challenge: bool

    def __add__(self, other: "HeldOut") -> "HeldOut":
        """Return the sums over the plays of both, which have no session in common.

        A model that did not answer all of them is left out.
        """
        pair = self.pair + other.pair if self.pair and other.pair else None
        models = {n: sums + other.models[n] for n, sums in self.models.items() if n in other.models}
        return HeldOut(merged(self.by_slice, other.by_slice), models, pair, self.challenge)

    @property
    def plays(self) -> int:
        """The number of plays."""
        return self.plays_in(ALL)

    @property
    def sessions(self) -> int:
        """The number of sessions."""
        return self.sessions_in(ALL)

    def plays_in(self, where: Slice) -> int:
        """Return the number of plays in a slice."""
        return int(self.by_slice[where][0, 0])

    def sessions_in(self, where: Slice) -> int:
        """Return the number of sessions that have a play in a slice."""
        return int(self.by_slice[where][2, 0])

    def slices(self, *kinds: str) -> list[Slice]:
        """Return the slices of some kinds in the order of reports, those of `KINDS` by default."""
        return sorted((s for s in self.by_slice if s[0] in (kinds or KINDS)), key=order)


def merged(one: SliceSums, other: SliceSums) -> SliceSums:
    """Return the sums of the slices of both.

    >>> merged({("a", "1"): np.ones(1)}, {("a", "1"): np.ones(1), ("a", "2"): np.ones(1)})
    {('a', '1'): array([2.]), ('a', '2'): array([1.])}
    """
    both = {where: one[where] + other[where] for where in one if where in other}
    return {**one, **other, **both}


def tally(plays: JudgedPlays, answers: Mapping[str, Floats], *, samples: int) -> HeldOut:
    """Sum up what models answer for plays.

    Args:
        plays: one play or more.
        answers: by model, the predicted probability of a skip of each play, 0..1; the `CHAMPION`
            may have NaN where it predicts none.
        samples: of the bootstrap, 1 or more.
    """
    parts = (
        _tally(plays.part(rows), {name: p[rows] for name, p in answers.items()}, samples)
        for rows in chunks(plays.sessions)
    )
    return reduce(add, parts)


def _tally(plays: JudgedPlays, answers: Mapping[str, Floats], samples: int) -> HeldOut:
    """Sum up the plays of so few sessions that their weights fit into the cache."""
    resamples = Resamples(plays.sessions, plays.keys, samples=samples)
    return HeldOut(
        _counted(plays, resamples),
        {n: _model_sums(plays, resamples, p) for n, p in answers.items() if not np.isnan(p).any()},
        _pair_sums(plays, resamples, answers) if CHAMPION in answers else None,
        plays.challenge,
    )


def _sliced(plays: JudgedPlays, resamples: Resamples, values: Floats) -> dict[Slice, Floats]:
    """Sum values of plays, columns x plays, in each slice."""
    return {
        (kind, value): sums
        for kind, coded in plays.slices.items()
        for value, sums in zip(
            coded.values,
            resamples.sums(values, coded.codes, len(coded.values)).swapaxes(0, 1),
            strict=True,
        )
    }


def _counted(plays: JudgedPlays, resamples: Resamples) -> dict[Slice, Floats]:
    columns = np.stack([np.ones(len(plays.skipped)), plays.skipped])
    counted = _sliced(plays, resamples, columns)
    for kind, coded in plays.slices.items():
        has = np.zeros((len(coded.values), len(plays.keys)))
        rows = coded.codes >= 0
        has[coded.codes[rows], plays.sessions[rows]] = 1
        for value, sums in zip(coded.values, resamples.session_sums(has), strict=True):
            counted[kind, value] = np.vstack([counted[kind, value], sums])
    return counted


def _model_sums(plays: JudgedPlays, resamples: Resamples, probability: Floats) -> ModelSums:
    columns = [m.per_play(plays.skipped, probability) for m in METRICS.values() if m.per_play]
    return ModelSums(
        _sliced(plays, resamples, np.stack(columns)),
        resamples.session_sums(_by_session(plays, probability)),
        Grid.of(plays.skipped, probability, resamples),
    )


def _by_session(plays: JudgedPlays, probability: Floats) -> Floats:
    """Return the challenge's scores of each session: metrics x sessions."""
    scores = [m.per_session for m in METRICS.values() if m.per_session and plays.challenge]
    right = plays.skipped == decide(probability, plays.sessions) if scores else plays.skipped
    by_session = [score(right, plays.sessions) for score in scores]
    return np.reshape(by_session, (len(scores), len(plays.keys)))


def _pair_sums(plays: JudgedPlays, resamples: Resamples, answers: Mapping[str, Floats]) -> PairSums:
    both = ~np.isnan(answers[CHAMPION])
    one, other = (np.where(both, answers[name], 0.5) for name in (CANDIDATE, CHAMPION))
    right = [is_right(plays.skipped, probability) for probability in (one, other)]
    losses = [log_losses(plays.skipped, probability) for probability in (one, other)]
    columns = np.stack([right[0] - right[1], losses[0] - losses[1], both])
    challenge = _by_session(plays, one) - _by_session(plays, other)
    return PairSums(
        _sliced(plays, resamples, columns),
        resamples.session_sums(challenge),
        bool(both.all()),
    )


def lively_session(plays: pd.DataFrame, before: pd.DataFrame | None = None) -> pd.DataFrame:
    """Return the plays of the session with most of both outcomes, the first among equals.

    Args:
        plays: of whole sessions.
        before: what was returned for the parts before.
    """
    if before is not None:
        plays = pd.concat([before, lively_session(plays)])
    sessions = plays.groupby("session_id", sort=True)[TARGET]
    skips, length = sessions.sum(), sessions.size()
    fewer = pd.Series(np.minimum(skips, length - skips), skips.index)
    return plays[plays["session_id"] == fewer.idxmax()]
