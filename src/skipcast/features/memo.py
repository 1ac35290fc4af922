"""Values that several features ask for, computed once."""

from collections.abc import Callable
from inspect import ismethod
from typing import TypeVar
from weakref import WeakMethod

Key = TypeVar("Key")
Value = TypeVar("Value")


class Memo(dict[Key, Value]):
    """Values by key; each is computed when it is first read.

    The object of a bound method is held weakly. So an object that holds memos of its own methods
    is freed when its last user is done, and its arrays do not wait for the garbage collector.

    >>> squares = Memo(lambda number: number * number)
    >>> squares[3], dict(squares)
    (9, {3: 9})
    """

    def __init__(self, compute: Callable[[Key], Value]) -> None:
        super().__init__()
        self._compute = WeakMethod(compute) if ismethod(compute) else lambda: compute

    def __missing__(self, key: Key) -> Value:
        compute = self._compute()
        assert compute is not None  # whoever reads the memo has its object
        value = self[key] = compute(key)
        return value
