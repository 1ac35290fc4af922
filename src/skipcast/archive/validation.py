"""Checks of incoming tables: values, whole sessions, every track known."""

import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaError

from skipcast.errors import SkipcastError
from skipcast.schema import LOG, MODES, TRACK, Column
from skipcast.sessions import check_positions

FLAGS = {
    name: pa.Check.isin((0, 1))
    for name in (
        "context_switch",
        "no_pause_before_play",
        "short_pause_before_play",
        "long_pause_before_play",
    )
}
COUNTS = {
    name: pa.Check.ge(0)
    for name in ("hist_user_behavior_n_seekfwd", "hist_user_behavior_n_seekback")
}
RULES = {
    **FLAGS,
    **COUNTS,
    "hour_of_day": pa.Check.in_range(0, 23),
    "date": pa.Check.str_matches(r"^\d{4}-\d{2}-\d{2}$"),
    "mode": pa.Check.isin(MODES),
}


def check_plays(plays: pd.DataFrame) -> None:
    """Check plays, columns `schema.LOG`, in order of session and position.

    Raises:
        SkipcastError: a value is empty or out of range, or a session is not whole.
    """
    _check_values(plays, LOG, "play", ["session_id", "session_position"])
    check_positions(plays["session_id"].array, plays["session_position"].to_numpy())
    lengths = plays.groupby("session_id")["session_position"].transform("size")
    wrong = plays.loc[lengths != plays["session_length"], "session_id"]
    if len(wrong):
        play = plays.loc[wrong.index[0]]
        raise SkipcastError(
            f"session_length must be the number of plays but is {play['session_length']} in "
            f"session {play['session_id']}, which has {lengths[wrong.index[0]]}. The file seems "
            "cut short: get it again."
        )


def check_tracks(tracks: pd.DataFrame, plays: pd.DataFrame) -> None:
    """Check tracks, columns `schema.TRACK`: each once, and every track of `plays` among them.

    Raises:
        SkipcastError: a value is empty or out of range, a track comes twice or is missing.
    """
    unknown = plays.loc[~plays["track_id_clean"].isin(tracks["track_id"]), "track_id_clean"]
    if len(unknown):
        raise SkipcastError(
            f"track_id_clean must be in the track table but {unknown.nunique()} tracks are not, "
            f"the first {unknown.iloc[0]}. fetch.tracks names the archive with the track features."
        )
    _check_values(tracks, TRACK, "track", ["track_id"])
    twice = tracks.loc[tracks["track_id"].duplicated(), "track_id"]
    if len(twice):
        raise SkipcastError(
            f"track_id must come once in the track table but {twice.iloc[0]} comes again. "
            "Name each file of track features once."
        )


def _check_values(
    table: pd.DataFrame, columns: tuple[Column, ...], thing: str, keys: list[str]
) -> None:
    rules = pa.DataFrameSchema({c.name: pa.Column(checks=RULES.get(c.name)) for c in columns})
    try:
        rules.validate(table)
    except SchemaError as error:
        first = error.failure_cases.iloc[0]
        row = table.loc[first["index"], keys]
        where = ", ".join(f"{key} {row[key]}" for key in keys)
        rule = (
            "given"
            if first["failure_case"] is None or pd.isna(first["failure_case"])
            else (str(error.check.error or error.check))
        )
        raise SkipcastError(
            f"{error.column_name} of a {thing} must be {rule} but got {first['failure_case']} "
            f"({where}; {len(error.failure_cases)} in all). Correct the file."
        ) from error
