from skipcast.features.memo import Memo


def test_a_value_is_computed_once_per_key():
    keys = []
    memo = Memo(lambda key: keys.append(key) or key + 1)
    assert [memo[1], memo[1], memo[2]] == [2, 2, 3]
    assert keys == [1, 2]
