"""The outcome, previous-track and running-mean features in plain pandas, as whole columns.

It is what `features.py` compares with, and is written to be fast, not to be short.
"""

import numpy as np
import pandas as pd

from skipcast.schema import TRACK_INPUTS

WEIGHT, RATE = 2.0, 0.517  # as in skip_rate
REASONS = {"forward": "fwdbtn", "back": "backbtn", "done": "trackdone"}
Columns = dict[str, pd.Series]


def compute_by_pandas(plays: pd.DataFrame) -> pd.DataFrame:
    """Return the features of plays with their track features, one row per play, as float32."""
    track = plays[list(TRACK_INPUTS)].assign(mode=(plays["mode"] == "major").astype(float))
    previous = track.groupby(plays["session_id"], sort=False).shift(1)
    change = track - previous
    table = pd.DataFrame(_outcomes(plays) | _rates(plays))
    table = table.join(previous.add_prefix("previous_")).join(change.add_prefix("change_of_"))
    return table.astype(np.float32)


def _outcomes(plays: pd.DataFrame) -> Columns:
    """Return how the last plays ended, and how long ago some things happened."""
    by, position = plays["session_id"], plays["session_position"]
    count = position - 1
    depth = 3 - plays[["skip_1", "skip_2", "skip_3"]].sum(axis=1) + plays["not_skipped"]
    outcome = pd.DataFrame({"depth": depth, "skipped": plays["skip_2"].astype(float)})
    earlier = outcome.groupby(by, sort=False)
    at = pd.DataFrame(
        {
            "skip": position.where(plays["skip_2"]),
            "listen": position.where(~plays["skip_2"]),
            "full": position.where(plays["not_skipped"]),
        }
    )
    last = at.groupby(by, sort=False).ffill().groupby(by, sort=False).shift(1)
    previous = earlier["skipped"].shift(1)
    skips, listens = count - last["listen"].fillna(0), last["skip"].fillna(0) - count
    return {
        **{f"depth_{k}": earlier["depth"].shift(k) for k in range(1, 6)},
        "previous_skipped": previous,
        "streak": skips.where(previous == 1, listens).where(count > 0),
        "plays_since_skip": position - last["skip"],
        "plays_since_full_listen": position - last["full"],
    }


def _rates(plays: pd.DataFrame) -> Columns:
    """Return running means over the earlier plays."""
    count = plays["session_position"] - 1
    ended = plays["hist_user_behavior_reason_end"]
    flags = pd.DataFrame({name: (ended == r).astype(float) for name, r in REASONS.items()})
    flags["skipped"] = plays["skip_2"].astype(float)
    total = flags.groupby(plays["session_id"], sort=False).cumsum() - flags
    rates = {f"{name}_rate": total[name] / count.where(count > 0) for name in REASONS}
    return {"skip_rate": (total["skipped"] + RATE * WEIGHT) / (count + WEIGHT), **rates}
