import numpy as np
import pandas as pd
import pytest

from skipcast.features.columns import Columns, Layout, Stack, code

NAN = np.nan


def equal(values, expected):
    np.testing.assert_array_equal(values, np.array(expected, float))


def test_flags_are_zero_and_one(three_plays):
    equal(Columns(three_plays)["skip_2"], [1, 0, 1])


def test_texts_are_their_codes(three_plays):
    equal(Columns(three_plays)["mode"], [0, 1, 1])
    equal(Columns(three_plays)["hist_user_behavior_reason_start"], [7, 9, 0])


def test_an_unseen_or_missing_text_is_missing(three_plays):
    three_plays["context_type"] = ["radio", "aquarium", None]
    equal(Columns(three_plays)["context_type"], [3, NAN, NAN])


def test_a_date_is_its_day_of_the_week(three_plays):
    three_plays["date"] = ["2018-07-15", "yesterday", None]
    equal(Columns(three_plays)["date"], [6, NAN, NAN])


def test_numbers_in_place_of_texts_are_codes():
    equal(Columns({"mode": np.array([1.0, NAN])})["mode"], [1, NAN])


@pytest.mark.parametrize("dtype", ["boolean", "Int64", "float64", "object"])
def test_missing_numbers_of_any_type_are_missing(dtype):
    column = pd.Series([1, None, 0], dtype=dtype)
    equal(Columns(pd.DataFrame({"premium": column}))["premium"], [1, NAN, 0])


def test_rows_are_those_of_the_slice(three_plays):
    columns = Columns(three_plays, slice(1, 3))
    equal(columns["session_position"], [2, 3])
    assert list(columns.raw("track_id_clean")) == ["b", "c"]


def test_matrix_and_rows_are_each_others_turn(three_plays):
    columns = Columns(three_plays)
    names = ("session_position", "skip_2")
    equal(columns.matrix(names), [[1, 1], [2, 0], [3, 1]])
    equal(columns.rows(names), columns.matrix(names).T)


@pytest.mark.parametrize("rows", [slice(None), slice(1, 3)])
def test_a_stack_reads_as_a_table_does(three_plays, rows):
    names = ("session_position", "skip_2", "tempo")
    values = three_plays[[*names]].to_numpy(float).T
    stacked, table = Columns(Stack(Layout(names), values), rows), Columns(three_plays, rows)
    for asked in (names, ("tempo", "skip_2")):
        equal(stacked.rows(asked), table.rows(asked))
        equal(stacked.matrix(asked), table.matrix(asked))
    equal(stacked["tempo"], table["tempo"])


def test_a_matrix_has_row_after_row_in_memory(three_plays):
    names = ("session_position", "skip_2")
    stack = Stack(Layout(names), three_plays[[*names]].to_numpy(float).T)
    assert Columns(stack).matrix(names).flags.c_contiguous
    assert Columns(three_plays).matrix(names).flags.c_contiguous


def test_code_of_a_text_of_another_column_is_missing():
    assert code("mode", "major") == 1
    assert np.isnan(code("mode", "radio"))
