"""Reasons and contexts that no feature knows."""

from collections import Counter

import pyarrow as pa

from skipcast.reading.categories import count_new, tell_new


def test_a_text_that_is_new_is_counted_for_its_column():
    table = pa.table(
        {
            "context_type": ["radio", "aquarium", "aquarium", None],
            "hist_user_behavior_reason_start": ["fwdbtn", "voice", "clickrow", "swipe"],
            "mode": ["major", "minor", "dorian", None],
        }
    )
    assert count_new(table) == {
        ("context_type", "aquarium"): 2,
        ("hist_user_behavior_reason_start", "voice"): 1,
        ("hist_user_behavior_reason_start", "swipe"): 1,
    }


def test_nothing_new_is_not_told():
    assert tell_new(count_new(pa.table({"context_type": ["radio", None]}))) == []


def test_of_many_texts_the_most_frequent_are_told():
    counts = Counter({("context_type", f"c{i}"): 10 - i for i in range(7)})
    assert tell_new(counts) == [
        "context_type of 49 plays is new to the model and counts as missing: "
        "'c0' (10), 'c1' (9), 'c2' (8), 'c3' (7), 'c4' (6) and 2 more."
    ]
