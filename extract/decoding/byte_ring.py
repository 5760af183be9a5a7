"""Which bytes of a block of memory are free, when they are given back in the order of taking."""

from collections import deque


class ByteRing:
    """Hands out runs of bytes of a block, over and over.

    >>> ring = ByteRing(10, max_runs=2)
    >>> ring.take(6), ring.take(6)
    (0, None)
    >>> ring.give_back()
    >>> ring.take(6)
    0
    """

    def __init__(self, capacity: int, max_runs: int) -> None:
        """At most ``max_runs`` runs are out at a time, together at most ``capacity`` bytes."""
        self._capacity = capacity
        self._max_runs = max_runs
        self._taken: deque[tuple[int, int]] = deque()  # begin and end, oldest first

    def take(self, size: int) -> int | None:
        """Where ``size`` free bytes begin; ``None`` as long as something must be given back first.

        Raises ``ValueError`` for more bytes than there are.
        """
        if size > self._capacity:
            raise ValueError(f"{size} bytes do not fit into {self._capacity}")
        if len(self._taken) == self._max_runs:
            return None
        for begin, end in self._free_runs():
            if begin + size <= end:
                self._taken.append((begin, begin + size))
                return begin
        return None

    def give_back(self) -> None:
        """Frees the bytes that were taken first."""
        self._taken.popleft()

    def drop_newest(self) -> None:
        """Frees the bytes that were taken last: nobody will use them."""
        self._taken.pop()

    def _free_runs(self) -> list[tuple[int, int]]:
        if not self._taken:
            return [(0, self._capacity)]
        oldest, newest_end = self._taken[0][0], self._taken[-1][1]
        if newest_end > oldest:
            return [(newest_end, self._capacity), (0, oldest)]
        return [(newest_end, oldest)]
