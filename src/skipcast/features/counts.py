"""Counts: how often a track was played and skipped, and how far it got, in other sessions.

Only training sessions are counted. A play may know sessions other than its own: so a training play
gets the counts of the other folds, and every other play those of all training sessions. A fold is
a fifth of the sessions, by a seeded hash of the id.

Counts are columns of a play, as its track's tempo is. The group `track_history` makes features of
them. A prior goes with them: so many pseudo-plays, with as many skips as the mean track has.
"""

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


class TrackCounts:
    """What the training plays say of tracks; parts of the plays add up, in any order.

    Attributes:
        ids: of the tracks, each once, sorted.
        sums: folds x tracks x 3: plays, skips and depths of the training plays of each fold.
    """

    def __init__(self, ids: pd.Index, *, seed: int) -> None:
        """Begin with no play.

        Args:
            ids: of all tracks that plays may have, each once, sorted.
            seed: of the folds, any whole number.
        """
        self.ids = ids
        self.sums = np.zeros((FOLDS, len(ids), 3))
        self._seed = seed

    def add(self, plays: pd.DataFrame, is_train: Bools) -> None:
        """Count plays; arguments as `count_tracks`."""
        outcomes = _outcomes(plays)
        # A play that the app cut has no outcome.
        rows = np.flatnonzero(is_train & ~np.isnan(outcomes).any(axis=1))
        keys, fold = self._keys(plays)[rows], self._folds(plays)[rows]
        size = FOLDS * len(self.ids)
        table = CountTable.of(fold * len(self.ids) + keys, outcomes[rows], size)
        self.sums += table.sums.reshape(self.sums.shape)

    def known(self, plays: pd.DataFrame, is_train: Bools) -> pd.DataFrame:
        """Return what plays may know, as `count_tracks` does first; arguments as there."""
        keys = self._keys(plays)
        fold = np.where(is_train, self._folds(plays), FOLDS)  # who does not train knows all folds
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
        """The counts of all folds but each, and of all folds; ask when all plays are counted."""
        every = self.sums.sum(axis=0)
        return [CountTable(every - own) for own in self.sums] + [CountTable(every)]

    def _keys(self, plays: pd.DataFrame) -> Indices:
        keys: Indices = self.ids.get_indexer(pd.Index(plays["track_id_clean"]))
        return keys

    def _folds(self, plays: pd.DataFrame) -> Indices:
        hashes = hash_sessions(plays["session_id"], purpose="fold", seed=self._seed)
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
    counts = TrackCounts(pd.Index(plays["track_id_clean"].unique()).sort_values(), seed=seed)
    counts.add(plays, is_train)
    return counts.known(plays, is_train), counts.table()


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
