"""Checks of incoming tables: values, whole sessions, every track known."""

import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa
import pyarrow.compute as pc
from pandera.errors import SchemaError

from skipcast.column import Column
from skipcast.errors import SkipcastError
from skipcast.reading.values import display
from skipcast.schema import MSSD_LOG, TRACK
from skipcast.sessions import check_positions


def check_plays(plays: pd.DataFrame, *, file: str) -> None:
    """Check plays of official files: their values, and that each session is whole.

    Args:
        plays: columns `schema.MSSD_LOG`, each session in one run of rows, by position.
        file: that they are of, for messages.

    Raises:
        SkipcastError: a value is empty or out of range, or a session is not whole.
    """
    _check_values(plays, MSSD_LOG, ["session_id", "session_position"], file)
    try:
        check_positions(plays["session_id"].array, plays["session_position"].to_numpy())
    except SkipcastError as error:
        raise SkipcastError(f"{file}: {error}") from error
    lengths = plays.groupby("session_id")["session_position"].transform("size")
    wrong = plays.loc[lengths != plays["session_length"], "session_id"]
    if len(wrong):
        play = plays.loc[wrong.index[0]]
        raise SkipcastError(
            f"session_length must be the number of plays but is {play['session_length']} in "
            f"session {play['session_id']}, which has {lengths[wrong.index[0]]}. {file} "
            "seems cut short: get it again."
        )


def check_tracks(tracks: pd.DataFrame, played: pa.Array) -> None:
    """Check tracks: each once, and every track that is played among them.

    Args:
        tracks: columns `schema.TRACK`.
        played: ids of tracks, each once.

    Raises:
        SkipcastError: a value is empty or out of range, a track comes twice or is missing.
    """
    ids = pa.array(tracks["track_id"], pa.string())
    unknown = played.filter(pc.invert(pc.is_in(played, ids)))
    if len(unknown):
        raise SkipcastError(
            f"track_id_clean must be in the track table but {len(unknown)} tracks are not, "
            f"the first {pc.min(unknown)}. fetch.tracks names the archive with the track features."
        )
    _check_values(tracks, TRACK, ["track_id"], "the file")
    twice = tracks.loc[tracks["track_id"].duplicated(), "track_id"]
    if len(twice):
        raise SkipcastError(
            f"track_id must come once in the track table but {twice.iloc[0]} comes again. "
            "Name each file of track features once."
        )


def _check_values(
    table: pd.DataFrame, columns: tuple[Column, ...], keys: list[str], file: str
) -> None:
    rules = pandera.DataFrameSchema({c.name: pandera.Column(checks=_check(c)) for c in columns})
    try:
        rules.validate(table, inplace=True)  # which copies nothing, and changes nothing
    except SchemaError as error:
        first = error.failure_cases.iloc[0]
        row = table.loc[first["index"], keys]
        where = ", ".join(f"{key} {row[key]}" for key in keys)
        column = next(column for column in columns if column.name == error.column_name)
        raise SkipcastError(
            f"{column.name} must be {column.rule(nullable=False)} but got "
            f"{display(first['failure_case'])} ({where}; {len(error.failure_cases)} in all). "
            f"Correct {file}."
        ) from error


def _check(column: Column) -> pandera.Check | None:
    """Return the check of a column's values; None where the type alone is the rule."""
    if column.type == "text":
        return pandera.Check(lambda texts: _allowed(column, texts))
    if column.type == "boolean":
        return None
    return pandera.Check.in_range(column.low, column.high)


def _allowed(column: Column, texts: pd.Series) -> pd.Series:
    """Tell of each text whether the column may hold it."""
    return ~texts.isin([text for text in texts.unique() if not column.allows(text)])
