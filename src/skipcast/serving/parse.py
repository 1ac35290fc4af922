"""A request, checked: whatever a client sends becomes columns of numbers, or one clear error.

MLflow hands over a frame, a dict of columns or a list of rows, as the client's format has it. What
no rule allows is refused by name; nothing is guessed, cut off or dropped.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from skipcast.arrays import Array, Floats
from skipcast.errors import SkipcastError
from skipcast.features.columns import code
from skipcast.schema import CODES, INPUTS, MODES, Column

REQUIRED = ("session_id", "session_position", "track_id_clean")

LIMIT = 1e6  # of numbers; the dataset's are far below, and the features' sums stay exact
SMALL = 1000  # plays; in so few, one table of objects is faster to make than an array per column
FLAG = "true, false, null, 0 or 1"


@dataclass(frozen=True)
class Rule:
    """What the numbers of a column may be, and how to say so."""

    low: float
    high: float
    whole: bool
    text: str


def _rule(column: Column) -> Rule:
    if column.type == "boolean" or column.name.endswith(("_before_play", "context_switch")):
        return Rule(0, 1, True, FLAG)
    if column.name == "hour_of_day":
        return Rule(0, 23, True, "a whole number from 0 to 23, or null")
    if column.name in ("session_position", "session_length"):
        null = "" if column.name in REQUIRED else ", or null"
        return Rule(1, LIMIT, True, f"a whole number from 1 to {LIMIT:,.0f}{null}")
    if column.name.startswith("hist_user_behavior_n_seek"):
        return Rule(0, LIMIT, True, f"a whole number from 0 to {LIMIT:,.0f}, or null")
    if column.type == "bigint":
        return Rule(-LIMIT, LIMIT, True, f"a whole number within {LIMIT:,.0f} of 0, or null")
    return Rule(-LIMIT, LIMIT, False, f"a number within {LIMIT:,.0f} of 0, or null")


RULES = {column.name: _rule(column) for column in INPUTS if column.type != "text"}
PLACE = {name: place for place, name in enumerate(RULES)}
BOUNDS = np.array([[r.low, r.high, r.whole] for r in RULES.values()]).T  # all numbers at once
TEXTS = tuple(c.name for c in INPUTS if c.type == "text" and c.name not in REQUIRED)
NAMES = tuple(column.name for column in INPUTS)


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
    given = _columns(data)
    _check_names(given)
    ids = {name: _ids(name, given[name]) for name in ("session_id", "track_id_clean")}
    texts = {name: _codes(name, given[name], ids) for name in TEXTS if name in given}
    return ids | texts | _numbers({name: given[name] for name in RULES if name in given}, ids)


def _columns(data: Any) -> dict[str, Array]:
    if isinstance(data, pd.DataFrame):
        if not data.columns.is_unique:
            twice = data.columns[data.columns.duplicated()][0]
            raise SkipcastError(f"Columns must come once but {shown(twice)} comes again.")
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
        f"{shown(data)}. docs/serving.md shows each format."
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


def _check_names(given: Mapping[str, Array]) -> None:
    unknown = [name for name in given if name not in NAMES]
    if unknown:
        near = get_close_matches(str(unknown[0]), NAMES, 1)
        hint = f"Did you mean {near[0]}?" if near else "docs/serving.md lists them."
        raise SkipcastError(
            f"Columns must be those of the log or of tracks but got {shown(unknown[0])}. {hint}"
        )
    missing = [name for name in REQUIRED if name not in given]
    if missing:
        raise SkipcastError(
            f"{missing[0]} must be given for each play but the request lacks it. Add it."
        )
    count = given[REQUIRED[0]].size
    for name, values in given.items():
        if values.ndim != 1 or values.size != count or not count:
            raise SkipcastError(
                f"{name} must hold a value for each play, at least one, but got "
                f"{'no play' if not values.size else shown(values.tolist())}. Correct the request."
            )


def _ids(name: str, values: Array) -> Array:
    wrong = [i for i, v in enumerate(values.tolist()) if type(v) is not str or not v]
    if wrong:
        value = values.tolist()[wrong[0]]
        raise SkipcastError(
            f"{name} must be given for each play, as text, but got {shown(value)} in row "
            f"{wrong[0] + 1}. Correct the request."
        )
    return values if values.dtype == object else values.astype(object)


def _codes(name: str, values: Array, ids: Mapping[str, Array]) -> Floats:
    number = NUMBER_OF[name]
    objects = values.tolist()
    if set(map(type, objects)) <= {str, type(None)}:  # few texts, many plays: each text once
        found = {v: np.nan if v is None else number(v) for v in set(objects)}
        if None not in found.values():
            return np.fromiter(map(found.__getitem__, objects), np.float64, len(objects))
    return _codes_one_by_one(name, objects, ids)


def _codes_one_by_one(name: str, objects: list[Any], ids: Mapping[str, Array]) -> Floats:
    number = NUMBER_OF[name]
    numbers = np.empty(len(objects))
    for i, value in enumerate(objects):
        found = number(value) if type(value) is str else _missing(value)
        if found is None:
            rule = {"date": "a date like 2018-07-15 or null", "mode": f"{' or '.join(MODES)}"}
            raise _wrong(name, rule.get(name, "text or null"), value, i, ids)
        numbers[i] = found
    return numbers


def _missing(value: Any) -> float | None:
    """Return NaN for a null, None for anything else."""
    null = value is None or value is pd.NA or (isinstance(value, float) and value != value)
    return np.nan if null else None


@lru_cache(maxsize=4096)
def _weekday(text: str) -> float | None:
    try:
        return float(date.fromisoformat(text).weekday()) if len(text) == 10 else None
    except ValueError:
        return None


def _number_of(name: str) -> Callable[[str], float | None]:
    if name == "date":
        return _weekday
    codes = {text: code(name, text) for text in CODES[name]}
    # A mode that is neither is a mistake; a context or a reason may be newer than the model.
    return codes.get if name == "mode" else lambda text: codes.get(text, np.nan)


NUMBER_OF = {name: _number_of(name) for name in TEXTS}


def _numbers(given: Mapping[str, Array], ids: Mapping[str, Array]) -> dict[str, Floats]:
    matrix = np.stack([_floats(name, values, ids) for name, values in given.items()])
    low, high, whole = BOUNDS[:, [PLACE[name] for name in given], None]
    wrong = (matrix < low) | (matrix > high) | ((whole > 0) & (np.floor(matrix) < matrix))
    wrong[0] |= np.isnan(matrix[0])  # session_position, the one that must be given
    if wrong.any():
        column, row = (int(places[0]) for places in np.nonzero(wrong))
        name = list(given)[column]
        raise _wrong(name, RULES[name].text, given[name].tolist()[row], row, ids)
    return dict(zip(given, matrix, strict=True))


def _floats(name: str, values: Array, ids: Mapping[str, Array]) -> Floats:
    flag = RULES[name].text == FLAG
    if values.dtype.kind in ("iufb" if flag else "iuf"):
        return values.astype(np.float64)
    objects = values.tolist()
    allowed = {int, float, type(None), np.float64, np.int64}
    if set(map(type, objects)) <= (allowed | {bool, np.bool_} if flag else allowed):
        try:
            return np.array(objects, np.float64)
        except OverflowError:  # a whole number beyond all floats
            objects = [value if value is None else _bounded(value) for value in objects]
            return np.array(objects, np.float64)
    wrong = next(
        i for i, v in enumerate(objects) if type(v) not in allowed and not (flag and v in (0, 1))
    )
    raise _wrong(name, RULES[name].text, objects[wrong], wrong, ids)


def _bounded(value: float) -> float:
    return float(min(max(value, -2 * LIMIT), 2 * LIMIT))


def _wrong(name: str, rule: str, value: Any, row: int, ids: Mapping[str, Array]) -> SkipcastError:
    session = shown(ids["session_id"][row])
    return SkipcastError(
        f"{name} must be {rule} but got {shown(value)} in row {row + 1} (session {session}). "
        "Correct the request."
    )


def shown(value: Any) -> str:
    """Return a value as a message shows it: as JSON has it, and never long.

    >>> shown(None), shown(2.0), shown("x" * 99)
    ('null', '2', "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...")
    """
    if _missing(value) is not None:
        return "null"
    if isinstance(value, float):
        return f"{value:g}"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 42 else f"{text[:39]}..."
