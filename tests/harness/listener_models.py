"""Models of listeners' histories that tests fit and log, with the table of listeners they carry."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from harness.listening import listening, with_history
from harness.models import QUICK, Served, fit, log
from skipcast.arrays import Bools, Floats
from skipcast.features.build import build_features, targets
from skipcast.features.counts import add_counts, count_tracks
from skipcast.features.listener_counts import count_listeners
from skipcast.models.families import FAMILIES
from skipcast.schema import LISTENER_GROUPS, TARGET, TRACK, names

if TYPE_CHECKING:
    from mlflow.models.model import ModelInfo


@dataclass(frozen=True)
class ListenerModel(Served):
    """A model that knows what listeners did until before the last session of each.

    Attributes:
        plays: whole histories, those last sessions, too.
        is_next: whether a play is of one of them.
        fitted: the model.
        info: how it was logged.
    """

    plays: pd.DataFrame
    is_next: Bools
    fitted: Any
    info: "ModelInfo"

    def expected(self, plays: pd.DataFrame) -> Floats:
        """Return what the model answers for plays with all that the stage `features` knows."""
        features = build_features(plays, "started", LISTENER_GROUPS).to_numpy()
        return FAMILIES["lightgbm"].predict(self.fitted, features)


def is_last_session(plays: pd.DataFrame) -> Bools:
    """Tell which plays are of the last session of their listener."""
    last = plays["session_id"].groupby(plays["listener_id"]).transform("max")
    return (plays["session_id"] == last).to_numpy()


def listener_model(seed: int) -> ListenerModel:
    """Fit and log a model; the random histories are those of `seed`."""
    plays = with_history(listening(seed, sessions=60))
    is_next = is_last_session(plays)
    rows = ~is_next & targets(plays, "started")
    features = build_features(plays, "started", LISTENER_GROUPS)[rows].to_numpy()
    skipped = plays.loc[rows, TARGET].to_numpy(bool)
    fitted = fit("lightgbm", features, skipped, **QUICK["lightgbm"])
    info = log(
        fitted,
        track_table(plays),
        family="lightgbm",
        groups=LISTENER_GROUPS,
        listeners=count_listeners(plays[~is_next])[1],
    )
    return ListenerModel(plays, is_next, fitted, info)


def track_table(plays: pd.DataFrame) -> pd.DataFrame:
    """Return what a model knows of tracks without any feature."""
    tracks = pd.DataFrame({"track_id": plays["track_id_clean"].unique()}, columns=names(TRACK))
    nobody = np.zeros(len(plays), bool)
    return add_counts(tracks, count_tracks(plays, nobody, seed=0)[1])
