"""Plays joined with their tracks, and the table of features that models learn from."""

from collections.abc import Sequence

import pandas as pd

from skipcast.features.build import ALL, build_features, predicted
from skipcast.schema import TARGET, Group, HorizonName

KEY_COLUMNS = ("session_id", "session_position")
SKIPPED = "skipped"
LEADING_COLUMNS = (*KEY_COLUMNS, SKIPPED)  # of a table of features; the features follow


def join_tracks(plays: pd.DataFrame, tracks: pd.DataFrame) -> pd.DataFrame:
    """Give each play the features of its track.

    Args:
        plays: any rows; the column track_id_clean names their tracks.
        tracks: columns `schema.TRACK`, each track once.

    Returns:
        The plays in their order, rows numbered anew; their columns, then those of `tracks` without
        track_id, NaN where `tracks` lacks the track.

    >>> plays = pd.DataFrame({"track_id_clean": ["b", "a"]})
    >>> join_tracks(plays, pd.DataFrame({"track_id": ["a", "b"], "tempo": [90.0, 120.0]}))
      track_id_clean  tempo
    0              b  120.0
    1              a   90.0
    """
    return plays.merge(
        tracks.rename(columns={"track_id": "track_id_clean"}), on="track_id_clean", how="left"
    )


def feature_table(
    plays: pd.DataFrame, horizon: HorizonName, groups: Sequence[Group] = ALL
) -> pd.DataFrame:
    """Return what models learn from: a row per play that the horizon predicts.

    Args:
        plays: as for `FeatureSet.build`, with outcomes.
        horizon: what is known when the prediction is made.
        groups: names among `GROUPS`.

    Returns:
        Columns session_id, session_position and skipped, then a column per feature, float32; the
        rows keep the index of `plays`.

    Raises:
        SkipcastError: a session's positions do not count 1, 2, 3, ...
    """
    table = plays[list(KEY_COLUMNS)].assign(**{SKIPPED: plays[TARGET]})
    table = table.join(build_features(plays, horizon, groups))
    return table[predicted(plays, horizon)]


def feature_columns(table: pd.DataFrame) -> list[str]:
    """Return the names of the features in a table of features.

    >>> feature_columns(pd.DataFrame(columns=["session_id", "skipped", "tempo"]))
    ['tempo']
    """
    return [str(name) for name in table if name not in LEADING_COLUMNS]
