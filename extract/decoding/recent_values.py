"""Remembers what was learnt with effort of the files that were looked at last."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class RecentValues(Generic[Value]):
    """Values by key; the one that was not asked for the longest is forgotten first.

    >>> values = RecentValues[int](capacity=2)
    >>> values.get("a", lambda: 1), values.get("a", lambda: 2)
    (1, 1)
    """

    def __init__(self, capacity: int) -> None:
        """Remember at most ``capacity`` values."""
        self._capacity = capacity
        self._values: OrderedDict[Hashable, Value] = OrderedDict()

    def get(self, key: Hashable, learn: Callable[[], Value]) -> Value:
        """The value that is remembered for a key, else what ``learn`` gives; it may raise."""
        if key not in self._values:
            self._values[key] = learn()
            if len(self._values) > self._capacity:
                self._values.popitem(last=False)
        self._values.move_to_end(key)
        return self._values[key]
