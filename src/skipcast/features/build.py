"""All features, once: the `features` stage, the server and the tests compute them here.

A feature is a function of two views (`views.py`): `now`, the present play, shows only the columns
that the feature declares, and a horizon computes only features whose columns it knows; `before`
shows the plays that have ended. A column that no horizon knows cannot be declared. Where a horizon
knows columns of the plays to come, features that declare these see them, too (`now.ahead`).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from skipcast.arrays import Bools
from skipcast.features.columns import Columns
from skipcast.features.feature import FeatureGroup
from skipcast.features.feature_set import FeatureSet, Plays
from skipcast.features.groups.ahead import AHEAD
from skipcast.features.groups.behaviour import BEHAVIOUR
from skipcast.features.groups.context import CONTEXT
from skipcast.features.groups.listener_history import LISTENER_HISTORY
from skipcast.features.groups.outcomes import OUTCOMES
from skipcast.features.groups.previous_track import PREVIOUS_TRACK
from skipcast.features.groups.taste import TASTE
from skipcast.features.groups.track import TRACK
from skipcast.features.groups.track_history import TRACK_HISTORY
from skipcast.schema import HORIZONS, TARGET, TRACK_GROUPS, Group, HorizonName

GROUPS: dict[Group, FeatureGroup] = {
    "track": TRACK,
    "track_history": TRACK_HISTORY,
    "context": CONTEXT,
    "outcomes": OUTCOMES,
    "behaviour": BEHAVIOUR,
    "previous_track": PREVIOUS_TRACK,
    "taste": TASTE,
    "listener_history": LISTENER_HISTORY,
    "ahead": AHEAD,
}
"""All groups; their order is the order of the columns."""


def feature_set(horizon: HorizonName, groups: Sequence[Group] = TRACK_GROUPS) -> FeatureSet:
    """Return the features of `groups` that `horizon` can compute.

    Args:
        horizon: what is known when the prediction is made.
        groups: names among `GROUPS`, in any order.

    >>> list(feature_set("second_half", ("context",)).names[:3])
    ['position', 'length', 'context_type_at_half']
    """
    chosen = tuple(blocks for group, blocks in GROUPS.items() if group in groups)
    return FeatureSet(HORIZONS[horizon], chosen)


def build_features(
    plays: Plays, horizon: HorizonName, groups: Sequence[Group] = TRACK_GROUPS
) -> pd.DataFrame:
    """Compute the features of every play from what `horizon` knows.

    Args:
        plays: as for `FeatureSet.build`.
        horizon: what is known when the prediction is made.
        groups: names among `GROUPS`.

    Returns:
        A row per play, with the index of `plays`; a column per feature, float32.

    Raises:
        SkipcastError: a session's positions do not count 1, 2, 3, ...
    """
    return feature_set(horizon, groups).build(plays)


def predicted(plays: Plays, horizon: HorizonName) -> Bools:
    """Tell which plays the horizon predicts: all, or those behind the history of their session.

    >>> plays = pd.DataFrame({"session_position": [1, 2, 3], "session_length": 3})
    >>> predicted(plays, "second_half")
    array([False,  True,  True])
    """
    columns = Columns(plays)
    history_length = HORIZONS[horizon].history_length
    if history_length is None:
        return np.ones(len(columns["session_position"]), dtype=bool)
    return columns["session_position"] > history_length(columns["session_length"])


def targets(plays: Plays, horizon: HorizonName) -> Bools:
    """Tell which plays a model of the horizon learns from or is judged on.

    These are the predicted ones with an outcome: a play that the app cut has none.

    >>> plays = pd.DataFrame({"session_position": [1, 2], "skip_2": [None, True]})
    >>> targets(plays, "started")
    array([False,  True])
    """
    result: Bools = predicted(plays, horizon) & ~np.isnan(Columns(plays)[TARGET])
    return result
