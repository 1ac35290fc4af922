"""Counts: how often a track was played and skipped, and how far it got, in other sessions.

Only training sessions are counted. A play may know sessions other than its own: so a training play
gets the counts of the other folds, and every other play those of all training sessions. A fold is
a fifth of the sessions, by a seeded hash of the id.

Counts are columns of a play, as its track's tempo is. The group `track_history` makes features of
them. A prior goes with them: so many pseudo-plays, with as many skips as the mean track has.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from skipcast.arrays import Bools, Floats, Indices
from skipcast.features.columns import Columns
from skipcast.features.groups.signals import depth, skipped
from skipcast.schema import COUNTS, PRIOR, names
from skipcast.sessions import hash_sessions

FOLDS = 5
KNOWN = (*names(COUNTS), *names(PRIOR))
MOST_PSEUDO_PLAYS = 1000.0  # of a prior: where tracks do not differ, it could be any number


@dataclass(frozen=True)
class CountTable:
    """The sums of some plays, by key.

    Attributes:
        sums: keys x 3: plays, skips, and the depths of the plays (0..4 each), summed.
    """

    sums: Floats

    @classmethod
    def of(cls, keys: Indices, outcomes: Floats, size: int) -> "CountTable":
        """Count plays.

        Args:
            keys: of each play, 0..size - 1.
            outcomes: plays x 3, as `_outcomes` returns them.
            size: how many keys there are.
        """
        columns = [np.bincount(keys, weights, size) for weights in outcomes.T]
        return cls(np.stack(columns, axis=1))

    @cached_property
    def prior(self) -> Floats:
        """How many plays the mean track counts for, with their skips and depths: 3 numbers.

        The number of pseudo-plays comes from the moments of the beta-binomial distribution: the
        share of the variance of outcomes that is between tracks (the intraclass correlation, by
        analysis of variance) is 1 / (pseudo-plays + 1).

        Source: Kleinman, Proportions with extraneous variance (JASA 68, 1973).
        """
        plays, skips, _ = sums = self.sums[self.sums[:, 0] > 0].T
        total, keys = plays.sum(), len(plays)
        if not total:
            return np.full(3, np.nan)
        rate = skips / plays
        with np.errstate(divide="ignore", invalid="ignore"):  # one track, or each played once
            between = (plays * (rate - skips.sum() / total) ** 2).sum() / (keys - 1)
            within = (skips * (1 - rate)).sum() / (total - keys)
            typical = (total - (plays**2).sum() / total) / (keys - 1)
            share = (between - within) / (between + (typical - 1) * within)
            pseudo_plays = 1 / share - 1
        if not 0 < pseudo_plays < MOST_PSEUDO_PLAYS:
            pseudo_plays = MOST_PSEUDO_PLAYS
        result: Floats = max(1.0, pseudo_plays) * sums.sum(axis=1) / total
        return result

    def look_up(self, keys: Indices) -> Floats:
        """Return what plays of these keys know, plays x `KNOWN`."""
        return np.hstack([self.sums[keys], np.broadcast_to(self.prior, (len(keys), 3))])


@dataclass(frozen=True)
class TrackCounts:
    """What training plays say of tracks, by the fold of their session; counts of parts add up.

    Attributes:
        ids: of the tracks, each once, sorted.
        sums: folds x tracks x 3: plays, skips and depths of the training plays of each fold.
    """

    ids: pd.Index
    sums: Floats

    @classmethod
    def of(cls, plays: pd.DataFrame, is_train: Bools, *, seed: int) -> "TrackCounts":
        """Count the tracks of some plays; arguments as `count_tracks`."""
        keys, ids = pd.factorize(plays["track_id_clean"], sort=True)
        outcomes = _outcomes(plays)
        # A play that the app cut has no outcome.
        rows = np.flatnonzero(is_train & ~np.isnan(outcomes).any(axis=1))
        of_fold = _folds(plays, seed)[rows] * len(ids) + keys[rows]
        table = CountTable.of(of_fold, outcomes[rows], FOLDS * len(ids))
        return cls(pd.Index(ids), table.sums.reshape(FOLDS, len(ids), 3))

    @classmethod
    def total(cls, ids: pd.Index, parts: "Iterable[TrackCounts]") -> "TrackCounts":
        """Add up the counts of parts.

        Args:
            ids: of all tracks that the parts have, or more, each once, sorted.
            parts: in any order.
        """
        sums = np.zeros((FOLDS, len(ids), 3))
        for part in parts:
            sums[:, ids.get_indexer(part.ids)] += part.sums
        return cls(ids, sums)

    def known(self, plays: pd.DataFrame, is_train: Bools, *, seed: int) -> pd.DataFrame:
        """Return what plays may know, as `count_tracks` does first; arguments as there."""
        keys = self.ids.get_indexer(pd.Index(plays["track_id_clean"]))
        fold = np.where(is_train, _folds(plays, seed), FOLDS)  # who does not train knows all folds
        known = np.empty((len(plays), len(KNOWN)))
        for own in np.unique(fold):
            rows = fold == own
            known[rows] = self._tables[own].look_up(keys[rows])
        return _frame(known, plays.index)

    def table(self) -> pd.DataFrame:
        """Return what plays to come may know, as `count_tracks` does second."""
        other = CountTable(np.vstack([self._tables[FOLDS].sums, np.zeros(3)]))
        return _frame(
            other.look_up(np.arange(len(self.ids) + 1)),
            pd.Index([*self.ids, None], dtype=object, name="track_id"),
        )

    @cached_property
    def _tables(self) -> list[CountTable]:
        """The counts of all folds but each, and of all folds."""
        every = self.sums.sum(axis=0)
        return [CountTable(every - own) for own in self.sums] + [CountTable(every)]


def _folds(plays: pd.DataFrame, seed: int) -> Indices:
    hashes = hash_sessions(plays["session_id"], purpose="fold", seed=seed)
    folds: Indices = (hashes % np.uint64(FOLDS)).astype(np.intp)
    return folds


def count_tracks(
    plays: pd.DataFrame, is_train: Bools, *, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Count the tracks of the training sessions, where all plays are at hand.

    Args:
        plays: whole sessions with their outcomes; columns `schema.LOG`. A play without is not
            counted.
        is_train: whether the session of a play is a training session.
        seed: of the folds, any whole number.

    Returns:
        What each play may know: a row per play with its index, columns `schema.COUNTS` and
        `schema.PRIOR`. And what plays to come may know: the same columns by track_id, for each
        track of `plays` and, in the last row, whose id is None, for any other.
    """
    counts = TrackCounts.of(plays, is_train, seed=seed)
    return counts.known(plays, is_train, seed=seed), counts.table()


def _outcomes(plays: pd.DataFrame) -> Floats:
    columns = Columns(plays)
    return np.stack([np.ones(len(plays)), skipped(columns), depth(columns)], axis=1)


def _frame(known: Floats, index: pd.Index) -> pd.DataFrame:
    return pd.DataFrame(known, index, KNOWN).astype(dict.fromkeys(names(COUNTS), np.int64))


def add_counts(tracks: pd.DataFrame, counts: pd.DataFrame) -> pd.DataFrame:
    """Give each track its counts.

    Args:
        tracks: columns `schema.TRACK`, each track once.
        counts: by track_id, as `count_tracks` returns what plays to come may know.

    Returns:
        The rows of `tracks`, and a last one for any other track: its id is None and its features
        are missing, its counts are 0. Columns `schema.TRACK`, `schema.COUNTS`, `schema.PRIOR`.
    """
    rows = counts.index[:-1].get_indexer(
        pd.Index([*tracks["track_id"], None])
    )  # -1, the last: other
    other = pd.DataFrame({"track_id": [None]}, dtype=tracks["track_id"].dtype)
    with_other = pd.concat([tracks, other], ignore_index=True)
    return with_other.join(counts.iloc[rows].reset_index(drop=True))
