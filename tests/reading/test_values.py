"""What a value may be spelled like."""

from datetime import UTC, date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from skipcast.reading.values import display, is_null, read_value
from skipcast.schema import INPUTS

COLUMNS = {column.name: column for column in INPUTS}
TRUE = [True, 1, 1.0, "true", "True", "TRUE", "t", "T", "1", "1.0", " true ", "1e0", np.True_]
FALSE = [False, 0, -0.0, "false", "False", "FALSE", "f", "F", "0", "0.0", np.int8(0), Decimal(0)]
NULL = [None, float("nan"), "", "NA", "null", "NULL", "NaN", "None", "<NA>", pd.NA, pd.NaT]


@pytest.mark.parametrize("name", ["premium", "skipped", "context_switch"])
def test_a_flag_has_many_spellings(name):
    assert [read_value(COLUMNS[name], value) for value in TRUE] == [1] * len(TRUE)
    assert [read_value(COLUMNS[name], value) for value in FALSE] == [0] * len(FALSE)


@pytest.mark.parametrize("value", [3, 3.0, "3", "3.0", " 3", "+3", "3e0", "30e-1", np.float32(3)])
def test_a_whole_number_may_have_a_point(value):
    assert read_value(COLUMNS["hour_of_day"], value) == 3


@pytest.mark.parametrize("value", NULL)
@pytest.mark.parametrize("name", ["premium", "hour_of_day", "tempo", "date", "mode"])
def test_null_has_many_spellings(name, value):
    assert read_value(COLUMNS[name], value) is None


@pytest.mark.parametrize(
    "day", ["2018-07-15", date(2018, 7, 15), datetime(2018, 7, 15), pd.Timestamp("2018-07-15")]
)
def test_a_date_may_be_a_text_or_a_day(day):
    assert read_value(COLUMNS["date"], day) == "2018-07-15"


@pytest.mark.parametrize("text", ["NA", "null", "nan", "0", "true"])
def test_an_id_is_what_it_is(text):
    assert read_value(COLUMNS["track_id_clean"], text) == text
    assert read_value(COLUMNS["session_id"], text.encode()) == text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("premium", "maybe"), ("premium", "yes"), ("premium", 2), ("premium", "0.5"),
        ("hour_of_day", True), ("hour_of_day", "true"), ("hour_of_day", 24), ("hour_of_day", "1.5"),
        ("tempo", "1,5"), ("tempo", "1_0"), ("tempo", "0x10"), ("tempo", float("inf")),
        ("tempo", "inf"), ("tempo", "1e999"), ("tempo", 10**400), ("tempo", [1]), ("tempo", "٣"),
        ("session_position", None), ("session_position", ""), ("session_id", ""),
        ("session_id", 7), ("session_id", b"\xff"), ("mode", "dorian"), ("mode", 1),
        ("date", "20180715"), ("date", "15/07/2018"), ("date", "2018-07-15 00:00:00"),
        ("date", datetime(2018, 7, 15, 1)), ("date", datetime(2018, 7, 15, 1, tzinfo=UTC)),
        ("context_type", date(2018, 7, 15)), ("context_type", False),
    ],
)  # fmt: skip
def test_refuses_what_spells_no_value_of_the_column(name, value):
    with pytest.raises(ValueError):  # noqa: PT011 (there is no message: `wrong_value` has it)
        read_value(COLUMNS[name], value)


def test_a_list_is_not_null():
    assert not is_null([None])


def test_a_long_value_is_shown_short():
    assert len(display("x" * 5000)) == 42
