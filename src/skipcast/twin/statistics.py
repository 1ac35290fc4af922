"""The published statistics of the data set, and their measurement in plays and tracks.

`published` returns the published value and the tolerance of each statistic by name, from
`targets.json`. `measure` returns the same names with their values in any plays and tracks of the
official columns, synthetic or real. Shares and rates are 0..1.
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
# Correlations that are not published for this data set but known of these features elsewhere; that
# is why their tolerance is wide.
AUDIO = {
    ("energy", "loudness"): 0.75,
    ("danceability", "beat_strength"): 0.75,
    ("danceability", "bounciness"): 0.75,
    ("acousticness", "energy"): -0.65,
}


def read_targets() -> dict[str, Any]:
    """Read the published statistics that the package ships, with their sources."""
    text = files("skipcast.twin").joinpath("targets.json").read_text(encoding="utf-8")
    targets: dict[str, Any] = json.loads(text)
    return targets


def published() -> dict[str, tuple[float, float]]:
    """Return the published value and the tolerance of each statistic, by name.

    >>> published()["skip_2 rate"]
    (0.517179, 0.01)
    """
    targets = read_targets()
    rows = {f"length {k} share": (v, 0.015) for k, v in targets["session_length"].items()}
    rows |= {
        f"skip_2 at position {k}": (targets["skip_2_by_position"][k - 1], 0.02) for k in POSITIONS
    }
    rows |= {f"{name} rate": (targets["skip_rates"][name], 0.01) for name in OUTCOMES}
    rows["outcomes out of order"] = (0.0, 0.0)
    for lag in LAGS:
        after_skip, after_other = targets["skip_2_by_lag"][str(lag)]
        rows[f"skip given skip {lag} before"] = (after_skip, 0.015)
        rows[f"skip given not {lag} before"] = (after_other, 0.015)
    for k in RUNS:
        rows[f"skip after {k} skips"] = (targets["next_after_skips"][k - 1], 0.02)
        rows[f"not after {k} nots"] = (targets["next_after_nots"][k - 1], 0.02)
    rows |= {
        "ten skipped": (targets["ten_skipped"], 0.012),
        "ten not": (targets["ten_not_skipped"], 0.012),
    }
    for column in ("context_type", "reason_start", "reason_end"):
        rows |= {f"{column} {k} share": (v, 0.015) for k, v in targets[column].items()}
    rows |= {
        f"{name} share": (targets[name], 0.015) for name in ("premium", "shuffle", "context_switch")
    }
    rows |= {f"{name} share": (targets["pauses"][name], 0.015) for name in PAUSES}
    starts = targets["not_skipped_by_start"]
    rows["not_skipped given start fwdbtn"] = (starts["fwdbtn"], 0.02)
    rows["not_skipped given another start"] = (starts["other"], 0.02)
    rows |= {f"skip_2 in {k}": (v, 0.03) for k, v in targets["skip_2_by_context_type"].items()}
    rows |= {f"skip_2 premium {k}": (v, 0.03) for k, v in targets["skip_2_by_premium"].items()}
    rows |= {f"skip_2 at hour {k}": (v, 0.03) for k, v in enumerate(targets["skip_2_by_hour"])}
    return rows | _published_of_tracks(targets)


def _published_of_tracks(targets: dict[str, Any]) -> dict[str, tuple[float, float]]:
    tracks = targets["tracks"]
    distinct, top = tracks["distinct_among_167880_plays"], tracks["most_played_share"]
    rows = {
        "distinct tracks": (float(distinct), 0.1 * distinct),
        "most played track share": (top, 0.25 * top),
        "skip rate between tracks, sd": (tracks["sd_of_skip_rate"], 0.02),
        # Only the direction is known: between nothing and a twentieth.
        "skip_2 with popularity, correlation": (-0.025, 0.025),
        "mode major share": (targets["mode_major"]["plays"], 0.05),
        "cells of another kind": (0.0, 0.0),
    }
    rows |= {f"{a} with {b}, correlation": (size, 0.2) for (a, b), size in AUDIO.items()}
    for feature in targets["track_features"]:
        rows |= {f"{feature} over {over}, miss in sd": (0.0, 0.1) for over in ("tracks", "plays")}
    return rows


def measure(plays: pd.DataFrame, tracks: pd.DataFrame) -> Measures:
    """Return each statistic by name; NaN where the plays are too few to measure it.

    Args:
        plays: columns `schema.LOG`, whole sessions in order of position.
        tracks: columns `schema.TRACK`, each track of the plays once.
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
    """Measure how skips follow each other, on a grid of sessions x positions, NaN after the end."""
    session = (plays["session_position"] == 1).cumsum().to_numpy() - 1
    grid = np.full((session[-1] + 1, len(POSITIONS)), np.nan)
    grid[session, plays["session_position"].to_numpy() - 1] = plays["skip_2"].to_numpy(dtype=float)
    rows = {}
    for lag in LAGS:
        before, now = grid[:, :-lag], grid[:, lag:]
        exists = ~np.isnan(now)
        rows[f"skip given skip {lag} before"] = _mean(now[exists & (before == 1)])
        rows[f"skip given not {lag} before"] = _mean(now[exists & (before == 0)])
    for k in RUNS:
        now, exists = grid[:, k:], ~np.isnan(grid[:, k:])
        rows[f"skip after {k} skips"] = _mean(now[exists & _run(grid, 1, k)[:, :-1]])
        rows[f"not after {k} nots"] = 1 - _mean(now[exists & _run(grid, 0, k)[:, :-1]])
    exists = ~np.isnan(grid[:, 9:])
    rows["ten skipped"] = _mean(_run(grid, 1, 10)[exists])
    rows["ten not"] = _mean(_run(grid, 0, 10)[exists])
    return rows


def _mean(values: Array) -> float:
    return float(values.mean()) if values.size else np.nan


def _run(grid: Floats, value: int, k: int) -> Bools:
    """Return whether all of each k neighbouring positions are `value`: sessions x (21 - k)."""
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
    # One play per session and track: replays in a session say more of the listener than the track.
    once = plays.drop_duplicates(["session_id", "track_id_clean"])
    by_track = once.groupby("track_id_clean")["skip_2"].agg(["mean", "size"])
    rate, share = by_track["mean"].mean(), (1 / by_track["size"]).mean()
    # The variance of the rates, less what chance gives to rates of few plays.
    between = (by_track["mean"].var() - rate * (1 - rate) * share) / (1 - share)
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
    """Return whether there are as many plays as in the mini set; fewer have fewer rare tracks."""
    return len(plays) >= 0.97 * MINI_PLAYS


def _features(plays: pd.DataFrame, tracks: pd.DataFrame) -> Measures:
    by_play = tracks.set_index("track_id").loc[plays["track_id_clean"]]
    rows = {}
    # Published over the tracks of MINI_PLAYS plays; more plays have more rare tracks.
    mini = tracks[tracks["track_id"].isin(plays["track_id_clean"].head(MINI_PLAYS))]
    whole = ("release_year", "key", "time_signature")
    wrong = sum(float((tracks[name] % 1 != 0).mean()) for name in whole)
    rows["cells of another kind"] = wrong + float((~tracks["mode"].isin(["major", "minor"])).mean())
    rows["mode major share"] = float((by_play["mode"] == "major").mean())
    for a, b in AUDIO:
        rows[f"{a} with {b}, correlation"] = float(np.corrcoef(tracks[a], tracks[b])[0, 1])
    for feature, target in read_targets()["track_features"].items():
        rows[f"{feature} over plays, miss in sd"] = largest_miss(by_play[feature], target["plays"])
        miss = largest_miss(mini[feature], target["tracks"]) if _like_mini(plays) else np.nan
        rows[f"{feature} over tracks, miss in sd"] = miss
    return rows


def largest_miss(values: pd.Series, target: list[float]) -> float:
    """Return how far the worst of seven statistics is from its target, in published sd, 0 or more.

    Args:
        values: of one feature.
        target: mean, sd, minimum, the three quartiles and maximum, as published.

    >>> largest_miss(pd.Series([0.0, 1.0, 2.0]), [1.0, 1.0, 0.0, 0.5, 1.0, 1.5, 2.25])
    0.25
    """
    statistics = [values.mean(), values.std(), *values.quantile([0.0, 0.25, 0.5, 0.75, 1.0])]
    return float(np.abs(np.array(statistics) - np.array(target)).max() / target[1])
