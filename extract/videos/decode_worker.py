"""The process that decodes: takes jobs from its parent, fills shared memory with frames.

Runs until its parent closes the connection, or is gone. Imports nothing that takes long to load.
"""

import ctypes
import os
import threading
import time
import traceback
from contextlib import suppress
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from typing import TypeAlias

import cv2

from extract.videos.decode_job import (
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
from extract.videos.frame_memory import ByteRing, FrameMemory
from extract.videos.part import FrameCountChanged, VideoError

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
