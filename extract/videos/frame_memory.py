"""The memory that a decoding process fills with frames and its parent looks at.

It is divided into slots, each of which holds one chunk. The decoder fills a slot and tells the
parent; the parent gives the slot back once nobody there looks at its frames any longer. So frames
need no copy between the two, and wait for the network where they were decoded.
"""

import mmap
import os
import weakref
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.reduction import DupFd
from typing import Any

import numpy as np

from extract.videos.frame import Frames

# Slots that are left for chunks that are being filled and chunks that wait to be read: were all of
# them held, nothing could be decoded.
_NEVER_HELD = 4


@dataclass(frozen=True)
class Slots:
    """How a block of memory is divided: slots for chunks, then larger ones for huge frames.

    Pages take real memory only once they have been written to.
    """

    num_chunks: int = 12
    chunk_bytes: int = 8 << 20
    num_huge: int = 2
    huge_bytes: int = 256 << 20
    """Of a slot for a single frame that is larger than a chunk; the largest of the usual settings
    fits in."""

    @property
    def num_bytes(self) -> int:
        """Of the whole block."""
        return self.num_chunks * self.chunk_bytes + self.num_huge * self.huge_bytes

    def is_huge(self, slot: int) -> bool:
        """Whether a slot is one for huge frames."""
        return slot >= self.num_chunks

    def offset(self, slot: int) -> int:
        """The byte where a slot begins."""
        num_huge = max(0, slot - self.num_chunks)
        return (slot - num_huge) * self.chunk_bytes + num_huge * self.huge_bytes


class FrameMemory:
    """A block of bytes, seen as frames; pickling it for a new process gives that process the same.

    An anonymous file of Linux (memfd): it is gone when both processes are, however they end, and it
    does not depend on the size of ``/dev/shm``, which containers keep small.
    """

    def __init__(self, file_descriptor: int, slots: Slots) -> None:
        """Maps a file that is already there."""
        self.slots = slots
        self._file_descriptor = file_descriptor
        self._block = mmap.mmap(file_descriptor, slots.num_bytes)

    @classmethod
    def create(cls, slots: Slots) -> "FrameMemory":
        """New memory; raises ``OSError`` when there is none."""
        file_descriptor = os.memfd_create("decoded frames")
        os.ftruncate(file_descriptor, slots.num_bytes)
        return cls(file_descriptor, slots)

    def frames(self, slot: int, num_frames: int, height: int, width: int) -> Frames:
        """The frames in a slot: an array that other views refer to, and which keeps the memory."""
        shape, offset = (num_frames, height, width, 3), self.slots.offset(slot)
        return np.ndarray(shape, np.uint8, self._block, offset)

    def seal(self) -> None:
        """Ends sharing: no further process can get the memory; those that have it keep it."""
        os.close(self._file_descriptor)

    def __reduce__(self) -> tuple[Any, ...]:
        return _received, (DupFd(self._file_descriptor), self.slots)


def _received(descriptor: Any, slots: Slots) -> FrameMemory:  # noqa: ANN401 - multiprocessing's own
    # The mapping outlives the descriptor, so this process closes its copy at once.
    memory = FrameMemory(descriptor.detach(), slots)
    memory.seal()
    return memory


class FreeSlots:
    """The slots that a decoder may fill.

    >>> free = FreeSlots(Slots(num_chunks=1, chunk_bytes=10, num_huge=1, huge_bytes=99))
    >>> free.take(6), free.take(6), free.take(11)
    (0, None, 1)
    >>> free.give_back(0)
    >>> free.take(10)
    0
    """

    def __init__(self, slots: Slots) -> None:
        """All of them."""
        self._slots = slots
        # The one given back last is taken first: it may still be in the processor's cache.
        self._chunks = list(range(slots.num_chunks))
        self._huge = [slots.num_chunks + number for number in range(slots.num_huge)]

    def take(self, num_bytes: int) -> int | None:
        """A slot for so many bytes; ``None`` as long as one must be given back first.

        Raises ``ValueError`` for more bytes than any slot has.
        """
        if num_bytes > self._slots.huge_bytes:
            raise ValueError(f"{num_bytes} bytes do not fit into {self._slots.huge_bytes}")
        free = self._chunks if num_bytes <= self._slots.chunk_bytes else self._huge
        return free.pop() if free else None

    def give_back(self, slot: int) -> None:
        """A slot may be filled again."""
        (self._huge if self._slots.is_huge(slot) else self._chunks).append(slot)


class HeldSlots:
    """The chunks that a parent looks at, in any of its threads."""

    def __init__(self, memory: FrameMemory) -> None:
        """None so far."""
        self._memory = memory
        self._most_held = memory.slots.num_chunks - _NEVER_HELD
        # Slots handed out that have not been given back; of these, those nobody looks at any more.
        # The latter grows from whatever thread forgets a chunk last.
        self._num_held = 0
        self._unused: deque[int] = deque()

    def frames(self, slot: int, shape: tuple[int, int, int]) -> Frames:
        """A chunk's frames, which do not change as long as anything refers to them.

        Where too many chunks are held, and of huge frames, they are a copy.
        """
        frames = self._memory.frames(slot, *shape)
        if self._memory.slots.is_huge(slot) or self._num_held >= self._most_held:
            self._unused.append(slot)
            frames = frames.copy()
        else:
            weakref.finalize(frames, self._unused.append, slot)
        self._num_held += 1
        return frames

    def unused(self) -> Iterator[int]:
        """The slots that may be given back since this was asked last."""
        while self._unused:
            self._num_held -= 1
            yield self._unused.popleft()
