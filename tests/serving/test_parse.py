"""From what a client sends to columns of numbers, on requests of three plays."""

import math
from datetime import date
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from skipcast.errors import SkipcastError
from skipcast.schema import CODES, INPUTS
from skipcast.serving.distinct import SMALL
from skipcast.serving.parse import read_request


@pytest.fixture
def rows():
    """Return the rows of a request: a session of three plays, the last one to be scored."""
    shared = {"session_id": "s", "hour_of_day": 12, "date": "2018-07-15", "context_type": "radio"}
    return [
        {**shared, "session_position": 1, "track_id_clean": "a", "skip_2": True, "tempo": 90.5},
        {**shared, "session_position": 2, "track_id_clean": "b", "skip_2": False, "tempo": 120.0},
        {**shared, "session_position": 3, "track_id_clean": "c", "skip_2": None, "tempo": None},
    ]


def test_numbers_flags_texts_and_dates_become_numbers(rows):
    columns = read_request(pd.DataFrame(rows))
    assert columns["session_id"].tolist() == ["s", "s", "s"]
    np.testing.assert_array_equal(columns["skip_2"], [1, 0, np.nan])
    np.testing.assert_array_equal(columns["tempo"], [90.5, 120, np.nan])
    np.testing.assert_array_equal(
        columns["context_type"], 3 * [CODES["context_type"].index("radio")]
    )
    np.testing.assert_array_equal(columns["date"], [6, 6, 6])  # a Sunday


def test_a_frame_a_list_of_rows_and_a_dict_of_columns_are_the_same(rows):
    expected = read_request(pd.DataFrame(rows))
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    for data in (rows, columns):
        result = read_request(data)
        for name, values in expected.items():
            np.testing.assert_array_equal(result[name], values)


@pytest.mark.parametrize("times", [1, SMALL])
def test_ids_are_numbered_in_order_of_their_first_row_however_many(rows, times):
    for row, session, track in zip(rows, "bab", "xyx", strict=True):
        row |= {"session_id": session, "track_id_clean": track}
    for data in (times * rows, pd.DataFrame(times * rows)):
        columns = read_request(data)
        assert columns["session_number"].tolist() == times * [0, 1, 0]
        assert columns["track_number"].tolist() == times * [0, 1, 0]


@pytest.mark.parametrize("name", ["listener_id", "artist_id"])
def test_an_id_that_may_be_missing_is_a_text_or_none(rows, name):
    """As other texts, it is null where it spells so, in a large request, too."""
    for values in (["x", None, "NA"], ["x", "", math.nan], ["x", "null", None]):
        given = [row | {name: value} for row, value in zip(rows, values, strict=True)]
        many = [row | {"session_id": f"s{i}"} for i in range(SMALL) for row in given]
        for data in (given, pd.DataFrame(given), pd.DataFrame(many)):
            assert read_request(data)[name].tolist()[:3] == ["x", None, None]
    assert name not in read_request(rows)


def test_mlflows_arrays_of_single_values_are_undone(rows):
    wrapped = [{name: np.array(value) for name, value in row.items()} for row in rows]
    assert read_request(wrapped)["session_id"].tolist() == ["s", "s", "s"]


def test_a_large_request_is_read_as_a_small_one(rows):
    many = [row | {"session_id": f"s{i}"} for i in range(SMALL) for row in rows]
    large = read_request(pd.DataFrame(many))
    small = read_request(pd.DataFrame(rows))
    for name in small.keys() - {"session_id"}:
        np.testing.assert_array_equal(large[name][:3], small[name])


@pytest.mark.parametrize("values", [[True, False, None], [1, 0, None], [1.0, 0.0, math.nan]])
def test_true_false_0_and_1_are_the_same(rows, values):
    frame = pd.DataFrame(rows).assign(skip_2=pd.Series(values, dtype=object))
    np.testing.assert_array_equal(read_request(frame)["skip_2"], [1, 0, np.nan])


SPELLINGS = {
    "skip_2": ["TRUE", "f", None],
    "hour_of_day": ["12", 12.0, "12.0"],
    "tempo": ["90.5", Decimal(120), ""],
    "date": [date(2018, 7, 15), pd.Timestamp("2018-07-15"), "2018-07-15"],
    "context_type": ["radio", "radio", "NA"],
}


@pytest.mark.parametrize("name", SPELLINGS)
@pytest.mark.parametrize("copies", [1, SMALL])
def test_a_value_is_read_however_it_is_spelled(rows, name, copies):
    expected = read_request(pd.DataFrame(rows))[name]
    if name == "context_type":
        expected[2] = np.nan
    frame = pd.DataFrame(rows).assign(**{name: pd.Series(SPELLINGS[name], dtype=object)})
    frame = pd.concat([frame] * copies, ignore_index=True)
    np.testing.assert_array_equal(read_request(frame)[name][-3:], expected)


TYPES = {
    "skip_2": ["boolean", "Int8", "float16", "Float64", "category", "string"],
    "hour_of_day": ["int8", "uint16", "float32", "Int64", "category", "string", "int64[pyarrow]"],
    "date": ["category", "string", "datetime64[ns]", "str"],
    "session_id": ["category", "string", "str"],
    "context_type": ["category", "string"],
    "tempo": ["Float32", "category", "double[pyarrow]"],
}


@pytest.mark.parametrize(
    ("name", "kind"), [(n, kind) for n, kinds in TYPES.items() for kind in kinds]
)
@pytest.mark.parametrize("copies", [1, SMALL])
def test_a_column_is_read_whatever_its_type_in_pandas(rows, name, kind, copies):
    """Small and large requests are read in two ways."""
    expected = read_request(pd.DataFrame(rows))[name]
    frame = pd.DataFrame(rows)
    if name == "skip_2" and kind != "boolean":
        frame[name] = pd.Series([1, 0, None], dtype="Int64" if kind != "float16" else "float64")
    frame = pd.concat([frame.astype({name: kind})] * copies, ignore_index=True).astype({name: kind})
    np.testing.assert_array_equal(read_request(frame)[name][:3], expected)


def test_a_text_that_is_new_is_told_in_the_log_once(rows, caplog):
    frame = pd.DataFrame(rows).assign(context_type="terrarium")
    for _ in range(3):
        read_request(frame)
    assert caplog.text.count("context_type 'terrarium' is new to the model") == 1


def test_a_text_newer_than_the_model_is_missing(rows):
    frame = pd.DataFrame(rows).assign(context_type="aquarium")
    assert np.isnan(read_request(frame)["context_type"]).all()


REFUSED = [
    ("session_id", None, "session_id must be text that is not empty but got null in row 2"),
    ("session_id", 12, "session_id must be text that is not empty but got 12 in row 2"),
    ("track_id_clean", "", "track_id_clean must be text that is not empty but got null in row 2"),
    (
        "session_position",
        1.5,
        "session_position must be a whole number from 1 to 1,000,000 but got",
    ),
    ("session_position", None, "session_position must be a whole number .* but got null in row 2"),
    ("session_position", -1, "session_position must be a whole number .* but got -1"),
    ("session_position", 10**400, "session_position must be a whole number from 1"),
    ("session_position", True, "session_position must be a whole number .* got True"),
    ("skip_2", "maybe", "skip_2 must be true, false, null, 0 or 1 but got 'maybe' in row 2"),
    ("skip_2", 7, "skip_2 must be true, false, null, 0 or 1 but got 7 in row 2"),
    ("skipped", 2, "skipped must be true, false, null, 0 or 1 but got 2 in row 2"),
    ("hour_of_day", 24, "hour_of_day must be a whole number from 0 to 23, or null but got 24"),
    ("tempo", math.inf, "tempo must be a number within 1,000,000 of 0, or null but got inf"),
    ("tempo", "fast", "tempo must be a number .* but got 'fast'"),
    ("tempo", [1], r"tempo must be a number .* but got \[1\]"),
    ("mode", "dorian", "mode must be minor, major or null but got 'dorian'"),
    ("date", "2018-13-01", "date must be a date like 2018-07-15 or null but got '2018-13-01'"),
    ("date", "2018-W28-7", "date must be a date like 2018-07-15 or null but got '2018-W28-7'"),
    ("context_type", 3, "context_type must be text or null but got 3"),
]


@pytest.mark.parametrize(("name", "value", "match"), REFUSED)
def test_refuses_a_value_by_the_words_of_its_rule(rows, name, value, match):
    rows[1][name] = value
    with pytest.raises(SkipcastError, match=match):
        read_request(rows)


def test_a_missing_position_is_refused_whatever_comes_first(rows):
    rows[1]["session_position"] = None
    reordered = [dict(sorted(row.items(), reverse=True)) for row in rows]
    with pytest.raises(SkipcastError, match=r"session_position must be .* got null in row 2"):
        read_request(reordered)


def test_names_the_session_of_a_wrong_value(rows):
    rows[2]["hour_of_day"] = -1
    with pytest.raises(SkipcastError, match=r"got -1 in row 3 \(session 's'\)\. Correct"):
        read_request(rows)


def test_refuses_a_misspelt_column_and_names_the_nearest(rows):
    rows[0]["premum"] = True
    with pytest.raises(SkipcastError, match=r"got 'premum'\. Did you mean premium\?"):
        read_request(rows)


def test_refuses_a_request_without_a_required_column(rows):
    frame = pd.DataFrame(rows).drop(columns="track_id_clean")
    with pytest.raises(SkipcastError, match="track_id_clean must be given for each play but the"):
        read_request(frame)


def test_refuses_a_column_that_comes_twice(rows):
    frame = pd.DataFrame(rows)
    with pytest.raises(SkipcastError, match="'date' comes again"):
        read_request(pd.concat([frame, frame[["date"]]], axis=1))


def test_refuses_no_play(rows):
    with pytest.raises(
        SkipcastError, match=r"session_id must hold a value for each play, .* no play"
    ):
        read_request(pd.DataFrame(rows).head(0))


def test_refuses_columns_of_different_lengths():
    data = {"session_id": ["s", "s"], "session_position": [1], "track_id_clean": ["a", "b"]}
    with pytest.raises(SkipcastError, match="session_position must hold a value for each play"):
        read_request(data)


@pytest.mark.parametrize("data", [[], [1], "plays", 3, None])
def test_refuses_what_has_no_named_columns(data):
    with pytest.raises(SkipcastError, match="The request must be rows with named columns"):
        read_request(data)


def test_every_column_is_optional_but_the_keys(rows):
    keys = [column.name for column in INPUTS if column.required]
    assert list(read_request(pd.DataFrame(rows)[keys])) == [
        "session_id", "track_id_clean", "session_number", "track_number", "session_position"
    ]  # fmt: skip
