"""What the page of `skipcast demo` shows of a listener's whole history, ready for JSON."""

from typing import cast

import numpy as np
import pandas as pd

from skipcast.clients.sentences import Row
from skipcast.evaluation.listening import (
    FEWEST_PLAYS,
    LEAST_PLAYS,
    SKIPPED,
    USUAL_PLAYS,
    Listening,
    interval,
    most_kept,
    most_skipped,
    shrunk,
    spread,
)
from skipcast.evaluation.look_up import LookUp
from skipcast.features.build import GROUPS
from skipcast.schema import Group, Label

CARRIES: dict[Group, str] = {
    "track": "what is played",
    "track_history": "how often others skip the track",
    "context": "how the play starts, and when",
    "outcomes": "what was skipped before in the session",
    "behaviour": "how earlier plays of the session ended",
    "previous_track": "what was played before",
    "taste": "how the track is like others of the session",
    "listener_history": "what was done with the track and the artist in earlier sessions",
    "ahead": "which tracks of the session come next",
}
"""What the features of a group know, in words."""


def listening_view(shown: Listening, look_up: LookUp, skip: Label, timezone: str) -> Row:
    """Return what the page shows of a history.

    Args:
        shown: the history.
        look_up: the names.
        skip: what counts as a skip.
        timezone: of the hours.
    """
    return {
        "listener": shown.listener,
        "skipped": SKIPPED[skip],
        "timezone": timezone,
        "usual": {"rate": shown.rate, "plays": USUAL_PLAYS, "fewest": FEWEST_PLAYS},
        "plays": shown.plays,
        "cut": shown.cut,
        "undated": shown.undated,
        "sessions": shown.sessions,
        "artists": shown.artists,
        "tracks": shown.tracks,
        "days": shown.days,
        "hours": _hours(shown),
        "periods": _periods(shown),
        "by_artist": _ranked(shown, shown.by_artist, look_up, tracks=False),
        "by_track": _ranked(shown, shown.by_track, look_up, tracks=True),
    }


def _hours(shown: Listening) -> Row:
    """Return 168 hours, Monday's first, with their plays and shrunk rates, null without plays.

    And how far the rates are from the usual one, for colours.
    """
    hours = shown.hours
    plays, skips = (hours[name].to_numpy(float) for name in ("plays", "skips"))
    rate = np.where(plays > 0, shrunk(skips, plays, shown.rate), np.nan)
    return {"spread": spread(rate, shown.rate), "each": _records(hours.assign(rate=rate))}


def _periods(shown: Listening) -> list[Row]:
    """Return days, weeks or months with their rates and the ends of the 95 % intervals.

    They are null where there are too few plays.
    """
    plays, skips = (shown.periods[name].to_numpy(float) for name in ("plays", "skips"))
    enough = np.where(plays >= LEAST_PLAYS, plays, np.nan)
    low, high = interval(skips, enough)
    starts = shown.periods["start"].dt.strftime("%Y-%m-%d")
    return _records(shown.periods.assign(start=starts, rate=skips / enough, low=low, high=high))


def _ranked(
    shown: Listening, ranked: pd.DataFrame, look_up: LookUp, *, tracks: bool
) -> dict[str, list[Row]]:
    sides = {"skipped": most_skipped(ranked, shown.rate), "kept": most_kept(ranked, shown.rate)}
    return {
        side: [_named(row, look_up, tracks) for row in _records(rows)]
        for side, rows in sides.items()
    }


def _named(row: Row, look_up: LookUp, tracks: bool) -> Row:
    name, artist = look_up.track(row["id"]) if tracks else (look_up.artist(row["id"]), "")
    return {key: row[key] for key in ("plays", "skips", "rate")} | {"name": name, "artist": artist}


def _records(table: pd.DataFrame) -> list[Row]:
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    return cast(list[Row], rows)


def carried_by(contributions: pd.DataFrame) -> list[Row]:
    """Return how much each group of features moves predictions, the most first.

    Args:
        contributions: plays x features, log-odds, as `SkipModel.explain` returns them.

    Returns:
        `text`, what the features know, and `log_odds`, the mean size of their sum.
    """
    rows = []
    for group, blocks in GROUPS.items():
        own = [f.name for block in blocks for f in block.features if f.name in contributions]
        if own:
            size = float(contributions[own].sum(axis=1).abs().mean())
            rows.append({"text": CARRIES[group], "log_odds": size})
    return sorted(rows, key=lambda row: -row["log_odds"])
