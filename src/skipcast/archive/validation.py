"""Checks of incoming tables: values, whole sessions, every track known."""

import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaError

from skipcast.column import Column
from skipcast.errors import SkipcastError
from skipcast.reading.values import display
from skipcast.schema import MSSD_LOG, TRACK
from skipcast.sessions import check_positions


def check_plays(plays: pd.DataFrame) -> None:
    """Check plays of official files, columns `schema.MSSD_LOG`, in order of session and position.

    Raises:
        SkipcastError: a value is empty or out of range, or a session is not whole.
    """
    _check_values(plays, MSSD_LOG, ["session_id", "session_position"])
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
    _check_values(tracks, TRACK, ["track_id"])
    twice = tracks.loc[tracks["track_id"].duplicated(), "track_id"]
    if len(twice):
        raise SkipcastError(
            f"track_id must come once in the track table but {twice.iloc[0]} comes again. "
            "Name each file of track features once."
        )


def _check_values(table: pd.DataFrame, columns: tuple[Column, ...], keys: list[str]) -> None:
    rules = pa.DataFrameSchema({c.name: pa.Column(checks=_check(c)) for c in columns})
    try:
        rules.validate(table)
    except SchemaError as error:
        first = error.failure_cases.iloc[0]
        row = table.loc[first["index"], keys]
        where = ", ".join(f"{key} {row[key]}" for key in keys)
        column = next(column for column in columns if column.name == error.column_name)
        raise SkipcastError(
            f"{column.name} must be {column.rule(nullable=False)} but got "
            f"{display(first['failure_case'])} ({where}; {len(error.failure_cases)} in all). "
            "Correct the file."
        ) from error


def _check(column: Column) -> pa.Check | None:
    """Return the check of a column's values; None where the type alone is the rule."""
    if column.type == "text":
        return pa.Check(lambda texts: _allowed(column, texts))
    if column.type == "boolean":
        return None
    return pa.Check.in_range(column.low, column.high)


def _allowed(column: Column, texts: pd.Series) -> pd.Series:
    """Tell of each text whether the column may hold it."""
    return texts.isin([text for text in texts.unique() if column.allows(text)])
