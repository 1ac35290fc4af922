"""The twin: synthetic sessions in the official layout, with none of its rows.

Each session has a hidden mood (how impatient its listener is) and each track a hidden appeal; how
far a play gets depends on both and on how the play before ended. The skip columns nest: `skip_1`
implies `skip_2` implies `skip_3`, and `not_skipped` excludes `skip_3`.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from pyarrow import csv

from skipcast.schema import LOG, MODES, SYNTHETIC_PREFIX, TRACK, names

CHUNK = 10_000  # sessions made at a time: what bounds the memory
TRACKS_PER_SESSION = 5
CONTEXTS = ("user_collection", "catalog", "editorial_playlist", "radio", "charts")
CONTEXT_SHARES = (0.41, 0.23, 0.21, 0.13, 0.02)

Floats = npt.NDArray[np.float64]


def write_twin(folder: Path, *, sessions: int, seed: int) -> None:
    """Write `sessions` synthetic sessions and their tracks to `folder` in the official layout.

    Memory does not grow with `sessions`; the same seed gives the same bytes.
    """
    rng = np.random.default_rng(seed)
    n_tracks = TRACKS_PER_SESSION * sessions
    appeal = rng.normal(0, 0.5, n_tracks)
    _write_csv(folder / "track_features" / "tf_mini.csv", [_tracks(appeal, rng)])
    log = (
        _sessions(min(CHUNK, sessions - first), first, seed, appeal, rng)
        for first in range(0, sessions, CHUNK)
    )
    _write_csv(folder / "training_set" / "log_mini.csv", log)


def _write_csv(path: Path, frames: Iterable[pd.DataFrame]) -> None:
    path.parent.mkdir(parents=True)
    writer = None
    for frame in frames:
        table = pa.Table.from_pandas(frame, preserve_index=False)
        writer = writer or csv.CSVWriter(
            path, table.schema, write_options=csv.WriteOptions(quoting_style="none")
        )
        writer.write_table(table)
    if writer:
        writer.close()


def _track_ids(numbers: npt.NDArray[np.int64]) -> list[str]:
    return [f"{SYNTHETIC_PREFIX}track-{n:07d}" for n in numbers]


def _tracks(appeal: Floats, rng: np.random.Generator) -> pd.DataFrame:
    n = len(appeal)
    energetic = rng.normal(size=n)
    danceable = rng.normal(size=n)

    def share(mean: float, loading: Floats) -> Floats:
        noisy = np.log(mean / (1 - mean)) + 0.9 * loading + 0.6 * rng.normal(size=n)
        return np.asarray(1 / (1 + np.exp(-noisy))).round(6)

    columns: dict[str, object] = {
        "track_id": _track_ids(np.arange(n)),
        "duration": np.exp(rng.normal(5.35, 0.25, n)).clip(30, 1800).round(3),
        "release_year": 2018 - rng.geometric(0.12, n).clip(1, 68),
        "us_popularity_estimate": (100 - rng.exponential(1.0 + 0.3 * np.abs(appeal), n)).clip(90),
        "acousticness": share(0.25, -energetic),
        "beat_strength": share(0.5, danceable),
        "bounciness": share(0.53, danceable),
        "danceability": share(0.62, danceable),
        "dyn_range_mean": (8 + danceable + rng.normal(0, 1.5, n)).clip(0),
        "energy": share(0.65, energetic),
        "flatness": rng.normal(1.0, 0.03, n).clip(0),
        "instrumentalness": share(0.05, rng.normal(0, 2, n)),
        "key": rng.integers(0, 12, n),
        "liveness": share(0.2, rng.normal(0, 0.5, n)),
        "loudness": (-7 + 2.5 * energetic + rng.normal(0, 1.5, n)).clip(-60, 1),
        "mechanism": share(0.55, danceable),
        "mode": np.array(MODES)[rng.integers(0, 2, n)],
        "organism": share(0.4, -energetic),
        "speechiness": share(0.1, rng.normal(0, 0.5, n)),
        "tempo": rng.normal(120, 28, n).clip(40, 220).round(3),
        "time_signature": rng.choice([3, 4, 5], n, p=[0.08, 0.9, 0.02]),
        "valence": share(0.5, energetic),
    }
    for i in range(8):
        columns[f"acoustic_vector_{i}"] = rng.normal(0, 0.25, n).round(6)
    return pd.DataFrame(columns)[names(TRACK)]


def _sessions(
    n: int, first: int, seed: int, appeal: Floats, rng: np.random.Generator
) -> pd.DataFrame:
    length = rng.choice(np.arange(10, 21), n, p=[0.05] * 10 + [0.5])
    mood = rng.normal(0, 1.2, n)
    numbers = np.arange(first, first + n)
    steady = {
        "session_id": [f"{SYNTHETIC_PREFIX}{seed}-{number:09d}" for number in numbers],
        "session_length": length,
        "hour_of_day": rng.integers(6, 24, n),
        "date": np.full(n, "2018-07-15"),
        "premium": rng.random(n) < 0.8,
        "context_type": rng.choice(CONTEXTS, n, p=CONTEXT_SHARES),
        "hist_user_behavior_is_shuffle": rng.random(n) < 0.3,
    }
    skipped = np.full(n, False)
    ended = rng.choice(["clickrow", "fwdbtn", "trackdone"], n, p=[0.4, 0.2, 0.4])
    plays = []
    for position in range(1, 21):
        track = (len(appeal) * rng.random(n) ** 2).astype(np.int64)
        # How impatient the listener is with this play; a logistic threshold decides each depth.
        impatience = mood - appeal[track] + np.where(skipped, 1.1, -0.9) + rng.logistic(size=n)
        play = {
            **steady,
            "session_position": np.full(n, position),
            "track_id_clean": np.array(_track_ids(track)),
            "skip_1": impatience > 0.55,
            "skip_2": (skipped := impatience > 0.0),
            "skip_3": impatience > -0.8,
            "not_skipped": (listened := impatience < -0.9),
            "hist_user_behavior_reason_start": ended,
        }
        ended = np.where(listened, "trackdone", "fwdbtn")
        plays.append(pd.DataFrame({**play, "hist_user_behavior_reason_end": ended}))
    frame = pd.concat(plays)
    frame = frame[frame["session_position"] <= frame["session_length"]]
    paused = (rng.random(len(frame)) < 0.2) & (frame["session_position"] > 1)
    frame["context_switch"] = np.where(rng.random(len(frame)) < 0.04, 1, 0)
    frame["no_pause_before_play"] = np.where(frame["session_position"] == 1, 0, 1 - paused)
    frame["short_pause_before_play"] = np.where(paused & (rng.random(len(frame)) < 0.8), 1, 0)
    frame["long_pause_before_play"] = np.where(paused, 1, 0)
    for seek in ("hist_user_behavior_n_seekfwd", "hist_user_behavior_n_seekback"):
        frame[seek] = np.where(rng.random(len(frame)) < 0.03, rng.integers(1, 4, len(frame)), 0)
    frame = frame.sort_values(["session_id", "session_position"], kind="stable")
    return frame[names(LOG)]
