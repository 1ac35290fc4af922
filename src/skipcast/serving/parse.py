"""Checks a request: what a client sends becomes columns of numbers, or one clear error.

MLflow hands over a frame, a dict of columns or a list of rows, depending on the client's format.
The rules are those of `schema.INPUTS`, and values are read as `reading.values` says: here in ways
that are fast for the types that JSON has. A value that breaks its rule is an error that names the
column; nothing is guessed, cut off or dropped.
"""

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd

from skipcast.arrays import Array, Bools, Floats
from skipcast.column import Column
from skipcast.errors import SkipcastError
from skipcast.features.columns import code
from skipcast.reading.categories import CATEGORIES
from skipcast.reading.columns import WrongValueError, read_values, wrong_value
from skipcast.reading.headers import check_names
from skipcast.reading.values import display, has_null_text, is_null, is_null_text, spelled
from skipcast.schema import CODES, INPUTS, REASON_END, REQUIRED

SMALL = 1000  # plays; in so few, one table of objects is faster to make than an array per column
TOLD = 100  # texts that are new, at most: a client must not fill the log
TEXTS = {c.name: c for c in INPUTS if c.name in CODES or c.is_date}  # which become numbers
IDS = {c.name: c for c in INPUTS if c.type == "text" and c.name not in TEXTS}
NUMBERS = {c.name: c for c in INPUTS if c.type != "text"}
REASON_GIVEN = "reason_end_given"  # a column that is made: whether there is a reason, new or not
PLACE = {name: place for place, name in enumerate(NUMBERS)}
# A row per rule, a column per column of numbers: all values of a request are compared at once.
BOUNDS = np.array([[c.low, c.high, c.is_whole, c.required] for c in NUMBERS.values()]).T
PLAIN = frozenset({int, float, type(None), np.float64, np.int64})  # types that are read as they are
TYPES = {c.name: PLAIN | {bool, np.bool_} if c.is_flag else PLAIN for c in NUMBERS.values()}


_logger = logging.getLogger(__name__)
_told: set[str] = set()


def read_request(data: Any) -> dict[str, Array]:
    """Return the columns of a request: ids as texts, None where null, all else as numbers or NaN.

    Texts that features use become their codes, `date` the day of the week. Rows keep their order.
    Where there are reasons why plays ended, `REASON_GIVEN` says which plays have one.

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
    _check_lengths(columns)
    ids: dict[str, Array] = {}
    for name in IDS:
        if name in columns:
            ids[name] = _ids(IDS[name], columns[name], ids)
    texts: dict[str, Array] = {
        name: _codes(name, columns[name], ids) for name in TEXTS if name in columns
    }
    if REASON_END in columns:
        texts[REASON_GIVEN] = _is_given(REASON_END, columns[REASON_END])
    numbers = {name: columns[name] for name in NUMBERS if name in columns}
    return ids | texts | _numbers(numbers, ids)


def _columns(data: Any) -> dict[str, Array]:
    if isinstance(data, pd.DataFrame):
        check_names(data.columns)
        if len(data) <= SMALL:
            return dict(zip(data.columns, data.to_numpy(object).T, strict=True))
        return {name: _array(data[name]) for name in data.columns}
    if isinstance(data, list) and data and all(isinstance(row, dict) for row in data):
        names = dict.fromkeys(name for row in data for name in row)
        check_names(names)
        return {name: _objects([_plain(row.get(name)) for row in data]) for name in names}
    if isinstance(data, dict):
        check_names(data)
        return {name: _column(np.asarray(values)) for name, values in data.items()}
    raise SkipcastError(
        "The request must be rows with named columns, at least one, but got "
        f"{display(data)}. docs/serving.md shows each format."
    )


def _array(column: "pd.Series[Any]") -> Array:
    if isinstance(column.dtype, np.dtype) and column.dtype.kind != "M":
        return column.to_numpy()
    if isinstance(column.dtype, pd.StringDtype):  # of many plays: each text is made once
        places, distinct = pd.factorize(column)  # -1 is a missing text: it takes the last one
        texts: Array = np.append(np.asarray(distinct, object), [None])
        return texts.take(places)
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


def _check_lengths(columns: Mapping[str, Array]) -> None:
    count = columns[REQUIRED[0]].size
    for name, values in columns.items():
        if values.ndim != 1 or values.size != count or not count:
            value = display(values.tolist()) if values.size else "no play"
            raise SkipcastError(
                f"{name} must hold a value for each play, at least one, but got {value}. "
                "Correct the request."
            )


def _ids(column: Column, values: Array, ids: Mapping[str, Array]) -> Array:
    objects = values.tolist()
    types = {str} if column.required else {str, type(None)}
    if not set(map(type, objects)) <= types or has_null_text(column, set(objects)):
        return _objects(_read(column, objects, ids))
    return values if values.dtype == object else values.astype(object)


def _read(column: Column, objects: list[Any], ids: Mapping[str, Array]) -> list[Any]:
    """Read values as `reading.values` says."""
    try:
        return read_values(column, objects)
    except WrongValueError as wrong:
        raise _refuse(column, wrong, ids) from None


def _refuse(column: Column, wrong: WrongValueError, ids: Mapping[str, Array]) -> SkipcastError:
    session = ids["session_id"][wrong.row] if ids else None
    return wrong_value(column, wrong, session=session)


def _codes(name: str, values: Array, ids: Mapping[str, Array]) -> Floats:
    texts = values.tolist()
    is_text = set(map(type, texts)) <= {str, type(None)}
    codes = _code_each(name, texts) if is_text else {}
    if not is_text or None in codes.values():
        texts = _read(TEXTS[name], texts, ids)
        codes = _code_each(name, texts)
    if name in CATEGORIES:
        _tell_new(name, codes)
    return np.fromiter(map(codes.__getitem__, texts), np.float64, len(texts))


def _is_given(name: str, values: Array) -> Bools:
    """Tell which values are not null: one that is new has no code, but is given."""
    texts = values.tolist()
    nulls = {text for text in set(texts) if is_null(spelled(TEXTS[name], text))}
    return np.array([text not in nulls for text in texts], bool)


def _code_each(name: str, texts: list[str | None]) -> dict[str | None, Any]:
    """Return the code of each text; there are many plays and few texts."""
    code_of = CODE_OF[name]
    return {text: np.nan if text is None else code_of(text) for text in set(texts)}


def _tell_new(name: str, codes: Mapping[str | None, float]) -> None:
    """Log texts that are new to the model, each once."""
    new = {
        text
        for text, number in codes.items()
        if number != number and text is not None and not is_null_text(TEXTS[name], text)
    }
    for text in sorted(new - _told):
        if len(_told) < TOLD:
            _told.add(text)
            _logger.warning("%s %s is new to the model and counts as missing", name, display(text))


def _code_of(column: Column) -> Callable[[str], float | None]:
    """Return a function: the code of a text, NaN for one that is new, None for a forbidden one."""
    if column.is_date:
        return lambda text: code(column.name, text) if column.allows(text) else None
    codes = {text: code(column.name, text) for text in CODES[column.name]}
    return codes.get if column.values else lambda text: codes.get(text, np.nan)


CODE_OF = {name: _code_of(column) for name, column in TEXTS.items()}


def _numbers(columns: Mapping[str, Array], ids: Mapping[str, Array]) -> dict[str, Floats]:
    matrix = _matrix(columns, ids)
    low, high, whole, required = BOUNDS[:, [PLACE[name] for name in columns], None]
    wrong = (matrix < low) | (matrix > high) | ((whole > 0) & (np.floor(matrix) < matrix))
    wrong |= (required > 0) & np.isnan(matrix)
    if wrong.any():
        place, row = (int(places[0]) for places in np.nonzero(wrong))
        name = list(columns)[place]
        raise _refuse(NUMBERS[name], WrongValueError(row, columns[name].tolist()[row]), ids)
    return dict(zip(columns, matrix, strict=True))


def _matrix(columns: Mapping[str, Array], ids: Mapping[str, Array]) -> Floats:
    """Return the numbers, columns x plays; those of few plays in one go if their types allow it."""
    if len(ids["session_id"]) <= SMALL:
        lists = {name: values.tolist() for name, values in columns.items()}
        if all(TYPES[name].issuperset(map(type, values)) for name, values in lists.items()):
            with suppress(OverflowError):  # a whole number beyond all floats
                return np.array([*lists.values()], np.float64)
    matrix = np.empty((len(columns), len(ids["session_id"])))
    for row, (name, values) in enumerate(columns.items()):
        matrix[row] = _floats(NUMBERS[name], values, ids)
    return matrix


def _floats(column: Column, values: Array, ids: Mapping[str, Array]) -> Array:
    if values.dtype.kind in ("iufb" if column.is_flag else "iuf"):
        return values
    objects = values.tolist()
    if TYPES[column.name].issuperset(map(type, objects)):
        with suppress(OverflowError):
            return np.array(objects, np.float64)
    return np.array(_read(column, objects, ids), np.float64)
