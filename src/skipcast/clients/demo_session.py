"""The content of the page of `skipcast demo`: a session, play by play, with probabilities."""

import csv
import io
import json
from typing import Any

import numpy as np
import pandas as pd

from skipcast.arrays import Floats
from skipcast.errors import SkipcastError
from skipcast.features.build import GROUPS
from skipcast.reading.values import display
from skipcast.schema import ALIAS, INPUTS, REASON_START, TARGET, is_synthetic
from skipcast.serving.parse import read_request

MAX_PLAYS = 100  # of a pasted session: more do not fit the page
MAX_LETTERS = 1_000_000  # of a pasted text: as many plays with all columns have fewer
TOP = 8  # contributions that are named one by one
TOLERANCE = 1e-3  # log-odds, between the served model and the one that explains it; both round
PASTED = "pasted"
TEXTS = frozenset(column.name for column in INPUTS if column.type == "text")
DELIMITERS = ",;\t"  # of CSV: as programs write it, spreadsheets save it, and they copy it
REQUESTS = ("dataframe_records", "inputs", "instances")  # keys that hold plays as a list does
SHOWN = {"started_by": REASON_START, "context": "context_type"}
MEANINGS = {
    f.name: f.meaning for group in GROUPS.values() for block in group for f in block.features
}

Row = dict[str, Any]


def parse_session(text: str) -> pd.DataFrame:
    """Read one session from JSON (a list of plays, or a request to the server) or CSV.

    Args:
        text: plays as the server takes them; session_id may be left out.

    Returns:
        The plays with all columns of the text, in its order.

    Raises:
        SkipcastError: the text is neither, or does not hold one session of plays whose values keep
            the rules of a request.

    >>> text = '[{"session_position": 1, "track_id_clean": "a", "skip_2": true}]'
    >>> parse_session(text).values.tolist()
    [['pasted', 1, 'a', True]]
    """
    text = text.removeprefix("\ufeff")  # the mark with which some editors begin a file
    if not text.strip() or len(text) > MAX_LETTERS:
        raise SkipcastError(
            f"A pasted text must have 1 to {MAX_LETTERS:,} letters but has {len(text.strip()):,}. "
            "Paste the plays of one session as JSON or CSV."
        )
    is_json = text.lstrip().startswith(("[", "{"))
    rows = _parse_json(text) if is_json else _parse_csv(text.strip("\r\n "))
    _check_letters(rows)
    if not any("session_id" in row for row in rows):
        rows = [{"session_id": PASTED, **row} for row in rows]
    sessions = len(set(read_request(rows)["session_id"].tolist()))
    if sessions != 1 or len(rows) > MAX_PLAYS:
        raise SkipcastError(
            f"A pasted text must hold one session of 1 to {MAX_PLAYS} plays but got {sessions} of "
            f"{len(rows)} plays. Paste fewer rows."
        )
    return pd.DataFrame(rows, dtype=object)


def _check_letters(rows: list[Row]) -> None:
    """Check that the rows can be sent: the escapes of JSON can write half a letter."""
    try:
        json.dumps(rows, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = error.object[error.start]
        raise SkipcastError(
            f"Texts must be of whole letters but got {half!r}, half of one. Correct the text."
        ) from error


def _parse_json(text: str) -> list[Row]:
    try:
        rows = _rows(json.loads(text))
    except (ValueError, RecursionError) as error:
        raise SkipcastError(
            f"A text that begins with [ or {{ must be JSON but is not: {error}. Correct it."
        ) from error
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise SkipcastError(
            "JSON must be a list of plays, at least one, alone or as a request has it (under "
            f"dataframe_split, {', '.join(REQUESTS)}), but is not. Correct the text."
        )
    for number, row in enumerate(rows, 1):
        several = [name for name, value in row.items() if isinstance(value, list | dict)]
        if several:
            raise SkipcastError(
                f"{several[0]} must be one value but got several in row {number}. Correct the text."
            )
    return rows


def _rows(content: Any) -> Any:
    """Return the plays in a list or in a request, None where there are none."""
    if not isinstance(content, dict):
        return content
    split = content.get("dataframe_split")
    if not isinstance(split, dict):
        return next((content[key] for key in REQUESTS if key in content), None)
    columns, rows = split.get("columns"), split.get("data")
    if not isinstance(columns, list) or not isinstance(rows, list):
        return None
    is_row = [isinstance(row, list) and len(row) == len(columns) for row in rows]
    return [dict(zip(map(str, columns), row, strict=True)) for row in rows] if all(is_row) else None


def _parse_csv(text: str) -> list[Row]:
    delimiter = max(DELIMITERS, key=text.splitlines()[0].count)
    try:
        lines = csv.reader(
            io.StringIO(text), delimiter=delimiter, skipinitialspace=True, strict=True
        )
        header, *rows = [line for line in lines if line]
    except csv.Error as error:
        raise SkipcastError(
            f"The text must be JSON or CSV with a header but is neither: {error}. Correct it."
        ) from error
    if not rows:
        raise SkipcastError(
            "The text must be JSON, or CSV with a header and a row for each play, but its only "
            f"row is {display(text)}. Correct it."
        )
    twice = [name for place, name in enumerate(header) if name in header[:place]]
    if twice:
        raise SkipcastError(f"Columns must come once but {display(twice[0])} comes again.")
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise SkipcastError(
                f"A row of CSV must have {len(header)} values, as the header has, but row {number} "
                f"has {len(row)}. Correct it."
            )
    return [
        {name: _value(name, cell) for name, cell in zip(header, row, strict=True)} for row in rows
    ]


def _value(name: str, cell: str) -> Any:
    """Return a field of CSV as JSON would have it; what is of no type stays as it is."""
    if not cell or name in TEXTS:
        return cell or None
    if cell.lower() in ("true", "false"):
        return cell.lower() == "true"
    try:
        return float(cell)
    except ValueError:
        return cell


def view(plays: pd.DataFrame, answers: list[Row], contributions: pd.DataFrame) -> Row:
    """Return what the page shows of a session, ready for JSON.

    Args:
        plays: of one session, in any order; the server has accepted them.
        answers: per play, what the server answered with the history that the play then had.
        contributions: per play, log-odds by feature and their start, `base`.
    """
    probability = np.array([answer["skip_probability"] for answer in answers], np.float64)
    with np.errstate(divide="ignore"):  # of a model that is sure
        log_odds = np.log(probability / (1 - probability))
    same = np.abs(contributions.sum(axis=1).to_numpy() - log_odds) <= TOLERANCE
    columns = read_request(plays)
    outcome = _outcome(columns)
    records = plays.to_dict("records")
    return {
        "session_id": str(columns["session_id"][0]),
        "synthetic": is_synthetic(columns["session_id"]),
        "same_model": bool(same.all()),
        "plays": [
            {
                "position": int(columns["session_position"][row]),
                "track": str(columns["track_id_clean"][row]),
                "track_known": bool(answers[row]["track_known"]),
                **{key: _text(records[row].get(name)) for key, name in SHOWN.items()},
                "skipped": None if np.isnan(outcome[row]) else bool(outcome[row]),
                "probability": float(probability[row]),
                **_strongest(contributions.iloc[row]),
            }
            for row in np.argsort(columns["session_position"], kind="stable")
        ],
    }


def _outcome(columns: dict[str, Any]) -> Floats:
    """Return skip_2 under either of its names, NaN where null."""
    missing = np.full(len(columns["session_id"]), np.nan)
    official, alias = (columns.get(name, missing) for name in (TARGET, ALIAS))
    result: Floats = np.where(np.isnan(official), alias, official)
    return result


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
