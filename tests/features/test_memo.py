import gc
import weakref

from skipcast.features.memo import Memo


def test_a_value_is_computed_once_per_key():
    keys = []
    memo = Memo(lambda key: keys.append(key) or key + 1)
    assert [memo[1], memo[1], memo[2]] == [2, 2, 3]
    assert keys == [1, 2]


class Squares:
    def __init__(self):
        self.of = Memo(self.compute)

    def compute(self, number):
        return number * number


def test_an_object_with_a_memo_of_its_method_is_freed_with_its_last_user():
    gc.disable()
    squares = Squares()
    freed = weakref.ref(squares)
    assert squares.of[3] == 9
    del squares
    gc.enable()
    assert freed() is None
