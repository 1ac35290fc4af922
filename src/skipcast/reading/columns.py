"""Whole columns read by the rule of `values.read_value`, as fast as their type allows.

A column that has its type already, as most do, is only compared with its bounds; any other is read
value by value.
"""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from skipcast.column import Column
from skipcast.errors import SkipcastError
from skipcast.reading.values import Value, display, has_null_text, read_value, spelled

ARROW_TYPES = {
    "text": pa.string(),
    "bigint": pa.int64(),
    "boolean": pa.bool_(),
    "double precision": pa.float64(),
}

# Not by `pa.scalar`, which would import pandas: a batch starts faster without.
NO_NUMBER = pa.nulls(1, pa.float64())[0]


class WrongValueError(Exception):
    """A value of a column that breaks its rule.

    Args:
        row: its place in what was read, from 0 on.
        value: as it was given, or what its text spells.
    """

    def __init__(self, row: int, value: Any) -> None:
        super().__init__(row, value)
        self.row, self.value = row, value


def read_values(column: Column, values: Sequence[Any]) -> list[Value]:
    """Return values as `read_value` does.

    Raises:
        WrongValueError: a value breaks the rule; it is the first one.
    """
    known: dict[str, Value] = {}  # many plays have few texts
    result: list[Value] = []
    for row, value in enumerate(values):
        if type(value) is str and value in known:
            result.append(known[value])
            continue
        try:
            result.append(read_value(column, value))
        except ValueError:
            raise WrongValueError(row, spelled(column, value)) from None
        if type(value) is str:
            known[value] = result[-1]
    return result


def read_column(column: Column, array: pa.Array) -> pa.Array:
    """Return a column with its type of `ARROW_TYPES`; NaN is null.

    Args:
        column: that the values are of.
        array: of any type, as CSV or Parquet give it.

    Raises:
        WrongValueError: a value breaks the rule of its column; it is the first one.

    >>> hour = Column("hour_of_day", "bigint", low=0, high=23)
    >>> read_column(hour, pa.array(["7", "8.0", ""])).to_pylist()
    [7, 8, None]
    """
    if pa.types.is_dictionary(array.type):
        array = array.cast(array.type.value_type)
    read = _texts if column.type == "text" else _numbers
    result = read(column, array)
    return _one_by_one(column, array) if result is None else result


def _texts(column: Column, array: pa.Array) -> pa.Array | None:
    """Return a column of texts; None if a value is not as the column holds it."""
    if array.type not in (pa.string(), pa.large_string(), pa.string_view(), pa.null()):
        return None
    texts = array.cast(pa.string())
    if column.required:  # these are mostly distinct
        shortest = pc.min_max(pc.binary_length(texts)).as_py()["min"]
        is_right = not texts.null_count and shortest != 0
    else:
        distinct = [text for text in pc.unique(texts).to_pylist() if text is not None]
        is_right = all(map(column.allows, distinct)) and not has_null_text(column, {*distinct})
    return texts if is_right else None


def _numbers(column: Column, array: pa.Array) -> pa.Array | None:
    """Return a column of numbers; None if a value is not as the column holds it."""
    kind, target = array.type, ARROW_TYPES[column.type]
    if pa.types.is_boolean(kind):
        return array.cast(target) if column.is_flag else None
    if pa.types.is_floating(kind):
        array = array.cast(pa.float64())
        if pc.any(pc.is_nan(array)).as_py():
            array = pc.if_else(pc.is_nan(array), NO_NUMBER, array)
    elif not (pa.types.is_integer(kind) or pa.types.is_null(kind)):
        return None
    is_right = not (column.required and array.null_count)
    if array.null_count < len(array):
        low, high = pc.min_max(array).as_py().values()
        is_right &= column.low <= low and high <= column.high
        if column.is_whole and pa.types.is_floating(kind):
            is_right &= pc.all(pc.equal(pc.floor(array), array)).as_py()
    return array.cast(target) if is_right else None


def _one_by_one(column: Column, array: pa.Array) -> pa.Array:
    if pa.types.is_timestamp(array.type):  # Python's own has no nanoseconds
        array = array.cast(pa.timestamp("us", array.type.tz), safe=False)
    values = read_values(column, array.to_pylist())
    kind = pa.string() if column.type == "text" else pa.float64()
    return pa.array(values, kind).cast(ARROW_TYPES[column.type])


def wrong_value(
    column: Column, wrong: WrongValueError, *, session: Any, file: str = "", first: int = 0
) -> SkipcastError:
    """Return the error that says what the column must be, what it is, and where.

    Args:
        column: that the value is of.
        wrong: the value.
        session: of its row; None where there are no sessions.
        file: that must give every value; empty for plays to score.
        first: number of rows before those that were read.
    """
    rule = column.rule(nullable=not (column.required or file))
    row = f"row {first + wrong.row + 1}{file and f' of {file}'}"
    where = row if session is None else f"{row} (session {display(session)})"
    return SkipcastError(
        f"{column.name} must be {rule} but got {display(wrong.value)} in {where}. "
        f"Correct the {'file' if file else 'request'}."
    )
