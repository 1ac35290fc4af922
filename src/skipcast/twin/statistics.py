"""What the check of the twin measures: every published statistic, by one name each.

`measure` works on any plays and tracks in the official columns, real ones too; `published` holds
the same names with their published values and tolerances, from `twin_targets.json`.
"""

import json
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd

from skipcast.arrays import Array, Bools, Floats
from skipcast.schema import OUTCOMES

Measures = dict[str, float]

POSITIONS, LENGTHS = range(1, 21), range(10, 21)
LAGS = (1, 2, 3, 5, 9)
RUNS = range(1, 7)
MINI_PLAYS = 167_880
PAUSES = ("no_pause_before_play", "short_pause_before_play", "long_pause_before_play")
# Not published for this data set; sizes known of these features elsewhere, so a wide tolerance.
AUDIO = {
    ("energy", "loudness"): 0.75,
    ("danceability", "beat_strength"): 0.75,
    ("danceability", "bounciness"): 0.75,
    ("acousticness", "energy"): -0.65,
}


def read_targets() -> dict[str, Any]:
    """Read the published statistics that the package ships, with their sources."""
    text = files("skipcast.twin").joinpath("targets.json").read_text(encoding="utf-8")
    read: dict[str, Any] = json.loads(text)
    return read


def published() -> dict[str, tuple[float, float]]:
    """Return name -> (published value, tolerance) of everything that `measure` measures.

    >>> published()["skip_2 rate"]
    (0.517179, 0.01)
    """
    t = read_targets()
    rows = {f"length {k} share": (v, 0.015) for k, v in t["session_length"].items()}
    rows |= {f"skip_2 at position {k}": (t["skip_2_by_position"][k - 1], 0.02) for k in POSITIONS}
    rows |= {f"{name} rate": (t["skip_rates"][name], 0.01) for name in OUTCOMES}
    rows["outcomes out of order"] = (0.0, 0.0)
    for lag in LAGS:
        given_skip, given_not = t["skip_2_by_lag"][str(lag)]
        rows[f"skip given skip {lag} before"] = (given_skip, 0.015)
        rows[f"skip given not {lag} before"] = (given_not, 0.015)
    for k in RUNS:
        rows[f"skip after {k} skips"] = (t["next_after_skips"][k - 1], 0.02)
        rows[f"not after {k} nots"] = (t["next_after_nots"][k - 1], 0.02)
    rows |= {"ten skipped": (t["ten_skipped"], 0.012), "ten not": (t["ten_not_skipped"], 0.012)}
    for column in ("context_type", "reason_start", "reason_end"):
        rows |= {f"{column} {k} share": (v, 0.015) for k, v in t[column].items()}
    rows |= {f"{name} share": (t[name], 0.015) for name in ("premium", "shuffle", "context_switch")}
    rows |= {f"{name} share": (t["pauses"][name], 0.015) for name in PAUSES}
    starts = t["not_skipped_by_start"]
    rows["not_skipped given start fwdbtn"] = (starts["fwdbtn"], 0.02)
    rows["not_skipped given another start"] = (starts["other"], 0.02)
    rows |= {f"skip_2 in {k}": (v, 0.03) for k, v in t["skip_2_by_context_type"].items()}
    rows |= {f"skip_2 premium {k}": (v, 0.03) for k, v in t["skip_2_by_premium"].items()}
    rows |= {f"skip_2 at hour {k}": (v, 0.03) for k, v in enumerate(t["skip_2_by_hour"])}
    return rows | _published_of_tracks(t)


def _published_of_tracks(t: dict[str, Any]) -> dict[str, tuple[float, float]]:
    tracks = t["tracks"]
    distinct, top = tracks["distinct_among_167880_plays"], tracks["most_played_share"]
    rows = {
        "distinct tracks": (float(distinct), 0.1 * distinct),
        "most played track share": (top, 0.25 * top),
        "skip rate between tracks, sd": (tracks["sd_of_skip_rate"], 0.02),
        # Only the direction is known: between nothing and a twentieth.
        "skip_2 with popularity, correlation": (-0.025, 0.025),
        "mode major share": (t["mode_major"]["plays"], 0.05),
        "cells of another kind": (0.0, 0.0),
    }
    rows |= {f"{a} with {b}, correlation": (size, 0.2) for (a, b), size in AUDIO.items()}
    for feature in t["track_features"]:
        rows |= {f"{feature} over {over}, miss in sd": (0.0, 0.1) for over in ("tracks", "plays")}
    return rows


def measure(plays: pd.DataFrame, tracks: pd.DataFrame) -> Measures:
    """Measure whole sessions and the table of their tracks; NaN where there is nothing to measure.

    Args:
        plays: the columns of the log, whole sessions in order.
        tracks: the columns of the track table, one row per track.
    """
    names = {"hist_user_behavior_is_shuffle": "shuffle"}
    names |= {f"hist_user_behavior_reason_{x}": f"reason_{x}" for x in ("start", "end")}
    plays = plays.rename(columns=names)
    return {
        **_outcomes(plays),
        **_sequences(plays),
        **_shares(plays),
        **_groups(plays),
        **_plays_of_tracks(plays, tracks),
        **_features(plays, tracks),
    }


def _outcomes(plays: pd.DataFrame) -> Measures:
    lengths = plays.loc[plays["session_position"] == 1, "session_length"]
    by_position = plays.groupby("session_position")["skip_2"].mean()
    rows = {f"length {k} share": float((lengths == k).mean()) for k in LENGTHS}
    rows |= {f"skip_2 at position {k}": float(by_position.get(k, np.nan)) for k in POSITIONS}
    rows |= {f"{name} rate": float(plays[name].mean()) for name in OUTCOMES}
    wrong = plays["skip_1"] & ~plays["skip_2"] | plays["skip_2"] & ~plays["skip_3"]
    rows["outcomes out of order"] = float((wrong | plays["skip_3"] & plays["not_skipped"]).mean())
    return rows


def _sequences(plays: pd.DataFrame) -> Measures:
    """Measure skipping along the sessions, on a grid of sessions by positions."""
    session = (plays["session_position"] == 1).cumsum().to_numpy() - 1
    grid = np.full((session[-1] + 1, len(POSITIONS)), np.nan)
    grid[session, plays["session_position"].to_numpy() - 1] = plays["skip_2"].to_numpy(dtype=float)
    rows = {}
    for lag in LAGS:
        before, now = grid[:, :-lag], grid[:, lag:]
        there = ~np.isnan(now)
        rows[f"skip given skip {lag} before"] = _mean(now[there & (before == 1)])
        rows[f"skip given not {lag} before"] = _mean(now[there & (before == 0)])
    for k in RUNS:
        now, there = grid[:, k:], ~np.isnan(grid[:, k:])
        rows[f"skip after {k} skips"] = _mean(now[there & _run(grid, 1, k)[:, :-1]])
        rows[f"not after {k} nots"] = 1 - _mean(now[there & _run(grid, 0, k)[:, :-1]])
    there = ~np.isnan(grid[:, 9:])
    rows["ten skipped"] = _mean(_run(grid, 1, 10)[there])
    rows["ten not"] = _mean(_run(grid, 0, 10)[there])
    return rows


def _mean(values: Array) -> float:
    return float(values.mean()) if values.size else np.nan


def _run(grid: Floats, value: int, k: int) -> Bools:
    """Tell for each window of k neighbouring positions whether all are `value`; (n, 21 - k)."""
    windows = np.lib.stride_tricks.sliding_window_view(grid == value, k, axis=1)
    return np.asarray(windows.all(axis=2))


def _shares(plays: pd.DataFrame) -> Measures:
    rows: Measures = {}
    for column in ("context_type", "reason_start", "reason_end"):
        shares = plays[column].value_counts(normalize=True)
        known = read_targets()[column]
        rows |= {f"{column} {k} share": float(shares.get(k, 0.0)) for k in known}
    for name in ("premium", "shuffle", "context_switch", *PAUSES):
        rows[f"{name} share"] = float(plays[name].mean())
    return rows


def _groups(plays: pd.DataFrame) -> Measures:
    forward = plays["reason_start"] == "fwdbtn"
    rows = {
        "not_skipped given start fwdbtn": float(plays.loc[forward, "not_skipped"].mean()),
        "not_skipped given another start": float(plays.loc[~forward, "not_skipped"].mean()),
    }
    by_context = plays.groupby("context_type")["skip_2"].mean()
    rows |= {f"skip_2 in {k}": float(v) for k, v in by_context.items()}
    for value in (True, False):
        rate = plays.loc[plays["premium"] == value, "skip_2"].mean()
        rows[f"skip_2 premium {str(value).lower()}"] = float(rate)
    by_hour = plays.groupby("hour_of_day")["skip_2"].mean()
    rows |= {f"skip_2 at hour {k}": float(v) for k, v in by_hour.items()}
    return rows


def _plays_of_tracks(plays: pd.DataFrame, tracks: pd.DataFrame) -> Measures:
    ids = plays["track_id_clean"]
    # One play per session and track: replays within a session would pass for the track's own.
    once = plays.drop_duplicates(["session_id", "track_id_clean"])
    by_track = once.groupby("track_id_clean")["skip_2"].agg(["mean", "size"])
    m, share = by_track["mean"].mean(), (1 / by_track["size"]).mean()
    between = (by_track["mean"].var() - m * (1 - m) * share) / (1 - share)
    popularity = ids.map(tracks.set_index("track_id")["us_popularity_estimate"])
    return {
        "distinct tracks": float(ids.head(MINI_PLAYS).nunique()) if _like_mini(plays) else np.nan,
        "most played track share": float(ids.value_counts(normalize=True).iloc[0]),
        "skip rate between tracks, sd": float(np.sqrt(max(between, 0.0))),
        "skip_2 with popularity, correlation": float(
            np.corrcoef(popularity.rank(), plays["skip_2"])[0, 1]
        ),
    }


def _like_mini(plays: pd.DataFrame) -> bool:
    """Tell whether there are as many plays as in the mini set: fewer play other kinds of tracks."""
    return len(plays) >= 0.97 * MINI_PLAYS


def _features(plays: pd.DataFrame, tracks: pd.DataFrame) -> Measures:
    played = tracks.set_index("track_id").loc[plays["track_id_clean"]]
    rows = {}
    # Published over the tracks of so many plays; more plays reach deeper into the tail.
    mini = tracks[tracks["track_id"].isin(plays["track_id_clean"].head(MINI_PLAYS))]
    whole = ("release_year", "key", "time_signature")
    wrong = sum(float((tracks[name] % 1 != 0).mean()) for name in whole)
    rows["cells of another kind"] = wrong + float((~tracks["mode"].isin(["major", "minor"])).mean())
    rows["mode major share"] = float((played["mode"] == "major").mean())
    for a, b in AUDIO:
        rows[f"{a} with {b}, correlation"] = float(np.corrcoef(tracks[a], tracks[b])[0, 1])
    for feature, wanted in read_targets()["track_features"].items():
        rows[f"{feature} over plays, miss in sd"] = largest_miss(played[feature], wanted["plays"])
        miss = largest_miss(mini[feature], wanted["tracks"]) if _like_mini(plays) else np.nan
        rows[f"{feature} over tracks, miss in sd"] = miss
    return rows


def largest_miss(values: pd.Series, wanted: list[float]) -> float:
    """Return the largest miss among mean, sd, quartiles and range, in published sd.

    >>> largest_miss(pd.Series([0.0, 1.0, 2.0]), [1.0, 1.0, 0.0, 0.5, 1.0, 1.5, 2.25])
    0.25
    """
    got = [values.mean(), values.std(), *values.quantile([0.0, 0.25, 0.5, 0.75, 1.0])]
    return float(np.abs(np.array(got) - np.array(wanted)).max() / wanted[1])
