import pandas as pd
import pytest

from skipcast.serving.distinct import SMALL, Distinct


@pytest.mark.parametrize("times", [1, SMALL])
@pytest.mark.parametrize("texts", [["b", None, "a"], ["b", "a", "b"], [None, None]])
def test_each_text_is_there_once_and_the_values_stay_however_many(texts, times):
    values = times * texts
    for given in (values, pd.Series(values, dtype="str")):
        distinct = Distinct.of(given)
        assert distinct.tolist() == values
        assert sorted(map(str, distinct.texts)) == sorted({*map(str, texts)})
        assert distinct.size == len(values)


@pytest.mark.parametrize("times", [1, SMALL])
def test_texts_are_numbered_in_order_of_their_first_row_however_many(times):
    distinct = Distinct.of(times * ["b", "c", "a"])
    assert distinct.numbers.tolist() == times * [0, 1, 2]
