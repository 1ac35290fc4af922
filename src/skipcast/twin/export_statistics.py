"""The published statistics of real histories, and their measurement in any plays of listeners.

`published` returns the published value and the tolerance of each statistic by name, from
`streaming_stats.json`. `measure` returns the same names with their values. Shares and rates are
0..1; rates are of plays that count, which are those that the app did not cut.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from skipcast.archive.history_plays import SESSION_GAP
from skipcast.arrays import Array
from skipcast.twin.export_reasons import CUTS, SKIPS, read_stats

Measures = dict[str, float]
Published = dict[str, tuple[float, float]]

LISTENERS, PLAYS = 18, 323_099  # of the published statistics
FEWEST = 300  # plays from which a rate or quantile is measured
FEW_LISTENERS = 12  # with fewer, nothing is said of how listeners differ
LONG_HISTORY = 8_000  # plays of a listener; repeats of shorter histories are fewer
LABELS = {"skip_within_30_s": "brief", "skip_any": "any"}
GIVEN = {  # with the tolerance
    "rate": ("rate", 0.02),
    "given_last_skipped": ("given last skipped", 0.025),
    "given_last_not": ("given last not", 0.025),
    "given_same_track_skipped_last_time": ("given same track skipped last time", 0.035),
    "given_same_track_not": ("given same track not", 0.035),
    "track_new_to_listener": ("of tracks new to the listener", 0.035),
    "given_same_artist_skipped_last_time": ("given same artist skipped last time", 0.035),
    "given_same_artist_not": ("given same artist not", 0.035),
}
OVER_LISTENERS = {
    "ended_by_listener": 0.1,
    "ended_by_listener_within_30_s": 0.08,
    "cut_by_app": 0.04,
    "shuffle": 0.15,
    "play_of_a_track_heard_before": 0.1,
    "play_of_an_artist_heard_before": 0.08,
}
ENDS_OF_RANGE = ("least", "median", "most")


def published() -> Published:
    """Return the published value and the tolerance of each statistic, by name.

    >>> published()["brief rate"]
    (0.3047, 0.02)
    """
    stats = read_stats()
    rows: Published = {}
    for side in ("start", "end"):
        known = _large(stats[f"reason_{side}"], 0.01)
        rows |= {f"reason_{side} {k} share": (v, 0.015) for k, v in known.items()}
    for before, starts in stats["reason_start_given_end_before"].items():
        for start, share in _large(starts, 0.08).items():
            rows[f"start {start} after {before}"] = (share, 0.06)
    for start, ends in stats["reason_end_given_reason_start"].items():
        for end, share in _large(ends, 0.05).items():
            rows[f"end {end} of start {start}"] = (share, 0.06)
    for label, name in LABELS.items():
        rows |= _published_skips(stats[label], name)
    rows |= _published_quantiles(stats) | _published_ranges(stats)
    for year, share in stats["offline_timestamp_given"].items():
        rows[f"start given in {year}"] = (share, 0.03)
    rows["starts that fit the end before"] = (0.95, 0.05)
    return rows


def _large(shares: Mapping[str, float], least: float) -> dict[str, float]:
    return {name: share for name, share in shares.items() if share >= least}


def _published_skips(known: dict[str, Any], name: str) -> Published:
    rows = {f"{name} {x}": (known[k], tolerance) for k, (x, tolerance) in GIVEN.items()}
    rows[f"{name} sd between listeners"] = (known["sd_between_listeners"], 0.03)
    for start, rate in known["by_reason_start"].items():
        rows[f"{name} of start {start}"] = (rate, 0.03)
    for position, rate in known["by_position"].items():
        rows[f"{name} at position {position}"] = (rate, 0.04)
    return rows


def _published_quantiles(stats: dict[str, Any]) -> Published:
    """Return quantiles; the tolerances of the wide ones are relative."""
    rows: Published = {}
    for end, quantiles in stats["seconds_played_by_reason_end"].items():
        for q, value in quantiles.items():
            rows[f"seconds of {end}, {q} quantile"] = (value, 0.3 + 0.2 * value)
    for key, name in (
        ("gap_before_play_seconds_within_session", "gap to end less played"),
        ("gap_by_known_start", "gap to start"),
    ):
        for q, value in stats[key].items():
            if 0.01 < float(q) < 0.99:
                wide = 0.9 if value < 0 else 0.3  # the tail of overlaps is long
                rows[f"{name}, {q} quantile"] = (value, 1.0 + wide * abs(value))
    sessions = stats["session_plays_20_minute_gap"]
    for q in ("0.1", "0.25", "0.5", "0.75", "0.9", "0.99"):
        rows[f"plays of a session, {q} quantile"] = (sessions[q], 1.0 + 0.1 * sessions[q])
    rows["plays of a session, mean"] = (sessions["mean"], 1.2)
    rows["sessions of one play"] = (sessions["one_play"], 0.03)
    long = "share_of_plays_in_sessions_of_10_or_more"
    rows["plays in sessions of 10 or more"] = (sessions[long], 0.03)
    for q, value in stats["plays_per_track_and_listener"].items():
        rows[f"plays of a track, {q} quantile"] = (value, 1.0 + 0.4 * value)
    return rows


def _published_ranges(stats: dict[str, Any]) -> Published:
    rows: Published = {}
    for key, tolerance in OVER_LISTENERS.items():
        for name, value in zip(ENDS_OF_RANGE, stats["shares"][key], strict=True):
            rows[f"{key} by listener, {name}"] = (value, tolerance)
    for key in ("tracks", "artists"):
        for name, value in zip(ENDS_OF_RANGE, stats[f"{key}_per_1000_plays"], strict=True):
            rows[f"{key} per 1000 plays, {name}"] = (value, 25 + 0.3 * value)
    for name, value in zip(ENDS_OF_RANGE, stats["same_second_ties"], strict=True):
        rows[f"plays ended in the same second, {name}"] = (value, 0.015 + 0.3 * value)
    rows["rows that stand twice, most"] = (0.05, 0.015)
    return rows


def measure(plays: pd.DataFrame, duplicates: Iterable[float] = ()) -> Measures:
    """Return each statistic by name; NaN where plays or listeners are too few to measure it.

    Args:
        plays: `listener`, `ended` and `started` (seconds since 1970; NaN where unknown), `seconds`
            played, `start` and `end` (reasons), `track`, `artist`, `shuffle`; in order of listener
            and time.
        duplicates: the share of rows that stood twice, of each listener.
    """
    plays = with_outcomes(plays)
    return {
        **_reasons(plays),
        **_skips(plays, "brief"),
        **_skips(plays, "any"),
        **_times(plays),
        **_repeats(plays),
        **_ranges(plays, list(duplicates)),
        **_known_starts(plays),
    }


def with_outcomes(plays: pd.DataFrame) -> pd.DataFrame:
    """Add what is measured of each play; its outcomes `brief` and `any` are NaN if it was cut."""
    by_hand, cut = plays["end"].isin(SKIPS), plays["end"].isin(CUTS)
    new = plays["listener"].ne(plays["listener"].shift())
    before = plays["ended"].shift().mask(new)
    gap = plays["ended"] - plays["seconds"] - before
    session = (new | (gap > SESSION_GAP)).cumsum()
    return plays.assign(
        brief=(by_hand & (plays["seconds"] < 30)).astype(float).mask(cut),
        any=by_hand.astype(float).mask(cut),
        cut=cut,
        gap=gap,
        known_gap=plays["started"] - before,
        before=plays["end"].shift().mask(new),
        tie=plays["ended"].eq(before),
        session=session,
        position=plays.groupby(session).cumcount() + 1,
    )


def _mean(values: pd.Series) -> float:
    values = values.dropna()
    return float(values.mean()) if len(values) >= FEWEST else np.nan


def _quantile(values: Array, q: str) -> float:
    return float(np.quantile(values, float(q))) if len(values) >= FEWEST else np.nan


def _reasons(plays: pd.DataFrame) -> Measures:
    stats = read_stats()
    rows: Measures = {}
    for side in ("start", "end"):
        for name in _large(stats[f"reason_{side}"], 0.01):
            rows[f"reason_{side} {name} share"] = _mean(plays[side] == name)
    for before, starts in stats["reason_start_given_end_before"].items():
        own = plays.loc[plays["before"] == before, "start"]
        rows |= {f"start {k} after {before}": _mean(own == k) for k in _large(starts, 0.08)}
    for start, ends in stats["reason_end_given_reason_start"].items():
        own = plays.loc[plays["start"] == start, "end"]
        rows |= {f"end {k} of start {start}": _mean(own == k) for k in _large(ends, 0.05)}
    known = plays["before"].isin(["trackdone", "fwdbtn", "backbtn"])
    fits = (plays["start"] == plays["before"])[known]
    rows["starts that fit the end before"] = _mean(fits)
    return rows


def _skips(plays: pd.DataFrame, label: str) -> Measures:
    counted = plays.dropna(subset=[label])
    now = counted[label]
    last = now.groupby(counted["session"]).shift()
    rows = {"rate": _mean(now)}
    rows["given last skipped"], rows["given last not"] = (
        _mean(now[last == 1]),
        _mean(now[last == 0]),
    )
    for key in ("track", "artist"):
        last = now.groupby([counted["listener"], counted[key]]).shift()
        rows[f"given same {key} skipped last time"] = _mean(now[last == 1])
        rows[f"given same {key} not"] = _mean(now[last == 0])
        if key == "track":
            rows["of tracks new to the listener"] = _mean(now[last.isna()])
    rows["sd between listeners"] = _sd_of_listeners(now, counted["listener"])
    for start in read_stats()["skip_any"]["by_reason_start"]:
        rows[f"of start {start}"] = _mean(now[counted["start"] == start])
    for position in read_stats()["skip_any"]["by_position"]:
        own = counted["position"] == int(position)
        rows[f"at position {position}"] = _mean(now[own])
    return {f"{label} {name}": value for name, value in rows.items()}


def _sd_of_listeners(values: pd.Series, listener: pd.Series) -> float:
    rates = values.groupby(listener).mean()
    return float(rates.std()) if len(rates) >= FEW_LISTENERS else np.nan


def _times(plays: pd.DataFrame) -> Measures:
    stats = read_stats()
    rows: Measures = {}
    for end, quantiles in stats["seconds_played_by_reason_end"].items():
        own = plays.loc[plays["end"] == end, "seconds"].to_numpy()
        rows |= {f"seconds of {end}, {q} quantile": _quantile(own, q) for q in quantiles}
    within = plays["position"] > 1
    gaps = {"gap to end less played": "gap", "gap to start": "known_gap"}
    for name, column in gaps.items():
        own = plays.loc[within, column].dropna().to_numpy()
        known = stats["gap_by_known_start"]
        inner = [q for q in known if 0.01 < float(q) < 0.99]
        rows |= {f"{name}, {q} quantile": _quantile(own, q) for q in inner}
    length = plays.groupby("session").size().to_numpy()
    for q in ("0.1", "0.25", "0.5", "0.75", "0.9", "0.99"):
        rows[f"plays of a session, {q} quantile"] = _quantile(length, q)
    rows["plays of a session, mean"] = _mean(pd.Series(length))
    rows["sessions of one play"] = _mean(pd.Series(length == 1))
    long = pd.Series(length)[length >= 10].sum() / length.sum()
    rows["plays in sessions of 10 or more"] = float(long) if len(length) >= FEWEST else np.nan
    return rows


def _repeats(plays: pd.DataFrame) -> Measures:
    counts = plays.groupby(["listener", "track"]).size().to_numpy()
    if len(plays) < LONG_HISTORY * plays["listener"].nunique():
        counts = counts[:0]
    known = read_stats()["plays_per_track_and_listener"]
    return {f"plays of a track, {q} quantile": _quantile(counts, q) for q in known}


def _ranges(plays: pd.DataFrame, duplicates: list[float]) -> Measures:
    """Measure the least, the median and the most over listeners."""
    of = plays.groupby("listener")
    n = of.size()
    heard = {
        key: 1 - of[key].nunique() / n for key in ("track", "artist")
    }  # a first play was not heard before
    long = n.mean() >= LONG_HISTORY
    values = {
        "ended_by_listener by listener": of["any"].sum() / n,
        "ended_by_listener_within_30_s by listener": of["brief"].sum() / n,
        "cut_by_app by listener": of["cut"].mean(),
        "shuffle by listener": of["shuffle"].mean(),
        "play_of_a_track_heard_before by listener": heard["track"] if long else None,
        "play_of_an_artist_heard_before by listener": heard["artist"] if long else None,
        "tracks per 1000 plays": 1000 * (1 - heard["track"]) if long else None,
        "artists per 1000 plays": 1000 * (1 - heard["artist"]) if long else None,
        "plays ended in the same second": of["tie"].mean(),
    }
    rows: Measures = {}
    for name, by_listener in values.items():
        found = [np.nan] * 3
        if by_listener is not None and len(n) >= FEW_LISTENERS:
            found = np.quantile(by_listener, [0, 0.5, 1]).tolist()
        rows |= {f"{name}, {x}": float(v) for x, v in zip(ENDS_OF_RANGE, found, strict=True)}
    enough = len(duplicates) >= FEW_LISTENERS
    rows["rows that stand twice, most"] = max(duplicates) if enough else np.nan
    return rows


def _known_starts(plays: pd.DataFrame) -> Measures:
    when = pd.to_datetime(plays["ended"], unit="s")
    years, given = when.dt.year, plays["started"].notna()
    return {
        f"start given in {year}": _mean(given[years == int(year)])
        for year in read_stats()["offline_timestamp_given"]
    }
