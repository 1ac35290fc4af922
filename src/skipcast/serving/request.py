"""The plays of a request, with the features of their tracks and the history of each play."""

from typing import Any, cast

import numpy as np

from skipcast.arrays import Array, Bools, Floats, Matrix
from skipcast.features.build import predicted
from skipcast.features.columns import Layout, Stack
from skipcast.features.feature_set import FeatureSet
from skipcast.features.listener_counts import COLUMNS
from skipcast.schema import (
    ALIAS,
    HORIZONS,
    LABELS,
    LISTENER_KEYS,
    LISTENER_KNOWN,
    LOG,
    TARGET,
    TRACK_KNOWN,
    HorizonName,
    Label,
)
from skipcast.serving.checks import (
    check_counts,
    check_lengths,
    check_listener_counts,
    check_open,
    check_same,
    refuse,
)
from skipcast.serving.histories import arrange
from skipcast.serving.listeners import Listeners
from skipcast.serving.parse import IDS, REASON_GIVEN, read_request
from skipcast.serving.tracks import Tracks

READ = frozenset(c.name for c in LOG if c.name not in IDS)
KNOWN = (*TRACK_KNOWN, *LISTENER_KNOWN)
INLINE = frozenset(KNOWN)
LAYOUT = Layout((*KNOWN, "track_id_clean", *sorted(READ)))


class Plays:
    """A request's plays. All arrays have a value per row of the request, in its order.

    `columns` are numbers and ids, as `parse.read_request` returns them; `open` says whether a play
    has not ended; `predicted` whether the horizon predicts it; `track_known` whether the model
    knows its track, and `track_features` all that the model knows of that track, NaN where unknown;
    `history_until` the day that the model knows the play's listener up to, None where it does not.

    Args:
        data: what a client sent, as `parse.read_request` takes it.
        tracks: those that the model knows.
        horizon: what is known when the prediction is made.
        limit: of plays, each candidate counted with its history.
        skip: what the model counts as a skip.
        listeners: those that the model knows; None if it asks for no listener's history.

    Raises:
        SkipcastError: the request breaks a rule.
    """

    def __init__(
        self,
        data: Any,
        tracks: Tracks,
        horizon: HorizonName,
        limit: int,
        *,
        skip: Label = "brief",
        listeners: Listeners | None = None,
    ) -> None:
        self.columns: dict[str, Array] = read_request(data)
        label = LABELS[skip]
        outcome = _outcome(self.columns, label)
        self.open: Bools = np.isnan(outcome)
        check_open(self.columns, self.open, label)
        self.columns[TARGET] = outcome
        check_counts(self.columns)
        check_listener_counts(self.columns)
        self.history_until: Array = np.full(len(self.open), None, object)
        self.listener_features: Stack | None = None
        if listeners is not None:
            self._look_up(listeners)
        self.track_features, self.track_known = tracks.look_up(
            self.columns["track_id_clean"].tolist()
        )
        divides_sessions = HORIZONS[horizon].divides_sessions
        if divides_sessions:
            check_lengths(self.columns)
        self.predicted: Bools = predicted(self.columns, horizon)
        self.histories = arrange(
            self.columns["session_id"],
            self.columns["session_number"],
            self.columns["session_position"],
            self.open,
            must_have_ended=~self.predicted if divides_sessions else None,
            gives_reason=self.columns.get(REASON_GIVEN),
            outcome=label,
            limit=limit,
        )
        self.open[self.histories.cut] = False

    def _look_up(self, listeners: Listeners) -> None:
        missing = np.full(len(self.open), None, object)
        who, artists = (self.columns.get(name, missing) for name in ("listener_id", "artist_id"))
        if "listener_id" in self.columns:
            check_same(self.columns, "listener_id")
        ids = (who.tolist(), self.columns["track_id_clean"].tolist(), artists.tolist())
        self.listener_features = listeners.look_up(*ids)
        self.history_until = listeners.until(ids[0])
        for key in LISTENER_KEYS:
            plays = self.columns.get(f"{key}_plays")
            if plays is not None:  # a key's columns are the request's or the table's, never mixed
                rows = self.listener_features.layout.of[COLUMNS[key]]
                self.listener_features.numbers[np.ix_(rows, ~np.isnan(plays))] = np.nan

    def features(self, feature_set: FeatureSet, asked: Bools | None = None) -> Matrix:
        """Return the features of each play: plays x features.

        Args:
            feature_set: the features.
            asked: which plays to return the features of; None: of all.
        """
        take, row = self.histories.take, self.histories.row
        values = self._values()
        if np.array_equal(take, np.arange(len(row))):  # in order already, as files are
            return feature_set.compute(Stack(LAYOUT, values), asked)
        plays = Stack(LAYOUT, values.take(take, axis=1))
        if asked is None:
            return feature_set.compute(plays)[row]
        chosen = np.zeros(len(take), bool)
        chosen[row[asked]] = True
        place = np.cumsum(chosen) - 1  # among the chosen ones
        features: Matrix = feature_set.compute(plays, chosen)[place[row[asked]]]
        return features

    def _values(self) -> Floats:
        """Return what features read, columns in the order of `LAYOUT` x plays."""
        values = np.full((len(LAYOUT), len(self.open)), np.nan)
        values[: len(TRACK_KNOWN)] = self.track_features.numbers
        if self.listener_features is not None:
            values[len(TRACK_KNOWN) : len(KNOWN)] = self.listener_features.numbers
        for name, given in self.columns.items():
            if name in INLINE:  # where the request has none, it is as the model's table has it
                np.copyto(values[LAYOUT[name]], given, where=~np.isnan(given))
            elif name in READ:
                values[LAYOUT[name]] = given
        values[LAYOUT["track_id_clean"]] = self.columns["track_number"]
        return values


def _outcome(columns: dict[str, Array], label: str) -> Floats:
    """Return the column `label`, sent under either of its two names; NaN where null."""
    missing = np.full(len(columns["session_id"]), np.nan)
    official, alias = (cast(Floats, columns.get(name, missing)) for name in (label, ALIAS))
    wrong = (official != alias) & ~np.isnan(official) & ~np.isnan(alias)
    if wrong.any():
        raise refuse(columns, wrong, f"{ALIAS} must be what {label} is, if both are given,")
    return np.where(np.isnan(official), alias, official)
