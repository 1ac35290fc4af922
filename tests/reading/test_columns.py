"""Whole columns give what their values give one by one, whatever their Arrow type."""

import datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from skipcast.reading.columns import ARROW_TYPES, WrongValueError, read_column, wrong_value
from skipcast.reading.values import read_value
from skipcast.schema import INPUTS

COLUMNS = {column.name: column for column in INPUTS}
NUMBERS = [
    *(pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32()),
    *(pa.uint64(), pa.float16(), pa.float32(), pa.float64(), pa.decimal128(9, 2)),
    pa.decimal256(40, 3),
]
TEXTS = [
    *(pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary()),
    pa.dictionary(pa.int8(), pa.string()),
    pa.dictionary(pa.int32(), pa.large_string()),
]
DAY = datetime.date(2018, 7, 15)
MOMENT = datetime.datetime(2018, 7, 15)
DAYS = [
    (DAY, pa.date32()), (DAY, pa.date64()), (MOMENT, pa.timestamp("s")),
    (MOMENT, pa.timestamp("ns")), (MOMENT, pa.timestamp("us", "UTC")),
]  # fmt: skip


def as_decimals(values, kind):
    make = Decimal if pa.types.is_decimal(kind) else int
    return [None if value is None else make(value) for value in values]


@pytest.mark.parametrize("kind", NUMBERS, ids=str)
@pytest.mark.parametrize(
    ("name", "values"),
    [("premium", [1, 0, None]), ("context_switch", [1, 0, None]), ("hour_of_day", [7, None, 23])],
)
def test_numbers_of_any_type(name, values, kind):
    array = pa.array(as_decimals(values, kind), kind)
    read = read_column(COLUMNS[name], array)
    assert read.type == ARROW_TYPES[COLUMNS[name].type]
    assert read.to_pylist() == values


@pytest.mark.parametrize("kind", TEXTS, ids=str)
@pytest.mark.parametrize(
    ("name", "texts", "expected"),
    [
        ("session_id", ["a", "NA", "a"], ["a", "NA", "a"]),
        ("context_type", ["radio", None, "NA"], ["radio", None, None]),
        ("date", ["2018-07-15", "", None], ["2018-07-15", None, None]),
        ("premium", ["t", "1.0", "False"], [True, True, False]),
        ("hour_of_day", ["3.0", "4", ""], [3, 4, None]),
    ],
)
def test_texts_of_any_type(name, texts, expected, kind):
    array = pa.array(texts).cast(kind)
    read = read_column(COLUMNS[name], array)
    assert (read.type, read.to_pylist()) == (ARROW_TYPES[COLUMNS[name].type], expected)


@pytest.mark.parametrize(("day", "kind"), DAYS, ids=str)
def test_dates_of_any_type(day, kind):
    array = pa.array([day, None], kind)
    assert read_column(COLUMNS["date"], array).to_pylist() == ["2018-07-15", None]


@pytest.mark.parametrize("kind", [pa.bool_(), pa.null()], ids=str)
def test_truth_and_nothing(kind):
    array = pa.array([None], kind)
    for column in COLUMNS.values():
        if not column.required:
            assert read_column(column, array).type == ARROW_TYPES[column.type]


WRONG = [
    ("premium", pa.array([1, 2, 3]), 1, 2),
    ("premium", pa.array([1.0, 0.5]), 1, 0.5),
    ("premium", pa.array(["t", "7", "maybe"]), 1, 7),
    ("hour_of_day", pa.array([True]), 0, True),
    ("hour_of_day", pa.array([None, 1.5]), 1, 1.5),
    ("hour_of_day", pa.array(["1", "noon"]), 1, "noon"),
    ("session_position", pa.array([1, None]), 1, None),
    ("session_position", pa.array([1, 0, None]), 1, 0),
    ("session_position", pa.array([2**63], pa.uint64()), 0, 2**63),
    ("session_id", pa.array([7]), 0, 7),
    ("session_id", pa.array(["a", ""]), 1, None),
    ("date", pa.array(["2018-07-15", "15/07/2018"]), 1, "15/07/2018"),
    ("date", pa.array([20180715]), 0, 20180715),
    ("mode", pa.array(["major", "dorian"]).dictionary_encode(), 1, "dorian"),
    ("tempo", pa.array([float("nan"), float("inf")]), 1, float("inf")),
    ("tempo", pa.array([[1.0]]), 0, [1.0]),
]


@pytest.mark.parametrize(("name", "array", "row", "value"), WRONG)
def test_the_first_wrong_value_is_found(name, array, row, value):
    with pytest.raises(WrongValueError) as caught:
        read_column(COLUMNS[name], array)
    assert (caught.value.row, caught.value.value) == (row, value)


@pytest.mark.parametrize(("name", "array", "row", "value"), WRONG)
def test_one_by_one_finds_the_same(name, array, row, value):
    for before in array.to_pylist()[:row]:
        read_value(COLUMNS[name], before)
    with pytest.raises(ValueError):  # noqa: PT011 (it has no message)
        read_value(COLUMNS[name], array.to_pylist()[row])


def test_the_error_names_column_rule_value_row_and_session():
    wrong = WrongValueError(2, "maybe")
    request = wrong_value(COLUMNS["premium"], wrong, session="s", first=10)
    assert str(request) == (
        "premium must be true, false, null, 0 or 1 but got 'maybe' in row 13 (session 's'). "
        "Correct the request."
    )
    file = wrong_value(COLUMNS["premium"], wrong, session=None, file="log.csv")
    assert str(file) == (
        "premium must be true, false, 0 or 1 but got 'maybe' in row 3 of log.csv. Correct the file."
    )
