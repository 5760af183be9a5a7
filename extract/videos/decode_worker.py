"""The process that decodes: takes jobs from its parent, fills shared memory with frames."""

import ctypes
import mmap
import os
import threading
import time
import traceback
from collections import deque
from contextlib import suppress
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import DupFd
from typing import Any, TypeAlias

import cv2
import numpy as np

from extract.videos.decoding import (
    Alive,
    Cancel,
    Cancelled,
    ChunkReady,
    Decode,
    DecodeEvent,
    DecodeJob,
    Failed,
    FrameChunk,
    FromWorker,
    GiveBack,
    ToWorker,
    decode_events,
)
from extract.videos.frame import Frames
from extract.videos.part import FrameCountChanged, VideoError

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


# FROM extract/videos/decode_worker.py
# The process that decodes: takes jobs from its parent, fills shared memory with frames.
#
# Runs until its parent closes the connection, or is gone. Imports nothing that takes long to load.


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h

_SECONDS_BETWEEN_SIGNS = 0.5
_SECONDS_BETWEEN_HEARING = 0.02
_MAX_CHUNKS_AHEAD = 64
"""However small they are: the messages about them must fit into the connection."""

WorkerConnection: TypeAlias = "Connection[FromWorker, ToWorker]"


def run_worker(connection: WorkerConnection, memory: FrameMemory) -> None:
    """Decodes one job after the other until the parent closes the connection."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _keep_freed_memory()
    cv2.setNumThreads(1)  # several videos are decoded at once, each in a process of its own
    worker = _Worker(connection, memory)
    try:
        worker.serve()
    except (EOFError, ConnectionError):
        return  # the parent needs no more


def _end_with_parent() -> None:
    """Ends the process when its parent is gone, even from within a decoder that hangs."""
    parent = parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _keep_freed_memory() -> None:
    """Lets glibc keep the memory of a frame for the next one.

    Otherwise it returns large blocks to the system and has them zeroed again, frame by frame: a
    third of the time at 1280x720. Other C libraries have no such call.
    """
    with suppress(AttributeError):
        set_option = ctypes.CDLL(None).mallopt
        set_option(_M_MMAP_THRESHOLD, 32 << 20)
        set_option(_M_TRIM_THRESHOLD, 256 << 20)


class _CancelledError(Exception):
    """Nobody wants the rest of the video."""


class _Worker:
    """Decodes into the memory that the parent sees into, and hears the parent while it does."""

    def __init__(self, connection: WorkerConnection, memory: FrameMemory) -> None:
        self._connection = connection
        self._memory = memory
        self._ring = ByteRing(memory.num_bytes, max_runs=_MAX_CHUNKS_AHEAD)
        self._number: int | None = None  # of the video at work
        self._unsent_offset: int | None = None  # of the chunk that is being filled
        self._last_heard = self._last_sign = 0.0

    def serve(self) -> None:
        """Raises ``EOFError`` or ``ConnectionError`` when the parent has gone."""
        self._connection.send(Alive())
        while True:
            message = self._connection.recv()
            if isinstance(message, Decode):
                self._number = message.number
                self._decode(message.job)
                self._number = None
                self._drop_unsent()
            else:
                self._heed(message)

    def new_chunk(self, num_frames: int, height: int, width: int) -> Frames:
        """Shared memory for a chunk; waits until the parent gives some back."""
        frame_bytes = height * width * 3
        # At most half of it, so that the next chunk can be filled while this one is looked at.
        num_fitting = min(num_frames, max(1, self._memory.num_bytes // 2 // frame_bytes))
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
                self._connection.send(self._message(event))
        except _CancelledError:
            self._connection.send(Cancelled())
        except (VideoError, FrameCountChanged) as error:
            self._connection.send(Failed(error))
        except (EOFError, ConnectionError):
            raise
        except Exception:  # the boundary of the process: the parent raises it as its own
            self._connection.send(Failed(RuntimeError(traceback.format_exc())))

    def _message(self, event: DecodeEvent) -> FromWorker:
        if not isinstance(event, FrameChunk):
            return event
        offset, self._unsent_offset = self._unsent_offset, None
        assert offset is not None
        num_frames, height, width, _ = event.frames.shape
        return ChunkReady(event.first, offset, (num_frames, height, width))

    def _drop_unsent(self) -> None:
        """Frees the memory of a chunk in whose middle a video ended by damage."""
        if self._unsent_offset is not None:
            self._ring.drop_newest()
            self._unsent_offset = None

    def _heed(self, message: ToWorker) -> None:
        if isinstance(message, GiveBack):
            self._ring.give_back()
        elif isinstance(message, Cancel) and message.number == self._number:
            raise _CancelledError
