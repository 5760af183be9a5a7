"""Several videos decoded ahead in worker processes, handed over in order."""

import multiprocessing
import signal
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from multiprocessing import resource_tracker
from types import TracebackType

from extract.videos.decode_worker import (
    LAST_OF_A_VIDEO,
    AboutVideo,
    Alive,
    Cancel,
    Cancelled,
    ChunkReady,
    GiveBack,
    ToWorker,
    keep_freed_memory,
    run_worker,
)
from extract.videos.decoding import (
    ChunkMemory,
    DecodedVideo,
    DecodeEvent,
    DecodeJob,
    FrameChunk,
    decode_events,
)
from extract.videos.frame import Frames
from extract.videos.frame_memory import FrameMemory, HeldSlots, Slots
from extract.videos.limits import USUAL_RULES, DecodeRules
from extract.videos.part import FrameCountChanged, VideoError

SLOTS = Slots()
"""Of the memory that a process shares with this one."""

# How long a process may take to load its libraries, from a slow network disk for instance.
_START_SECONDS = 300.0

# What one look at the connection counts for at most, however long the computer slept meanwhile.
_SECONDS_BETWEEN_LOOKS = 0.5

# How long a killed process is waited for; one that waits for a disk that is gone dies later.
_SECONDS_TO_DIE = 2.0


class WorkerLostError(Exception):
    """The process is gone, and with it the video that it was decoding."""


class WorkerProcess:
    """One decoding process. It decodes one video at a time, as far ahead as its memory lasts.

    The messages about a video stay readable when the process is lost in a later one.
    """

    def __init__(self, timeout_s: float, rules: DecodeRules = USUAL_RULES) -> None:
        """Starts the process; after ``timeout_s`` seconds without a sign of life it counts as hung.

        Time in which this process was suspended itself does not count. The new process does not
        hear Ctrl-C, which is for the parent to answer.
        """
        self._timeout_s = timeout_s
        memory = FrameMemory.create(SLOTS)
        self._held = HeldSlots(memory)
        self._connection, theirs = multiprocessing.Pipe()
        self._process = multiprocessing.get_context("spawn").Process(
            target=run_worker,
            args=(theirs, memory, int(rules.decoder_memory_gb * 1e9)),
            name="decoder",
            daemon=True,
        )
        # The new process inherits the blocked signal; in this one it is only late by a moment.
        # Starting the resource tracker, which the first process needs, would unblock it again.
        resource_tracker.ensure_running()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        # Only the worker may hold its end: as long as this process had it too, the worker's death
        # would not end the connection.
        theirs.close()
        memory.seal()
        # Messages about videos that have come and wait to be read, oldest first.
        self._inbox: deque[AboutVideo] = deque()
        # Whether the worker has given a first sign of life.
        self._has_started = False
        # Both ends count the jobs, for a Cancel to name one.
        self._num_jobs = 0
        self._is_decoding = False
        # Why the process is gone.
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

    def wait_until_started(self) -> None:
        """Waits until the process has loaded its libraries, or is lost."""
        seconds = 0.0
        while not self._has_started and not self._lost and seconds < _START_SECONDS:
            if self._connection.poll(_SECONDS_BETWEEN_LOOKS):
                self._read()
            else:
                seconds += _SECONDS_BETWEEN_LOOKS

    def start(self, job: DecodeJob) -> int:
        """Gives a free process its next video and returns the number of the job."""
        self._num_jobs += 1
        self._is_decoding = True
        self.send(job)
        return self._num_jobs

    def send(self, message: ToWorker) -> None:
        """Sends a message; a lost process is noticed when it is listened to."""
        with suppress(OSError):
            self._connection.send(message)

    def receive(self) -> AboutVideo:
        """Returns the next message about the oldest video that has not been read to its end.

        Before that, slots are given back whose frames nobody looks at any longer. Raises
        :class:`WorkerLostError` when the process crashed in it, or hangs and was killed.
        """
        for slot in self._held.unused():
            self.send(GiveBack(slot))
        # Only time spent in these looks counts as silence, so that the time in which the computer
        # was suspended does not. A sign of life begins it anew.
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
        """The frames of a chunk, which do not change as long as anything refers to them."""
        return self._held.frames(chunk.slot, chunk.shape)

    def abandon(self) -> None:
        """Ends the process from any thread; the one that listens to it will find it lost."""
        self._process.kill()

    def kill(self, why: str) -> None:
        """Ends the process at once. It owns nothing that could be left in disorder."""
        self._process.kill()
        self._process.join(_SECONDS_TO_DIE)
        if self._process.is_alive():
            # Python would wait for all of its children, without end, before it exits.
            multiprocessing.process._children.discard(self._process)  # type: ignore[attr-defined]
        self._connection.close()
        self._lost = self._lost or why

    def _listen(self) -> None:
        while not self._lost and self._connection.poll():
            self._read()

    def _read(self) -> None:
        try:
            message = self._connection.recv()
        except (EOFError, ConnectionError):
            # The connection breaks a moment before the exit code is there, which tells why.
            self._process.join(timeout=5.0)
            code = self._process.exitcode
            if code is None or code >= 0:
                self.kill(f"the decoder ended unexpectedly (exit code {code})")
            else:
                name = signal.Signals(-code).name
                # A SIGKILL that comes from outside is mostly the kernel's, when memory runs out.
                memory = ", out of memory?" if name == "SIGKILL" else ""
                self.kill(f"the decoder crashed ({name}{memory})")
            return
        self._has_started = True
        if isinstance(message, LAST_OF_A_VIDEO):
            self._is_decoding = False
        if not isinstance(message, Alive):
            self._inbox.append(message)


class RemoteVideo(Iterator[DecodeEvent]):
    """What :func:`extract.videos.decoding.decode_events` gives, from a worker process."""

    def __init__(self, worker: WorkerProcess, job: DecodeJob) -> None:
        """Starts decoding in a free worker."""
        self._worker = worker
        self._job = job
        self._number = worker.start(job)
        self._is_over = False

    def __next__(self) -> DecodeEvent:
        """Waits for the next event; raises ``VideoError`` also when the worker crashed or hung."""
        if self._is_over:
            raise StopIteration
        try:
            message = self._worker.receive()
        except WorkerLostError as lost:
            self._is_over = True
            raise VideoError(self._job.path, str(lost)) from None
        self._is_over = isinstance(message, LAST_OF_A_VIDEO)
        if isinstance(message, ChunkReady):
            return FrameChunk(message.first, self._worker.frames(message))
        if isinstance(message, Cancelled):
            raise StopIteration
        if isinstance(message, Exception):
            raise message
        return message

    def close(self) -> None:
        """Stops decoding, so that the worker is free for another video."""
        if not self._is_over:
            self._worker.send(Cancel(self._number))
        # The worker may have sent more before it hears the Cancel. All of it is read, up to the
        # video's last message, or it would be taken for the next video's.
        with suppress(VideoError, FrameCountChanged, RuntimeError):
            for _ in self:
                pass


class DecodePool:
    """Decodes in ``num_workers`` processes, or without any in this one (to test and to debug).

    A process that crashes, or gives no frame for ``timeout_s`` seconds, costs the video that it was
    decoding; another process takes its place. With ``num_workers=0`` nothing guards against that.
    """

    def __init__(
        self, num_workers: int, timeout_s: float = 60.0, rules: DecodeRules = USUAL_RULES
    ) -> None:
        """Entering the pool starts the processes; ``rules`` are those of all of its jobs."""
        self._rules = rules
        self._num_workers = num_workers
        self._timeout_s = timeout_s
        self._workers: list[WorkerProcess] = []

    def __enter__(self) -> "DecodePool":
        """Starts the processes; they load their libraries while the caller goes on."""
        # Some frames are copied out of the workers' memory, into memory of the same few sizes.
        keep_freed_memory()
        self._workers = [self._new_worker() for _ in range(self._num_workers)]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Ends all processes, whatever they are doing."""
        self._kill_workers()

    def stream(self, jobs: Iterable[DecodeJob]) -> Iterator[DecodedVideo]:
        """Yields the videos in order; what of one is unread is dropped when the next is asked for.

        A job is taken from ``jobs`` only when a process is free for it, and at most ``num_workers``
        are taken beyond the video at hand.
        """
        # The video at hand, and behind it those that are being decoded ahead.
        waiting: deque[DecodedVideo] = deque()
        remaining = iter(jobs)
        try:
            while True:
                # One video more than there are workers: when that at hand is decoded to its end
                # but not read yet, its worker is free for another.
                while len(waiting) <= self._num_workers:
                    worker = self._free_worker()
                    if worker is None and self._num_workers:
                        break
                    job = next(remaining, None)
                    if job is None:
                        break
                    if worker is None:
                        waiting.append(self.decode(job))
                    else:
                        job = replace(job, rules=self._rules)
                        waiting.append(DecodedVideo(job, RemoteVideo(worker, job)))
                if not waiting:
                    return
                yield waiting[0]
                waiting.popleft().close()
        finally:
            if waiting:  # left early: these will not be read
                self._kill_workers()

    def wait_until_started(self) -> None:
        """Waits until the processes can decode, so that the first video's time is its own."""
        for worker in self._workers:
            worker.wait_until_started()

    def abandon(self) -> None:
        """Ends what the processes are doing, so that a thread that waits for them does no longer.

        May be called from any thread; the stream then gives videos that fail.
        """
        for worker in self._workers:
            worker.abandon()

    def decode(self, job: DecodeJob) -> DecodedVideo:
        """Decodes one video at once, in this process, while the stream stays where it is.

        For the rare video that turned out to have another timeline: it has been decoded to its end
        before, so it neither crashes nor hangs.
        """
        job = replace(job, rules=self._rules)
        return DecodedVideo(job, decode_events(job, ChunkMemory()))

    def _new_worker(self) -> WorkerProcess:
        return WorkerProcess(self._timeout_s, self._rules)

    def _free_worker(self) -> WorkerProcess | None:
        """Finds a process for the next video; one that was lost is replaced."""
        for index, worker in enumerate(self._workers):
            if worker.is_lost:
                self._workers[index] = self._new_worker()
            if self._workers[index].is_free:
                return self._workers[index]
        return None

    def _kill_workers(self) -> None:
        # All are killed at once, before any of them is waited for.
        self.abandon()
        for worker in self._workers:
            worker.kill("the decoder was stopped")
