"""Checks a request: what a client sends becomes columns of numbers, or one clear error.

MLflow hands over a frame, a dict of columns or a list of rows, depending on the client's format.
The rules are those of `schema.INPUTS`, and values are read as `reading.values` says: here in ways
that are fast for the types that JSON has. A value that breaks its rule is an error that names the
column; nothing is guessed, cut off or dropped.
"""

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, cast

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
from skipcast.serving.distinct import SMALL, Distinct

TOLD = 100  # texts that are new, at most: a client must not fill the log
TEXTS = {c.name: c for c in INPUTS if c.name in CODES or c.is_date}  # which become numbers
IDS = {c.name: c for c in INPUTS if c.type == "text" and c.name not in TEXTS}
NUMBERS = {c.name: c for c in INPUTS if c.type != "text"}
# Columns that are made: numbers of ids in order of their first row, 0, 1, 2, ...; and whether there
# is a reason why the play ended, new or not.
NUMBERED = {"session_id": "session_number", "track_id_clean": "track_number"}
REASON_GIVEN = "reason_end_given"
PLACE = {name: place for place, name in enumerate(NUMBERS)}
# A row per rule, a column per column of numbers: all values of a request are compared at once.
BOUNDS = np.array([[c.low, c.high, c.is_whole, c.required] for c in NUMBERS.values()]).T
PLAIN = frozenset({int, float, type(None), np.float64, np.int64})  # types that are read as they are
TYPES = {c.name: PLAIN | {bool, np.bool_} if c.is_flag else PLAIN for c in NUMBERS.values()}


Values = Array | Distinct

_logger = logging.getLogger(__name__)
_told: set[str] = set()


def read_request(data: Any) -> dict[str, Array]:
    """Return the columns of a request: ids as texts, None where null, all else as numbers or NaN.

    Texts that features use become their codes, `date` the day of the week. Rows keep their order.
    Ids that are `NUMBERED` have a column of numbers, too. Where there are reasons why plays ended,
    `REASON_GIVEN` says which plays have one.

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
    coded: dict[str, Array] = {}
    for name in IDS:
        if name in columns:
            distinct = _ids(IDS[name], columns[name], ids)
            ids[name] = distinct.objects()
            if name in NUMBERED:
                coded[NUMBERED[name]] = distinct.numbers
    for name in TEXTS:
        if name in columns:
            distinct, coded[name] = _codes(name, columns[name], ids)
            if name == REASON_END:
                coded[REASON_GIVEN] = _is_given(name, distinct)
    numbers = cast(  # `Distinct` are texts alone
        "dict[str, Array]", {name: columns[name] for name in NUMBERS if name in columns}
    )
    return ids | coded | _numbers(numbers, ids)


def _columns(data: Any) -> dict[str, Values]:
    if isinstance(data, pd.DataFrame):
        check_names(data.columns)
        if len(data) <= SMALL:
            return dict(zip(data.columns, data.to_numpy(object).T, strict=True))
        return {name: _values(name, data[name]) for name in data.columns}
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


def _values(name: str, column: "pd.Series[Any]") -> Values:
    if isinstance(column.dtype, np.dtype) and column.dtype.kind != "M":
        return column.to_numpy()
    if isinstance(column.dtype, pd.StringDtype):  # of many plays: each text is made once
        distinct = Distinct.of(column)
        return distinct.objects() if name in NUMBERS else distinct
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


def _check_lengths(columns: Mapping[str, Values]) -> None:
    count = columns[REQUIRED[0]].size
    for name, values in columns.items():
        if values.ndim != 1 or values.size != count or not count:
            value = display(values.tolist()) if values.size else "no play"
            raise SkipcastError(
                f"{name} must hold a value for each play, at least one, but got {value}. "
                "Correct the request."
            )


def _ids(column: Column, values: Values, ids: Mapping[str, Array]) -> Distinct:
    texts = _distinct(column, values, ids)
    if (column.required and None in texts.texts) or has_null_text(column, {*texts.texts}):
        texts = Distinct.of(_read(column, values.tolist(), ids))
    return texts


def _read(column: Column, objects: list[Any], ids: Mapping[str, Array]) -> list[Any]:
    """Read values as `reading.values` says."""
    try:
        return read_values(column, objects)
    except WrongValueError as wrong:
        raise _refuse(column, wrong, ids) from None


def _refuse(column: Column, wrong: WrongValueError, ids: Mapping[str, Array]) -> SkipcastError:
    session = ids["session_id"][wrong.row] if ids else None
    return wrong_value(column, wrong, session=session)


def _codes(name: str, values: Values, ids: Mapping[str, Array]) -> tuple[Distinct, Floats]:
    """Return the texts and their codes."""
    column = TEXTS[name]
    texts = _distinct(column, values, ids)
    codes = _code_each(name, texts)
    if None in codes:  # of a text that the column does not allow, or that stands for null
        texts = Distinct.of(_read(column, values.tolist(), ids))
        codes = _code_each(name, texts)
    if name in CATEGORIES:
        _tell_new(name, dict(zip(texts.texts, codes, strict=True)))
    return texts, np.array(codes, np.float64).take(texts.numbers)


def _is_given(name: str, texts: Distinct) -> Bools:
    """Tell which texts are not null: one that is new has no code, but is given."""
    is_given = [not is_null(spelled(TEXTS[name], text)) for text in texts.texts]
    return np.array(is_given).take(texts.numbers)


def _code_each(name: str, texts: Distinct) -> list[Any]:
    code_of = CODE_OF[name]
    return [np.nan if text is None else code_of(text) for text in texts.texts]


def _distinct(column: Column, values: Values, ids: Mapping[str, Array]) -> Distinct:
    """Return texts, each once; what is neither a text nor None is read."""
    if isinstance(values, Distinct):
        return values
    objects = values.tolist()
    if not set(map(type, objects)) <= {str, type(None)}:
        objects = _read(column, objects, ids)
    return Distinct.of(objects)


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
