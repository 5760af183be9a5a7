"""A decoding process as its parent sees it: starting, feeding, listening, ending."""

import multiprocessing
import signal
from collections import deque
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import TypeAlias

from extract.decoding.decode_job import DecodeJob
from extract.decoding.decode_worker import run_worker
from extract.decoding.frame import Frames
from extract.decoding.frame_memory import FrameMemory
from extract.decoding.worker_messages import (
    LAST_OF_A_VIDEO,
    AboutVideo,
    Alive,
    Cancel,
    ChunkReady,
    Decode,
    FromWorker,
    GiveBack,
    ToWorker,
)

MEMORY_BYTES = 256 << 20
"""Shared memory of one process for frames that wait; one frame of the largest size fits in."""

_START_SECONDS = 300.0
"""How long a process may take to load its libraries, from a slow network disk for instance."""

_Connection: TypeAlias = "Connection[ToWorker, FromWorker]"


_SECONDS_BETWEEN_LOOKS = 0.5
"""Of waiting that count at most for one look, however long the computer or the program slept."""

_SECONDS_TO_DIE = 2.0
"""For a killed process; one that waits for a disk that is gone does not die before it."""


class WorkerLostError(Exception):
    """The process is no more, and with it the video that it was decoding."""


class WorkerProcess:
    """One decoding process. It decodes one video at a time, as far ahead as its memory lasts.

    The messages about a video stay readable when the process is lost in a later one.
    """

    def __init__(self, timeout_s: float) -> None:
        """Starts the process; after ``timeout_s`` seconds without a sign of life it counts as hung.

        Time in which this process was suspended itself does not count. The new process does not
        hear Ctrl-C, which is for the parent to answer.
        """
        self._timeout_s = timeout_s
        self._memory = FrameMemory.create(MEMORY_BYTES)
        self._connection, theirs = multiprocessing.Pipe()
        self._process = multiprocessing.get_context("spawn").Process(
            target=run_worker, args=(theirs, self._memory), name="decoder", daemon=True
        )
        # The new process inherits the blocked signal; in this one it is only late by a moment.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        self._memory.seal()
        self._inbox: deque[AboutVideo] = deque()
        self._has_started = False
        self._num_jobs = 0
        self._is_decoding = False
        self._lost = ""

    @property
    def is_lost(self) -> bool:
        """Whether the process has ended."""
        self._listen()
        return bool(self._lost)

    @property
    def is_free(self) -> bool:
        """Whether the process has decoded all it was given to decode."""
        self._listen()
        return not self._lost and not self._is_decoding

    def start(self, job: DecodeJob) -> int:
        """Gives a free process its next video and returns the number of the job."""
        self._num_jobs += 1
        self._is_decoding = True
        self._send(Decode(self._num_jobs, job))
        return self._num_jobs

    def receive(self) -> AboutVideo:
        """The next message about the oldest video that has not been read to its end.

        Raises :class:`WorkerLostError` when the process crashed in it, or hangs and was killed.
        """
        seconds_silent = 0.0
        while not self._inbox:
            if self._lost:
                raise WorkerLostError(self._lost)
            limit = self._timeout_s if self._has_started else _START_SECONDS
            look = min(_SECONDS_BETWEEN_LOOKS, limit - seconds_silent)
            if self._connection.poll(max(0.0, look)):
                self._read()
                seconds_silent = 0.0
            elif look <= 0.0:
                self.kill(f"the decoder hung: no frame for {self._timeout_s:g} s")
            else:
                seconds_silent += look
        return self._inbox.popleft()

    def frames(self, chunk: ChunkReady) -> Frames:
        """The frames of a chunk, where they lie: they change once the chunk is given back."""
        return self._memory.frames(chunk.offset, *chunk.shape)

    def give_back(self) -> None:
        """Gives the memory of the oldest chunk back."""
        self._send(GiveBack())

    def cancel(self, number: int) -> None:
        """Tells the process that the rest of a video is not wanted."""
        self._send(Cancel(number))

    def abandon(self) -> None:
        """Ends the process from any thread; the one that listens to it will find it lost."""
        self._process.kill()

    def kill(self, why: str) -> None:
        """Ends the process at once. It owns nothing that could be left in disorder."""
        self._process.kill()
        self._process.join(_SECONDS_TO_DIE)
        if self._process.is_alive():
            _do_not_wait_for(self._process)
        self._connection.close()
        self._lost = self._lost or why

    def _send(self, message: ToWorker) -> None:
        with suppress(OSError):  # a lost process is noticed when it is listened to
            self._connection.send(message)

    def _listen(self) -> None:
        while not self._lost and self._connection.poll():
            self._read()

    def _read(self) -> None:
        try:
            message = self._connection.recv()
        except (EOFError, ConnectionError):
            self.kill(self._cause_of_death())
            return
        self._has_started = True
        if isinstance(message, LAST_OF_A_VIDEO):
            self._is_decoding = False
        if not isinstance(message, Alive):
            self._inbox.append(message)

    def _cause_of_death(self) -> str:
        self._process.join(timeout=5.0)
        code = self._process.exitcode
        if code is None or code >= 0:
            return f"the decoder ended unexpectedly (exit code {code})"
        name = signal.Signals(-code).name
        return f"the decoder crashed ({name}{', out of memory?' if name == 'SIGKILL' else ''})"


def _do_not_wait_for(process: BaseProcess) -> None:
    """Takes a process from those that Python waits for, without end, before it exits."""
    multiprocessing.process._children.discard(process)  # type: ignore[attr-defined]
