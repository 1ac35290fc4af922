"""What listeners' own histories show: when, since when and what they skip.

Only plays that were skipped or not count; those that the app cut were neither. Rates that are
compared with each other are shrunk: see `shrunk`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from skipcast.arrays import Floats
from skipcast.schema import TARGET, Label

if TYPE_CHECKING:
    from pandas.core.groupby import SeriesGroupBy

USUAL_PLAYS = 10  # that a listener's usual rate counts for beside the plays of a shrunk rate
FEWEST_PLAYS = 5  # of an artist or a track that is ranked
LEAST_PLAYS = 20  # of a period whose rate is shown: that of fewer says little
LEAST_SPREAD = 0.1  # of rates by their colours, on either side of the usual one
TOP = 10  # artists or tracks that are shown on either side
DAYS, HOURS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"), 24
SKIPPED: dict[Label, str] = {"brief": "skipped within 30 s", "any": "ended by the listener"}
"""What was done to a play that counts as skipped, by label."""
Z = 1.96  # of a 95 % interval


@dataclass(frozen=True)
class Listening:
    """What one listener's history shows.

    Attributes:
        listener: the id.
        plays: how many were skipped or not.
        cut: how many more the app cut.
        sessions: of all plays.
        artists: how many different ones.
        tracks: how many different ones.
        rate: the usual rate: share of plays that were skipped, 0..1.
        days: the first and the last day, such as 2019-05-03; None where no start is known.
        hours: plays and skips of each day of the week and hour of the day, 168 rows in that order.
        periods: the same of each day, week or month, as `by_period` returns it.
        by_artist: `id`, plays, skips and shrunk `rate` of those with enough plays.
        by_track: the same of tracks.
    """

    listener: str
    plays: int
    cut: int
    sessions: int
    artists: int
    tracks: int
    rate: float
    days: tuple[str, str] | None
    hours: pd.DataFrame
    periods: pd.DataFrame
    by_artist: pd.DataFrame
    by_track: pd.DataFrame

    @property
    def undated(self) -> int:
        """How many plays are in no period: their start is not known."""
        return self.plays - int(self.periods["plays"].sum())


def listenings(plays: pd.DataFrame) -> Iterator[Listening]:
    """Yield what the history of each listener shows, those of most plays first.

    Args:
        plays: columns `schema.LOG` in order of session and position, the label in skip_2.
    """
    sizes = (
        plays.groupby("listener_id", sort=True).size().sort_values(ascending=False, kind="stable")
    )
    for listener in sizes.index:
        own = plays[plays["listener_id"] == listener]
        if own[TARGET].notna().any():
            yield _listening(str(listener), own)


def _listening(listener: str, plays: pd.DataFrame) -> Listening:
    dates = _dates(plays)
    is_known = plays[TARGET].notna()
    known = plays[is_known].assign(skipped=plays.loc[is_known, TARGET].astype(bool))
    rate = float(known["skipped"].mean())
    periods = by_period(dates[is_known], known["skipped"])
    days = dates.dropna()
    return Listening(
        listener,
        plays=len(known),
        cut=len(plays) - len(known),
        sessions=plays["session_id"].nunique(),
        artists=known["artist_id"].nunique(),
        tracks=known["track_id_clean"].nunique(),
        rate=rate,
        days=(f"{days.min():%Y-%m-%d}", f"{days.max():%Y-%m-%d}") if len(days) else None,
        hours=by_hour(known),
        periods=periods,
        by_artist=by_key(known, "artist_id", rate),
        by_track=by_key(known, "track_id_clean", rate),
    )


def shrunk(skips: Floats, plays: Floats, usual: float) -> Floats:
    """Return skip rates as if `USUAL_PLAYS` more plays had been skipped at the usual rate.

    So a rate of few plays is near the usual one, and one of many plays is what it is.

    Args:
        skips: how many plays were skipped.
        plays: how many there are.
        usual: the listener's rate, 0..1.

    >>> shrunk(np.array([2.0, 200.0]), np.array([2.0, 200.0]), 0.4).round(3).tolist()
    [0.5, 0.971]
    """
    result: Floats = (skips + usual * USUAL_PLAYS) / (plays + USUAL_PLAYS)
    return result


def interval(skips: Floats, plays: Floats) -> tuple[Floats, Floats]:
    """Return the ends of the 95 % intervals of rates (Wilson's), 0..1; NaN without plays.

    >>> [float(end[0].round(2)) for end in interval(np.array([3.0]), np.array([10.0]))]
    [0.11, 0.6]
    """
    count = np.where(plays > 0, plays, np.nan)
    rate, square = skips / count, Z * Z / count
    half = np.sqrt(square * (rate * (1 - rate) + square / 4))
    middle = rate + square / 2
    return (middle - half) / (1 + square), (middle + half) / (1 + square)


def by_hour(plays: pd.DataFrame) -> pd.DataFrame:
    """Count plays and skips by `weekday`, Monday 0 to Sunday 6, and `hour` of the day, 0 to 23.

    Args:
        plays: date, hour_of_day and `skipped`; those without either of the first are left out.
    """
    dated = plays[plays["date"].notna() & plays["hour_of_day"].notna()]
    weekday = pd.to_datetime(dated["date"]).dt.day_of_week
    hour = dated["hour_of_day"].astype(int)
    counts = _counts(dated.groupby([weekday.rename("weekday"), hour.rename("hour")])["skipped"])
    every = pd.MultiIndex.from_product([range(7), range(HOURS)], names=["weekday", "hour"])
    return counts.reindex(every, fill_value=0).astype(int).reset_index()


def spread(rates: Floats, usual: float) -> float:
    """Return how far from the usual rate 95 % of the rates are at most, `LEAST_SPREAD` or more.

    Colours go as far: by the farthest rate of all, the others would look alike.

    >>> spread(np.array([0.3, 0.5, np.nan]), 0.3)
    0.19
    """
    far = np.abs(rates[~np.isnan(rates)] - usual)
    return max(LEAST_SPREAD, float(np.quantile(far, 0.95)) if len(far) else 0.0)


def by_period(dates: pd.Series, skipped: pd.Series) -> pd.DataFrame:
    """Count plays and skips by day, week or month, the longest of which there are enough.

    Args:
        dates: of each play; NaT where it is not known.
        skipped: whether each play was skipped.

    Returns:
        `start`, length in `days`, plays and skips of each period from the first to the last, also
        of those without plays.
    """
    known = dates.dropna()
    if known.empty:
        return pd.DataFrame({"start": pd.DatetimeIndex([]), "days": [], "plays": [], "skips": []})
    days = (known.max() - known.min()).days
    unit = "M" if days > 365 else "W" if days > 60 else "D"
    counts = _counts(skipped.loc[known.index].groupby(known.dt.to_period(unit)))
    every = pd.period_range(counts.index.min(), counts.index.max(), freq=unit)
    counts = counts.reindex(every, fill_value=0).astype(int)
    span = (every.end_time.normalize() - every.start_time).days + 1
    return counts.reset_index(drop=True).assign(start=every.start_time, days=span)


def by_key(plays: pd.DataFrame, key: str, usual: float) -> pd.DataFrame:
    """Count plays and skips of each artist or track with `FEWEST_PLAYS`; see `Listening`.

    Args:
        plays: `key` and `skipped`.
        key: artist_id or track_id_clean.
        usual: the listener's rate, 0..1.
    """
    counts = _counts(plays.groupby(key, sort=True)["skipped"])
    counts = counts[counts["plays"] >= FEWEST_PLAYS].rename_axis("id").reset_index()
    rate = shrunk(counts["skips"].to_numpy(float), counts["plays"].to_numpy(float), usual)
    return counts.assign(rate=rate)


def most_skipped(ranked: pd.DataFrame, usual: float) -> pd.DataFrame:
    """Return the `TOP` rows of `by_key` with the highest rates above the usual, highest first."""
    rows = ranked[ranked["rate"] > usual]
    return rows.sort_values(["rate", "plays"], ascending=False, kind="stable").head(TOP)


def most_kept(ranked: pd.DataFrame, usual: float) -> pd.DataFrame:
    """Return the `TOP` rows of `by_key` with the lowest rates below the usual, lowest first."""
    rows = ranked[ranked["rate"] < usual]
    return rows.sort_values(["rate", "plays"], ascending=[True, False], kind="stable").head(TOP)


def _counts(skipped: "SeriesGroupBy[bool, Any]") -> pd.DataFrame:
    """Return how many plays each group has, and how many of them were skipped."""
    return pd.DataFrame({"plays": skipped.size(), "skips": skipped.sum()}).astype(int)


def _dates(plays: pd.DataFrame) -> pd.Series:
    """Return each play's day; where its start is not known, that of the next in its session."""
    dates = pd.to_datetime(plays["date"])
    sessions = dates.groupby(plays["session_id"], sort=False)
    return sessions.bfill().fillna(sessions.ffill())
