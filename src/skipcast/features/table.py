"""Plays joined with their tracks, and the table of features that models learn from."""

from collections.abc import Sequence

import pandas as pd

from skipcast.arrays import Labels
from skipcast.features.build import build_features, targets
from skipcast.schema import LABELS, TARGET, TRACK_GROUPS, Group, HorizonName, Label

KEY_COLUMNS = ("session_id", "session_position")
SKIPPED = "skipped"
PART = "part"  # train, validation or test
LEADING_COLUMNS = (*KEY_COLUMNS, PART, SKIPPED)  # of a table of features; the features follow


def with_label(plays: pd.DataFrame, skip: Label) -> pd.DataFrame:
    """Return the plays with the column that tells a skip in the place of the target.

    Args:
        plays: columns `schema.LOG` or more.
        skip: what counts as a skip.

    >>> plays = pd.DataFrame({"skip_2": [False, True], "skip_3": [True, True]})
    >>> with_label(plays, "any")["skip_2"].tolist()
    [True, True]
    """
    return plays.assign(**{TARGET: plays[LABELS[skip]]})


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
    plays: pd.DataFrame,
    horizon: HorizonName,
    groups: Sequence[Group] = TRACK_GROUPS,
    *,
    parts: Labels | None = None,
) -> pd.DataFrame:
    """Return what models learn from: a row per play with an outcome that the horizon predicts.

    Args:
        plays: as for `FeatureSet.build`, with outcomes.
        horizon: what is known when the prediction is made.
        groups: names among `GROUPS`.
        parts: the part of each play, for the column part; None leaves it out.

    Returns:
        Columns session_id, session_position, part and skipped, then a column per feature, float32;
        the rows keep the index of `plays`.

    Raises:
        SkipcastError: a session's positions do not count 1, 2, 3, ...
    """
    leading = plays[list(KEY_COLUMNS)]
    if parts is not None:
        leading = leading.assign(**{PART: parts})
    table = leading.assign(**{SKIPPED: plays[TARGET]})
    table = table.join(build_features(plays, horizon, groups))
    return table[targets(plays, horizon)].astype({SKIPPED: bool})


def feature_columns(table: pd.DataFrame) -> list[str]:
    """Return the names of the features in a table of features.

    >>> feature_columns(pd.DataFrame(columns=["session_id", "skipped", "tempo"]))
    ['tempo']
    """
    return [str(name) for name in table if name not in LEADING_COLUMNS]
