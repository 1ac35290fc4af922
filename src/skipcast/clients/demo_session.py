"""The content of the page of `skipcast demo`: a session, play by play, with probabilities."""

import io
import json
from typing import Any

import numpy as np
import pandas as pd

from skipcast.arrays import Floats
from skipcast.errors import SkipcastError
from skipcast.features.build import GROUPS
from skipcast.schema import LOG, REASON_START, TARGET, Known, is_synthetic

MAX_PLAYS = 100  # of a pasted session: its prefixes are half as many rows as its length squared
TOP = 8  # contributions that are named one by one
TOLERANCE = 1e-3  # log-odds, between the served model and the one that explains it; both round
PASTED = "pasted"
UNKNOWN_BEFORE_THE_END = [column.name for column in LOG if column.known >= Known.ENDED]
SHOWN = {"track": "track_id_clean", "started_by": REASON_START, "context": "context_type"}
MEANINGS = {
    f.name: f.meaning for group in GROUPS.values() for block in group for f in block.features
}


def parse_session(text: str) -> pd.DataFrame:
    """Read one session from JSON (a list of plays, or a request to the server) or CSV.

    Args:
        text: plays with at least session_position and track_id_clean; session_id may be left out,
            and skip_2 may be called skipped.

    Returns:
        The plays with all columns of the text, in order of position.

    Raises:
        SkipcastError: the text is neither, or does not hold one session of whole numbered plays.

    >>> text = '[{"session_position": 1, "track_id_clean": "a", "skip_2": true}]'
    >>> parse_session(text)[["session_id", "session_position", "skip_2"]].values.tolist()
    [['pasted', 1, True]]
    """
    plays = _parse_json(text) if text.lstrip().startswith(("[", "{")) else _parse_csv(text)
    for name in ("session_position", "track_id_clean"):
        if name not in plays:
            raise SkipcastError(
                f"{name} must be given for each play but there is no such column among "
                f"{', '.join(map(str, plays)) or 'none'}. Add it, or paste a header, too."
            )
    if "session_id" not in plays:
        plays.insert(0, "session_id", PASTED)
    if TARGET not in plays:  # the page's word for it is as good
        plays = plays.rename(columns={"skipped": TARGET})
    sessions = plays["session_id"].astype(str).nunique()
    if sessions != 1 or len(plays) > MAX_PLAYS:
        raise SkipcastError(
            f"A pasted text must hold one session of 1 to {MAX_PLAYS} plays but got {sessions} of "
            f"{len(plays)} plays. Paste fewer rows."
        )
    positions = [_whole(position) for position in plays["session_position"]]
    plays = plays.assign(session_position=positions)
    return plays.sort_values("session_position", ignore_index=True)


def _whole(position: Any) -> int:
    if not isinstance(position, int | float) or position != position // 1:
        raise SkipcastError(
            f"session_position must be a whole number but got {position!r}. Correct the text."
        )
    return int(position)


def _parse_json(text: str) -> pd.DataFrame:
    try:
        content = json.loads(text)
        if isinstance(content, dict) and "dataframe_split" in content:
            split = content["dataframe_split"]
            content = [dict(zip(split["columns"], row, strict=True)) for row in split["data"]]
        elif isinstance(content, dict):
            content = content["dataframe_records"]
        return pd.DataFrame([{**play} for play in content])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SkipcastError(
            "JSON must be a list of plays, or a request with dataframe_records or dataframe_split, "
            f"but is not: {error}. Correct the text."
        ) from error


def _parse_csv(text: str) -> pd.DataFrame:
    try:
        return pd.read_csv(io.StringIO(text))
    except (ValueError, pd.errors.ParserError) as error:
        raise SkipcastError(
            f"The text must be JSON or CSV with a header but is neither: {error}. Correct it."
        ) from error


def prefixes(plays: pd.DataFrame) -> pd.DataFrame:
    """Return what was known when each play started: its history, and itself without its end.

    Args:
        plays: of one session, in order.

    Returns:
        The first play, the first two, the first three, ..., each as a session of its own.

    >>> plays = pd.DataFrame({"session_id": "s", "session_position": [1, 2], "skip_2": True})
    >>> prefixes(plays)[["session_id", "session_position", "skip_2"]].values.tolist()
    [['s, first 1 plays', 1, None], ['s, first 2 plays', 1, True], ['s, first 2 plays', 2, None]]
    """
    count = len(plays)
    lengths = np.repeat(np.arange(1, count + 1), np.arange(1, count + 1))
    rows = np.concatenate([np.arange(length) for length in range(1, count + 1)])
    known = plays.take(rows).reset_index(drop=True).astype(object)
    known["session_id"] = [
        f"{id_}, first {n} plays" for id_, n in zip(known["session_id"], lengths, strict=True)
    ]
    ahead = known.columns.intersection(UNKNOWN_BEFORE_THE_END)
    known.loc[rows == lengths - 1, ahead] = None
    return known.drop(columns="session_length", errors="ignore")


def view(plays: pd.DataFrame, probability: Floats, contributions: pd.DataFrame) -> dict[str, Any]:
    """Return what the page shows of a session, ready for JSON.

    Args:
        plays: of one session, in order.
        probability: of being skipped, 0..1, per play with the history that it then had.
        contributions: per play, log-odds by feature and their start, `base`.
    """
    log_odds = np.log(probability / (1 - probability))
    same = np.abs(contributions.sum(axis=1).to_numpy() - log_odds) <= TOLERANCE
    return {
        "session_id": str(plays["session_id"].iloc[0]),
        "synthetic": is_synthetic(plays["session_id"].astype(str)),
        "same_model": bool(same.all()),
        "plays": [
            {
                "position": int(play["session_position"]),
                **{key: _text(play.get(name)) for key, name in SHOWN.items()},
                "skipped": _flag(play.get(TARGET)),
                "probability": float(probability[row]),
                **_strongest(contributions.iloc[row]),
            }
            for row, play in enumerate(plays.to_dict("records"))
        ],
    }


def _strongest(contributions: pd.Series) -> dict[str, Any]:
    """Return the largest contributions to one play, the sum of the others, and the start."""
    features = contributions.drop("base")
    top = features.abs().sort_values(ascending=False, kind="stable").index[:TOP]
    return {
        "contributions": [
            {
                "name": readable(str(n)),
                "meaning": MEANINGS.get(str(n), ""),
                "log_odds": float(features[n]),
            }
            for n in top
        ],
        "others": float(features.drop(top).sum()),
        "base": float(contributions["base"]),
    }


def readable(name: str) -> str:
    """Return a feature's name as words.

    >>> readable("skip_rate_half_life_2")
    'skip rate half life 2'
    """
    return name.replace("_", " ")


def _text(value: Any) -> str | None:
    return None if value is None or value != value else str(value)


def _flag(value: Any) -> bool | None:
    return None if value is None or value != value else bool(value)
