"""What the page of `skipcast demo` shows of a session, play by play, ready for JSON."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from skipcast.clients.sentences import Moment, Row
from skipcast.clients.words import explain
from skipcast.evaluation.look_up import LookUp
from skipcast.features.build import GROUPS
from skipcast.schema import (
    ALIAS,
    INPUTS,
    LABELS,
    REASON_END,
    REASON_START,
    TARGET,
    Label,
    is_synthetic,
)
from skipcast.serving.parse import read_request

TOP = 8  # contributions that are named one by one
TOLERANCE = 1e-3  # log-odds, between the served model and the one that explains it; both round
TEXTS = tuple(column.name for column in INPUTS if column.type == "text")
SHOWN = {"started_by": REASON_START, "context": "context_type"}
MEANINGS = {
    f.name: f.meaning for group in GROUPS.values() for block in group for f in block.features
}


@dataclass(frozen=True)
class Reader:
    """Who reads the page.

    Attributes:
        look_up: the names that it shows.
        skip: what counts as a skip.
        you: whether the sessions are the reader's own.
    """

    look_up: LookUp = field(default_factory=LookUp)
    skip: Label = "brief"
    you: bool = False


def view(
    plays: pd.DataFrame, answers: list[Row], contributions: pd.DataFrame, reader: Reader
) -> Row:
    """Return what the page shows of a session, ready for JSON.

    Args:
        plays: of one session, in any order; the server has accepted them.
        answers: per play, what the server answered with the history that the play then had.
        contributions: per play, log-odds by feature and their start, `base`.
        reader: who reads it.
    """
    probability = np.array([answer["skip_probability"] for answer in answers], np.float64)
    with np.errstate(divide="ignore"):  # of a model that is sure
        log_odds = np.log(probability / (1 - probability))
    same = np.abs(contributions.sum(axis=1).to_numpy() - log_odds) <= TOLERANCE
    columns = read_request(plays)
    order = np.argsort(columns["session_position"], kind="stable")
    rows = [_values(plays, columns, LABELS[reader.skip], row) for row in order]
    return {
        "session_id": str(columns["session_id"][0]),
        "synthetic": is_synthetic(columns["session_id"]),
        "same_model": bool(same.all()),
        "plays": [
            {
                **_play(rows[place], reader.look_up),
                "track_known": bool(answers[row]["track_known"]),
                "probability": float(probability[row]),
                **_strongest(contributions.iloc[row]),
                "words": explain(
                    Moment(rows[place], rows[:place]), contributions.iloc[row], you=reader.you
                ),
            }
            for place, row in enumerate(order)
        ],
    }


def _values(plays: pd.DataFrame, columns: dict[str, Any], label: str, row: int) -> Row:
    """Return the values of a play as `sentences.Moment` has them, with the outcome as target."""
    outcomes = [columns[name][row] for name in (label, ALIAS) if name in columns]
    numbers = {
        column.name: columns[column.name][row]
        for column in INPUTS
        if column.type != "text" and column.name in columns
    }
    texts = {name: plays[name].iloc[row] for name in TEXTS if name in plays}
    values = texts | numbers | {TARGET: next((o for o in outcomes if o == o), None)}
    return {name: None if value != value else value for name, value in values.items()}


def _play(play: Row, look_up: LookUp) -> Row:
    """Return what was played, why, and what became of it."""
    track, artist = look_up.track(str(play["track_id_clean"]))
    outcome = play[TARGET]
    return {
        "position": int(play["session_position"]),
        "track": track,
        "artist": artist,
        **{key: _text(play.get(name)) for key, name in SHOWN.items()},
        "skipped": None if outcome is None else bool(outcome),
        "ended": outcome is not None or play.get(REASON_END) is not None,
    }


def _strongest(contributions: pd.Series) -> Row:
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
