"""Memory that a decoding process and its parent share, without a name that could be left behind.

An anonymous file of Linux (memfd): it is gone when both processes are, however they end, and it
does not depend on the size of ``/dev/shm``, which containers keep small.
"""

import mmap
import os
from multiprocessing.reduction import DupFd
from typing import Any

import numpy as np

from extract.decoding.frame import Frames


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
