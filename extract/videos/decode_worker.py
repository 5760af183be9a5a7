"""The process that decodes: takes jobs from its parent, fills memory that both share with frames.

Runs until its parent closes the connection, or is gone. Imports nothing that takes long to load.
"""

import ctypes
import mmap
import os
import resource
import threading
import time
import traceback
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np

from extract.videos.decoding import (
    ChunkMemory,
    DecodeJob,
    FrameChunk,
    VideoEnded,
    VideoOpened,
    decode_events,
)
from extract.videos.frame import Frames
from extract.videos.part import FrameCountChanged, VideoError

# Options of mallopt, from glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3

# ``progress`` is called for every packet and frame: too often to look and to send each time.
_SECONDS_BETWEEN_SIGNS = 0.5
_SECONDS_BETWEEN_HEARING = 0.02
# However small chunks are, no more wait: the messages about them must fit into the connection.
_MAX_CHUNKS_AHEAD = 64
# Bytes of one chunk, and of all that wait, unless single frames are larger: memory that was used a
# moment ago is in the processor's cache, and has its pages.
_CHUNK_BYTES, _BYTES_AHEAD = 8 << 20, 32 << 20


@dataclass(frozen=True)
class Cancel:
    """To the worker: the rest of the job of this number, counted from 1, is not wanted."""

    number: int


@dataclass(frozen=True)
class GiveBack:
    """To the worker: the oldest chunk has been used, its memory is free."""


@dataclass(frozen=True)
class Alive:
    """To the parent: the worker has started, or goes on without a chunk to show for it yet."""


@dataclass(frozen=True)
class ChunkReady:
    """To the parent: a ``FrameChunk``, whose frames lie in the shared memory."""

    first: int
    offset: int
    shape: tuple[int, int, int]
    """Number of frames, height, width."""


class Cancelled(Exception):  # noqa: N818 - not an error: it was asked for
    """The rest of the video was not decoded, as the parent asked."""


ToWorker: TypeAlias = DecodeJob | Cancel | GiveBack
AboutVideo: TypeAlias = VideoOpened | ChunkReady | VideoEnded | Exception
"""The events of :func:`decode_events`, or what it raised."""
FromWorker: TypeAlias = Alive | AboutVideo

LAST_OF_A_VIDEO = (VideoEnded, Exception)
"""After one of these a worker is ready for its next video."""

WorkerConnection: TypeAlias = "Connection[FromWorker, ToWorker]"


class FrameMemory:
    """A block of bytes, seen as frames; pickling it for a new process gives that process the same.

    An anonymous file of Linux (memfd): it is gone when both processes are, however they end, and it
    does not depend on the size of ``/dev/shm``, which containers keep small. Pages take real memory
    only once a frame has been written to them.
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
        return _received, (DupFd(self._file_descriptor), self.num_bytes)


def _received(descriptor: Any, num_bytes: int) -> FrameMemory:  # noqa: ANN401 - multiprocessing's own
    # The mapping outlives the descriptor, so this process closes its copy at once.
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
        # Begin and end of the runs that are out, oldest first; each begins where the last one ends
        # or, where the rest of the block was too small, at 0.
        self._taken: deque[tuple[int, int]] = deque()

    def take(self, size: int) -> int | None:
        """Where ``size`` free bytes begin; ``None`` as long as something must be given back first.

        Raises ``ValueError`` for more bytes than there are.
        """
        if size > self._capacity:
            raise ValueError(f"{size} bytes do not fit into {self._capacity}")
        if len(self._taken) == self._max_runs:
            return None
        if not self._taken:
            free = [(0, self._capacity)]
        else:
            oldest, newest_end = self._taken[0][0], self._taken[-1][1]
            if newest_end > oldest:
                free = [(newest_end, self._capacity), (0, oldest)]
            else:  # what is taken goes on at the beginning of the block
                free = [(newest_end, oldest)]
        for begin, end in free:
            if begin + size <= end:
                self._taken.append((begin, begin + size))
                return begin
        return None

    def grow(self, capacity: int) -> None:
        """Hands out runs of a larger block, too; what is out stays where it is."""
        self._capacity = max(self._capacity, capacity)

    def give_back(self) -> None:
        """Frees the bytes that were taken first."""
        self._taken.popleft()

    def drop_newest(self) -> None:
        """Frees the bytes that were taken last, which will not be used."""
        self._taken.pop()


def run_worker(connection: WorkerConnection, memory: FrameMemory, max_bytes: int) -> None:
    """Decodes one job after the other until the parent closes the connection.

    The process may take ``max_bytes`` of addresses beyond those that it has now.
    """
    addresses = LimitedAddresses(max_bytes)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    keep_freed_memory()
    # Several videos are decoded at once, each in a process of its own.
    cv2.setNumThreads(1)
    with suppress(EOFError, ConnectionError):  # the parent needs no more
        _Worker(connection, memory, addresses).serve()


class LimitedAddresses:
    """The addresses that this process may take: so many bytes beyond those that it has."""

    def __init__(self, max_bytes: int) -> None:
        """Sets the limit; the system's own stays where it is lower."""
        self._first, self._max_bytes = self._now(), max_bytes
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        soft = self._first + max_bytes
        resource.setrlimit(
            resource.RLIMIT_AS, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard)
        )

    @property
    def are_short(self) -> bool:
        """Whether more than half of them are taken. Libraries that get no memory may call a file
        damaged instead.
        """
        return self._now() - self._first > self._max_bytes // 2

    def _now(self) -> int:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        return pages * resource.getpagesize()


def keep_freed_memory() -> None:
    """Has glibc keep the memory of a frame for the next one.

    Otherwise it returns large blocks to the system and has them zeroed again, frame by frame: a
    third of the time at 1280x720. Other C libraries have no such call.
    """
    with suppress(AttributeError):
        set_option = ctypes.CDLL(None).mallopt
        set_option(_M_MMAP_THRESHOLD, 32 << 20)
        set_option(_M_TRIM_THRESHOLD, 256 << 20)


def _end_with_parent() -> None:
    """Ends the process when its parent is gone, even from within a decoder that hangs."""
    parent = parent_process()
    assert parent is not None
    wait([parent.sentinel])
    # Not sys.exit, which would end this thread alone.
    os._exit(1)


class _Worker(ChunkMemory):
    """Decodes into the memory that the parent sees into, and hears the parent while it does."""

    def __init__(
        self, connection: WorkerConnection, memory: FrameMemory, addresses: LimitedAddresses
    ) -> None:
        self._connection = connection
        self._addresses = addresses
        self._memory = memory
        self._ring = ByteRing(min(_BYTES_AHEAD, memory.num_bytes), max_runs=_MAX_CHUNKS_AHEAD)
        self._num_jobs = 0
        # The number of the job at work, counted as the parent does.
        self._number: int | None = None
        # Where the chunk begins that is being filled; ``None`` once the parent was told of it.
        self._unsent_offset: int | None = None
        self._last_heard = self._last_sign = 0.0

    def serve(self) -> None:
        """Raises ``EOFError`` or ``ConnectionError`` when the parent has gone."""
        self._connection.send(Alive())
        while True:
            message = self._connection.recv()
            if not isinstance(message, DecodeJob):
                self._heed(message)
                continue
            self._num_jobs += 1
            self._number = self._num_jobs
            self._decode(message)
            self._number = None
            if self._unsent_offset is not None:  # the video ended by damage within a chunk
                self._ring.drop_newest()
                self._unsent_offset = None

    def new_chunk(self, num_frames: int, height: int, width: int) -> Frames:
        """Shared memory for a chunk; waits until the parent gives some back."""
        frame_bytes = height * width * 3
        chunk_bytes = min(_CHUNK_BYTES, self._memory.num_bytes // 2)
        num_fitting = min(num_frames, max(1, chunk_bytes // frame_bytes))
        # Twice as much, so that the next chunk can be filled while this one is looked at.
        self._ring.grow(min(2 * num_fitting * frame_bytes, self._memory.num_bytes))
        # Only the parent frees memory: its GiveBack is waited for, and a Cancel raises from here.
        while (offset := self._ring.take(num_fitting * frame_bytes)) is None:
            self._heed(self._connection.recv())
        self._unsent_offset = offset
        return self._memory.frames(offset, num_fitting, height, width)

    def progress(self) -> None:
        """Tells the parent that work goes on, and hears whether it should."""
        now = time.monotonic()
        if now - self._last_heard > _SECONDS_BETWEEN_HEARING:
            self._last_heard = now
            while self._connection.poll():
                self._heed(self._connection.recv())
        if now - self._last_sign > _SECONDS_BETWEEN_SIGNS:
            self._last_sign = now
            self._connection.send(Alive())

    def _decode(self, job: DecodeJob) -> None:
        try:
            for event in decode_events(job, self):
                if isinstance(event, FrameChunk):
                    offset, self._unsent_offset = self._unsent_offset, None
                    assert offset is not None
                    num_frames, height, width, _ = event.frames.shape
                    shape = num_frames, height, width
                    self._connection.send(ChunkReady(event.first, offset, shape))
                else:
                    self._connection.send(event)
        except VideoError as error:
            if self._addresses.are_short:
                error = job.rules.too_little_memory(job.path, error.reason)
            self._connection.send(error)
        except (FrameCountChanged, Cancelled) as outcome:
            self._connection.send(outcome)
        # The parent is gone, and nobody can be told: ``run_worker`` ends.
        except (EOFError, ConnectionError):
            raise
        except Exception:
            # The boundary of the process: the parent raises it as its own.
            self._connection.send(RuntimeError(traceback.format_exc()))

    def _heed(self, message: ToWorker) -> None:
        if isinstance(message, GiveBack):
            self._ring.give_back()
        elif isinstance(message, Cancel) and message.number == self._number:
            # A message with another number came too late: that video has ended.
            raise Cancelled
