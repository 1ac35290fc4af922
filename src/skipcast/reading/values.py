"""What a value may be spelled like: the one rule for files and requests of every format."""

import re
from collections.abc import Set
from contextlib import suppress
from datetime import date, datetime, time
from decimal import Decimal
from numbers import Real
from typing import Any

from skipcast.column import Column

NULLS = frozenset(
    [
        *("", "na", "n/a", "nan", "-nan", "nat", "null", "none", "<na>", "#na", "#n/a", "#n/a n/a"),
        *(f"{sign}1.#{kind}" for sign in ("", "-") for kind in ("ind", "qnan")),  # of Windows
    ]
)
"""Texts that stand for null, in small letters. Of an id, only the empty text does."""
TRUE, FALSE = ("true", "t"), ("false", "f")
"""Texts that a flag may be beside numbers, in small letters."""
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")

Value = float | str | None


def read_value(column: Column, value: Any) -> Value:
    """Return a value as its column holds it: text, or a number (a flag is 0 or 1); None for null.

    Args:
        column: that the value is of.
        value: of any type that JSON, CSV, Parquet or pandas give it.

    Raises:
        ValueError: the value breaks the rule of its column.

    >>> premium = Column("premium", "boolean", low=0, high=1)
    >>> [read_value(premium, v) for v in (True, "TRUE", "t", 1, "1.0", "")]
    [1.0, 1.0, 1.0, 1.0, 1.0, None]
    >>> day = Column("date", "text", is_date=True)
    >>> read_value(day, "2018-07-15"), read_value(day, datetime(2018, 7, 15))
    ('2018-07-15', '2018-07-15')
    """
    value = spelled(column, value)
    if is_null(value):
        if column.required:
            raise ValueError
        return None
    return _text(column, value) if column.type == "text" else _number(column, value)


def spelled(column: Column, value: Any) -> Any:
    """Return what a text spells, as CSV has all values; the value itself if it spells nothing else.

    >>> hour = Column("hour_of_day", "bigint", low=0, high=23)
    >>> spelled(hour, "24"), spelled(hour, "noon"), spelled(hour, "NA")
    (24.0, 'noon', None)
    """
    if isinstance(value, bytes):
        with suppress(UnicodeDecodeError):
            value = value.decode()
    if not isinstance(value, str):
        return value
    if column.type == "text":
        return None if is_null_text(column, value) else value
    word = value.strip().lower()
    if column.is_flag and word in TRUE + FALSE:
        return word in TRUE
    if word in NULLS:
        return None
    return float(word) if NUMBER.fullmatch(word) else value


def is_null_text(column: Column, text: str) -> bool:
    """Tell whether a text stands for null in a column of texts.

    >>> is_null_text(Column("mode", "text"), "NA")
    True
    >>> is_null_text(Column("track_id", "text", required=True), "NA")
    False
    """
    return not text if column.required else text.lower() in NULLS


def has_null_text(column: Column, texts: Set[str | None]) -> bool:
    """Tell whether one of the texts stands for null in a column of texts.

    >>> has_null_text(Column("mode", "text"), {"major", "NA", None})
    True
    """
    if column.required:
        return "" in texts
    return any(text is not None and is_null_text(column, text) for text in texts)


def is_null(value: Any) -> bool:
    """Tell whether a value is null or NaN, Python's or that of a library.

    >>> is_null(None), is_null(float("nan")), is_null(Decimal("NaN")), is_null("")
    (True, True, True, False)
    """
    if value is None or type(value).__name__ in ("NAType", "NaTType"):  # pandas is not loaded here
        return True
    return isinstance(value, Real | Decimal) and value != value


def _text(column: Column, value: Any) -> str:
    if column.is_date and isinstance(value, datetime) and value.time() == time():
        value = value.date()
    if column.is_date and isinstance(value, date) and not isinstance(value, datetime):
        value = value.isoformat()
    if not (isinstance(value, str) and column.allows(value)):
        raise ValueError
    return value


def _number(column: Column, value: Any) -> float:
    is_truth = type(value).__name__ in ("bool", "bool_")  # numpy's own is no Real
    if not (column.is_flag if is_truth else isinstance(value, Real | Decimal)):
        raise ValueError
    if not column.low <= value <= column.high or (column.is_whole and value != int(value)):
        raise ValueError
    return float(value)


def display(value: Any) -> str:
    """Return a value as a message contains it: written as in JSON, at most 42 characters.

    >>> display(None), display(2.0), display("x" * 99)
    ('null', '2', "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...")
    """
    if is_null(value):
        return "null"
    if isinstance(value, float):
        return f"{value:.10g}"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 42 else f"{text[:39]}..."
