"""Checks a request: what a client sends becomes columns of numbers, or one clear error.

MLflow hands over a frame, a dict of columns or a list of rows, depending on the client's format.
The rules are those of `schema.INPUTS`. A value that breaks its rule is an error that names the
column; nothing is guessed, cut off or dropped.
"""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

import numpy as np
import pandas as pd

from skipcast.arrays import Array, Floats
from skipcast.errors import SkipcastError
from skipcast.features.columns import code
from skipcast.schema import CODES, INPUTS, MAX_NUMBER, REQUIRED, Column

SMALL = 1000  # plays; in so few, one table of objects is faster to make than an array per column
NAMES = tuple(column.name for column in INPUTS)
IDS = tuple(c.name for c in INPUTS if c.type == "text" and c.required)
TEXTS = {c.name: c for c in INPUTS if c.type == "text" and not c.required}
NUMBERS = {c.name: c for c in INPUTS if c.type != "text"}
PLACE = {name: place for place, name in enumerate(NUMBERS)}
# A row per rule, a column per column of numbers: all values of a request are compared at once.
BOUNDS = np.array([[c.low, c.high, c.is_whole, c.required] for c in NUMBERS.values()]).T


def read_request(data: Any) -> dict[str, Array]:
    """Return the columns of a request: ids as texts, all else as numbers, NaN where null.

    Texts that features use become their codes, `date` the day of the week. Rows keep their order.

    Args:
        data: a frame, a dict of columns or a list of rows.

    Raises:
        SkipcastError: a column is unknown, missing or of another length, or a value breaks its
            rule; the message names the column, the rule and the first such value.

    >>> plays = pd.DataFrame({"session_id": ["s"], "session_position": 1, "track_id_clean": "t"})
    >>> read_request(plays.assign(mode="major", premium=True))["mode"]
    array([1.])
    >>> read_request(plays.assign(premium=2))
    Traceback (most recent call last):
    skipcast.errors.SkipcastError: premium must be true, false, null, 0 or 1 but got 2 in row 1 \
(session 's'). Correct the request.
    """
    columns = _columns(data)
    _check_names(columns)
    ids = {name: _ids(name, columns[name]) for name in IDS}
    texts = {name: _codes(name, columns[name], ids) for name in TEXTS if name in columns}
    numbers = {name: columns[name] for name in NUMBERS if name in columns}
    return ids | texts | _numbers(numbers, ids)


def _columns(data: Any) -> dict[str, Array]:
    if isinstance(data, pd.DataFrame):
        if not data.columns.is_unique:
            twice = data.columns[data.columns.duplicated()][0]
            raise SkipcastError(f"Columns must come once but {display(twice)} comes again.")
        if len(data) <= SMALL:
            return dict(zip(data.columns, data.to_numpy(object).T, strict=True))
        return {name: _array(data[name]) for name in data.columns}
    if isinstance(data, list) and data and all(isinstance(row, dict) for row in data):
        names = dict.fromkeys(name for row in data for name in row)
        return {name: _objects([_plain(row.get(name)) for row in data]) for name in names}
    if isinstance(data, dict):
        return {name: _column(np.asarray(values)) for name, values in data.items()}
    raise SkipcastError(
        "The request must be rows with named columns, at least one, but got "
        f"{display(data)}. docs/serving.md shows each format."
    )


def _array(column: "pd.Series[Any]") -> Array:
    if isinstance(column.dtype, np.dtype):
        return column.to_numpy()
    values: Array = column.array.to_numpy(object, na_value=None)
    return values


def _column(values: Array) -> Array:
    mixed = values.dtype == object and values.ndim == 1
    return _objects([_plain(value) for value in values.tolist()]) if mixed else values


def _objects(values: list[Any]) -> Array:
    array = np.empty(len(values), object)
    for i, value in enumerate(values):
        array[i] = value  # one by one: numpy would take a list for more dimensions
    return array


def _plain(value: Any) -> Any:
    """Undo MLflow, which makes arrays of the values of `inputs` and `instances`."""
    return value.tolist() if isinstance(value, np.ndarray) else value


def _check_names(columns: Mapping[str, Array]) -> None:
    unknown = [name for name in columns if name not in NAMES]
    if unknown:
        near = get_close_matches(str(unknown[0]), NAMES, 1)
        hint = f"Did you mean {near[0]}?" if near else "docs/serving.md lists them."
        raise SkipcastError(
            f"Columns must be those of the log or of tracks but got {display(unknown[0])}. {hint}"
        )
    missing = [name for name in REQUIRED if name not in columns]
    if missing:
        raise SkipcastError(
            f"{missing[0]} must be given for each play but the request lacks it. Add it."
        )
    count = columns[REQUIRED[0]].size
    for name, values in columns.items():
        if values.ndim != 1 or values.size != count or not count:
            value = display(values.tolist()) if values.size else "no play"
            raise SkipcastError(
                f"{name} must hold a value for each play, at least one, but got {value}. "
                "Correct the request."
            )


def _ids(name: str, values: Array) -> Array:
    wrong = [i for i, v in enumerate(values.tolist()) if type(v) is not str or not v]
    if wrong:
        value = values.tolist()[wrong[0]]
        raise SkipcastError(
            f"{name} must be given for each play, as text, but got {display(value)} in row "
            f"{wrong[0] + 1}. Correct the request."
        )
    return values if values.dtype == object else values.astype(object)


def _codes(name: str, values: Array, ids: Mapping[str, Array]) -> Floats:
    objects = values.tolist()
    if set(map(type, objects)) <= {str, type(None)}:  # few texts, many plays: each text once
        codes = {v: np.nan if v is None else CODE_OF[name](v) for v in set(objects)}
        if None not in codes.values():
            return np.fromiter(map(codes.__getitem__, objects), np.float64, len(objects))
    return _codes_one_by_one(name, objects, ids)


def _codes_one_by_one(name: str, objects: list[Any], ids: Mapping[str, Array]) -> Floats:
    codes = np.empty(len(objects))
    for i, value in enumerate(objects):
        number = CODE_OF[name](value) if type(value) is str else _missing(value)
        if number is None:
            raise _wrong(TEXTS[name], value, i, ids)
        codes[i] = number
    return codes


def _missing(value: Any) -> float | None:
    """Return NaN for a null, None for anything else."""
    null = value is None or value is pd.NA or (isinstance(value, float) and value != value)
    return np.nan if null else None


def _code_of(column: Column) -> Callable[[str], float | None]:
    """Return a function: the code of a text, NaN for one that is new, None for a forbidden one."""
    if column.is_date:
        return lambda text: code(column.name, text) if column.allows(text) else None
    codes = {text: code(column.name, text) for text in CODES[column.name]}
    return codes.get if column.values else lambda text: codes.get(text, np.nan)


CODE_OF = {name: _code_of(column) for name, column in TEXTS.items()}


def _numbers(columns: Mapping[str, Array], ids: Mapping[str, Array]) -> dict[str, Floats]:
    matrix = np.stack([_floats(NUMBERS[name], values, ids) for name, values in columns.items()])
    low, high, whole, required = BOUNDS[:, [PLACE[name] for name in columns], None]
    wrong = (matrix < low) | (matrix > high) | ((whole > 0) & (np.floor(matrix) < matrix))
    wrong |= (required > 0) & np.isnan(matrix)
    if wrong.any():
        place, row = (int(places[0]) for places in np.nonzero(wrong))
        name = list(columns)[place]
        raise _wrong(NUMBERS[name], columns[name].tolist()[row], row, ids)
    return dict(zip(columns, matrix, strict=True))


def _floats(column: Column, values: Array, ids: Mapping[str, Array]) -> Floats:
    if values.dtype.kind in ("iufb" if column.is_flag else "iuf"):
        return values.astype(np.float64)
    objects = values.tolist()
    allowed = {int, float, type(None), np.float64, np.int64}
    if set(map(type, objects)) <= (allowed | {bool, np.bool_} if column.is_flag else allowed):
        try:
            return np.array(objects, np.float64)
        except OverflowError:  # a whole number beyond all floats
            objects = [value if value is None else _bounded(value) for value in objects]
            return np.array(objects, np.float64)
    wrong = next(
        i
        for i, value in enumerate(objects)
        if type(value) not in allowed and not (column.is_flag and value in (0, 1))
    )
    raise _wrong(column, objects[wrong], wrong, ids)


def _bounded(value: float) -> float:
    return float(min(max(value, -2 * MAX_NUMBER), 2 * MAX_NUMBER))


def _wrong(column: Column, value: Any, row: int, ids: Mapping[str, Array]) -> SkipcastError:
    rule = column.rule(nullable=not column.required)
    return SkipcastError(
        f"{column.name} must be {rule} but got {display(value)} in row {row + 1} "
        f"(session {display(ids['session_id'][row])}). Correct the request."
    )


def display(value: Any) -> str:
    """Return a value as a message contains it: written as in JSON, at most 42 characters.

    >>> display(None), display(2.0), display("x" * 99)
    ('null', '2', "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...")
    """
    if _missing(value) is not None:
        return "null"
    if isinstance(value, float):
        return f"{value:g}"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 42 else f"{text[:39]}..."
