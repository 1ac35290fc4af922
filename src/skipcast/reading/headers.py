"""Which columns plays to score must have, and what their names are mistaken for."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

from skipcast.errors import SkipcastError
from skipcast.reading.values import display
from skipcast.schema import INPUTS, REQUIRED, names

NAMES = frozenset(names(INPUTS))
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


def check_names(given: Iterable[Any]) -> None:
    """Check the names of the columns of plays to score.

    Raises:
        SkipcastError: a column is unknown, comes twice or is missing.

    >>> check_names(["session_id", "session_position", "track_id_clean", "premum"])
    Traceback (most recent call last):
    skipcast.errors.SkipcastError: Columns must be those of the log or of tracks but got 'premum'. \
Did you mean premium?
    """
    columns = list(given)
    for name in columns:
        if name not in NAMES:
            check_separator(str(name))
            raise SkipcastError(
                f"Columns must be those of the log or of tracks but got {display(name)}. "
                f"{_hint(str(name))}"
            )
    check_once(columns)
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        raise SkipcastError(
            f"{missing[0]} must be given for each play but the request lacks it. Add it."
        )


def check_once(columns: Sequence[Any]) -> None:
    """Check that no name comes twice.

    Raises:
        SkipcastError: one does.
    """
    if len(set(columns)) < len(columns):
        twice = next(name for name in columns if columns.count(name) > 1)
        raise SkipcastError(
            f"Columns must come once but {display(twice)} comes again. Leave one of them out."
        )


def _hint(name: str) -> str:
    if not name or name.startswith(("Unnamed: ", "__index_level_")):
        return "It seems to be the row numbers of pandas: write the file with `index=False`."
    near = get_close_matches(name, names(INPUTS), 1)
    return f"Did you mean {near[0]}?" if near else "docs/serving.md lists them."


def check_separator(header: str, *, file: str = "") -> None:
    """Check that what should be the name of a column is not a whole line with other separators.

    Args:
        header: the name.
        file: that has it, for the message.

    Raises:
        SkipcastError: it is.

    >>> check_separator("session_id;session_position")
    Traceback (most recent call last):
    skipcast.errors.SkipcastError: Columns must be separated by commas but are by semicolons. \
Write the file with commas; decimals have a point.
    """
    for separator, word in SEPARATORS.items():
        if separator in header:
            raise SkipcastError(
                f"Columns{file and f' of {file}'} must be separated by commas but are by {word}. "
                "Write the file with commas; decimals have a point."
            )
