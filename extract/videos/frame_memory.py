"""Memory that a decoding process and its parent share, and which bytes of it are free."""

import mmap
import os
from collections import deque
from multiprocessing.reduction import DupFd
from typing import Any

import numpy as np

from extract.videos.frame import Frames

# FROM extract/decoding/frame_memory.py
# Memory that a decoding process and its parent share, without a name that could be left behind.
#
# An anonymous file of Linux (memfd): it is gone when both processes are, however they end, and it
# does not depend on the size of ``/dev/shm``, which containers keep small.


class FrameMemory:
    """A block of bytes, seen as frames; pickling it for a new process gives that process the same.

    Pages take real memory only once a frame has been written to them.
    """

    def __init__(self, file_descriptor: int, num_bytes: int) -> None:
        """Maps the first ``num_bytes`` bytes of a file that is already there."""
        self.num_bytes = num_bytes
        self._file_descriptor = file_descriptor
        self._block = mmap.mmap(file_descriptor, num_bytes)

    @classmethod
    def create(cls, num_bytes: int) -> "FrameMemory":
        """New memory; raises ``OSError`` when there is none."""
        file_descriptor = os.memfd_create("decoded frames")
        os.ftruncate(file_descriptor, num_bytes)
        return cls(file_descriptor, num_bytes)

    def frames(self, offset: int, num_frames: int, height: int, width: int) -> Frames:
        """The frames that begin at a byte: a view, which keeps the memory alive."""
        return np.ndarray((num_frames, height, width, 3), np.uint8, self._block, offset)

    def seal(self) -> None:
        """Ends sharing: no further process can get the memory; those that have it keep it."""
        os.close(self._file_descriptor)

    def __reduce__(self) -> tuple[Any, ...]:
        """Hands the file descriptor to a process that is being started."""
        return _received, (DupFd(self._file_descriptor), self.num_bytes)


def _received(descriptor: Any, num_bytes: int) -> FrameMemory:  # noqa: ANN401 - multiprocessing's own
    memory = FrameMemory(descriptor.detach(), num_bytes)
    memory.seal()
    return memory


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
