"""The process that decodes: takes jobs from its parent, fills memory that both share with frames.

Runs until its parent closes the connection, or is gone. Imports nothing that takes long to load.
"""

import ctypes
import os
import resource
import threading
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TypeAlias

import cv2

from extract.videos.decoding import (
    ChunkMemory,
    DecodeJob,
    FrameChunk,
    VideoEnded,
    VideoOpened,
    decode_events,
)
from extract.videos.frame import Frames
from extract.videos.frame_memory import FrameMemory, FreeSlots
from extract.videos.part import FrameCountChanged, VideoError

# Options of mallopt, from glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3

# ``progress`` is called for every packet and frame: too often to look and to send each time.
_SECONDS_BETWEEN_SIGNS = 0.5
_SECONDS_BETWEEN_HEARING = 0.02


@dataclass(frozen=True)
class Cancel:
    """To the worker: the rest of the job of this number, counted from 1, is not wanted."""

    number: int


@dataclass(frozen=True)
class GiveBack:
    """To the worker: nobody looks at the frames in a slot any longer."""

    slot: int


@dataclass(frozen=True)
class Alive:
    """To the parent: the worker has started, or goes on without a chunk to show for it yet."""


@dataclass(frozen=True)
class ChunkReady:
    """To the parent: a ``FrameChunk``, whose frames lie in the shared memory."""

    first: int
    slot: int
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
        self._free = FreeSlots(memory.slots)
        self._num_jobs = 0
        # The number of the job at work, counted as the parent does.
        self._number: int | None = None
        # Where the chunk lies that is being filled; ``None`` once the parent was told of it.
        self._unsent: int | None = None
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
            if self._unsent is not None:  # the video ended by damage within a chunk
                self._free.give_back(self._unsent)
                self._unsent = None

    def new_chunk(self, num_frames: int, height: int, width: int) -> Frames:
        """Shared memory for a chunk; waits until the parent gives some back."""
        frame_bytes = height * width * 3
        num_fitting = min(num_frames, max(1, self._memory.slots.chunk_bytes // frame_bytes))
        # Only the parent frees memory: its GiveBack is waited for, and a Cancel raises from here.
        while (slot := self._free.take(num_fitting * frame_bytes)) is None:
            self._heed(self._connection.recv())
        self._unsent = slot
        return self._memory.frames(slot, num_fitting, height, width)

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
                    slot, self._unsent = self._unsent, None
                    assert slot is not None
                    num_frames, height, width, _ = event.frames.shape
                    shape = num_frames, height, width
                    self._connection.send(ChunkReady(event.first, slot, shape))
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
            self._free.give_back(message.slot)
        elif isinstance(message, Cancel) and message.number == self._number:
            # A message with another number came too late: that video has ended.
            raise Cancelled
