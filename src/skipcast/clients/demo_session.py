"""A session that somebody pasted into the page of `skipcast demo`."""

import csv
import io
import json
from typing import Any

import pandas as pd

from skipcast.clients.sentences import Row
from skipcast.errors import SkipcastError
from skipcast.reading.values import display
from skipcast.schema import INPUTS
from skipcast.serving.parse import read_request

MAX_PLAYS = 100  # of a pasted session: more do not fit the page
MAX_LETTERS = 1_000_000  # of a pasted text: as many plays with all columns have fewer
PASTED = "pasted"
TEXTS = frozenset(column.name for column in INPUTS if column.type == "text")
DELIMITERS = ",;\t"  # of CSV: as programs write it, spreadsheets save it, and they copy it
REQUESTS = ("dataframe_records", "inputs", "instances")  # keys that hold plays as a list does


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
