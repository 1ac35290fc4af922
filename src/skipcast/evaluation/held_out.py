"""Sums over the plays of the test sessions, which add up over parts of them.

All that a promotion tells of how good models are comes from these sums (`scores.py`): plain and per
bootstrap sample, in slices, by session, and by cells of probability.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import pandas as pd

from skipcast.arrays import Bools, Floats, Indices
from skipcast.evaluation.bootstrap import Keys, Resamples, chunks, session_keys
from skipcast.evaluation.grid import Grid
from skipcast.evaluation.metrics import METRICS, is_right, log_losses
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
POSITION, HALF_PLACE = "position", "place in the half"
KINDS = (POSITION, *COLUMN_SLICES, HALF_PLACE)
"""The kinds of slices that are reported, in their order."""
ALL, PLACE = ("all plays", ""), "place"
"""All plays are a slice, too; and so are those of each place of a session."""
CANDIDATE, CHAMPION = "candidate", "champion"

Slice = tuple[str, str]
"""Kind and value, such as `position` and `3-5`."""
SliceSums = Mapping[Slice, Floats]
"""Of each slice, columns x (1 + samples)."""


@dataclass(frozen=True)
class Coded:
    """The slices of one kind: their values, and the number of each play's, -1 if it is in none."""

    values: tuple[str, ...]
    codes: Indices


@dataclass(frozen=True)
class TestPlays:
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
    def of(cls, plays: pd.DataFrame, horizon: HorizonName, *, seed: int) -> "TestPlays":
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

    def part(self, rows: slice) -> "TestPlays":
        """Return a run of whole sessions."""
        sessions = self.sessions[rows]
        return TestPlays(
            self.skipped[rows],
            sessions - sessions[0],
            self.keys[sessions[0] : sessions[-1] + 1],
            {kind: Coded(c.values, c.codes[rows]) for kind, c in self.slices.items()},
            self.challenge,
        )


def slices_of(plays: pd.DataFrame, horizon: HorizonName) -> dict[str, Coded]:
    """Return which plays are in each slice: by position, context, subscription, shuffle, listener.

    A play is in no slice of a kind that it has no value of. Slices and kinds without any play are
    left out. `PLACE` is the position, or where the challenge scores, that in the second half.

    >>> plays = pd.DataFrame({"session_position": [1, 4], "context_type": None,
    ...     "premium": [True, False], "hist_user_behavior_is_shuffle": False, "listener_id": None})
    >>> slices = slices_of(plays, "started")
    >>> list(slices), slices["position"]
    (['all plays', 'position', 'premium', 'shuffle', 'place'], \
Coded(values=('1', '3-5'), codes=array([0, 1])))
    """
    at = plays["session_position"].to_numpy(np.intp)
    starts = [low for low, _ in POSITION_SLICES.values()]
    names = np.array([*POSITION_SLICES], object)[np.searchsorted(starts, at, side="right") - 1]
    coded = {ALL[0]: Coded(ALL[1:], np.zeros(len(at), np.intp)), POSITION: _coded(names, str)}
    coded |= {kind: _coded(plays[column], _text) for kind, column in COLUMN_SLICES.items()}
    history_length = HORIZONS[horizon].history_length
    if history_length is not None:
        at = at - history_length(plays["session_length"].to_numpy(np.intp))
        coded[HALF_PLACE] = _coded(at, str)
    coded[PLACE] = _coded(at, str)
    return {kind: each for kind, each in coded.items() if each.values}


def _coded(values: Any, name: Callable[[object], str]) -> Coded:
    codes, found = pd.factorize(values, sort=True)
    return Coded(tuple(map(name, found)), codes)


def _text(value: object) -> str:
    """Return how a slice is named after a value; flags with nulls among them are numbers."""
    return value if isinstance(value, str) else str(bool(value)).lower()


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
        challenge: as of `TestPlays`.
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
        return sorted((s for s in self.by_slice if s[0] in (kinds or KINDS)), key=_order)


def _order(where: Slice) -> tuple[int, float, str]:
    kind, value = where
    by_number = kind in (POSITION, PLACE, HALF_PLACE)
    number = float(value.rstrip("+").split("-")[0]) if by_number else 0.0
    return (KINDS.index(kind) if kind in KINDS else 0), number, value


def merged(one: SliceSums, other: SliceSums) -> SliceSums:
    """Return the sums of the slices of both.

    >>> merged({("a", "1"): np.ones(1)}, {("a", "1"): np.ones(1), ("a", "2"): np.ones(1)})
    {('a', '1'): array([2.]), ('a', '2'): array([1.])}
    """
    both = {where: one[where] + other[where] for where in one if where in other}
    return {**one, **other, **both}


def tally(plays: TestPlays, answers: Mapping[str, Floats], *, samples: int) -> HeldOut:
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


def _tally(plays: TestPlays, answers: Mapping[str, Floats], samples: int) -> HeldOut:
    """Sum up the plays of so few sessions that their weights fit into the cache."""
    resamples = Resamples(plays.sessions, plays.keys, samples=samples)
    return HeldOut(
        _counted(plays, resamples),
        {n: _model_sums(plays, resamples, p) for n, p in answers.items() if not np.isnan(p).any()},
        _pair_sums(plays, resamples, answers) if CHAMPION in answers else None,
        plays.challenge,
    )


def _sliced(plays: TestPlays, resamples: Resamples, values: Floats) -> dict[Slice, Floats]:
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


def _counted(plays: TestPlays, resamples: Resamples) -> dict[Slice, Floats]:
    columns = np.stack([np.ones(len(plays.skipped)), plays.skipped])
    counted = _sliced(plays, resamples, columns)
    for kind, coded in plays.slices.items():
        has = np.zeros((len(coded.values), len(plays.keys)))
        rows = coded.codes >= 0
        has[coded.codes[rows], plays.sessions[rows]] = 1
        for value, sums in zip(coded.values, resamples.session_sums(has), strict=True):
            counted[kind, value] = np.vstack([counted[kind, value], sums])
    return counted


def _model_sums(plays: TestPlays, resamples: Resamples, probability: Floats) -> ModelSums:
    columns = [m.per_play(plays.skipped, probability) for m in METRICS.values() if m.per_play]
    right = is_right(plays.skipped, probability)
    return ModelSums(
        _sliced(plays, resamples, np.stack(columns)),
        resamples.session_sums(_by_session(plays, right)),
        Grid.of(plays.skipped, probability, resamples),
    )


def _by_session(plays: TestPlays, right: Floats) -> Floats:
    """Return the challenge's scores of each session: metrics x sessions."""
    scores = [m.per_session for m in METRICS.values() if m.per_session and plays.challenge]
    by_session = [score(right.astype(bool), plays.sessions) for score in scores]
    return np.reshape(by_session, (len(scores), len(plays.keys)))


def _pair_sums(plays: TestPlays, resamples: Resamples, answers: Mapping[str, Floats]) -> PairSums:
    both = ~np.isnan(answers[CHAMPION])
    one, other = (np.where(both, answers[name], 0.5) for name in (CANDIDATE, CHAMPION))
    right = [is_right(plays.skipped, probability) for probability in (one, other)]
    losses = [log_losses(plays.skipped, probability) for probability in (one, other)]
    columns = np.stack([right[0] - right[1], losses[0] - losses[1], both])
    challenge = _by_session(plays, right[0]) - _by_session(plays, right[1])
    return PairSums(
        _sliced(plays, resamples, columns),
        resamples.session_sums(challenge),
        bool(both.all()),
    )
