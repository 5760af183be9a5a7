"""The events of a video that another process decodes."""

from collections.abc import Iterator
from contextlib import suppress

from extract.decoding.decode_job import DecodeEvent, DecodeJob, FrameChunk
from extract.decoding.video_error import FrameCountChanged, VideoError
from extract.decoding.worker_messages import (
    LAST_OF_A_VIDEO,
    AboutVideo,
    Cancelled,
    ChunkReady,
    Failed,
)
from extract.decoding.worker_process import WorkerLostError, WorkerProcess


class RemoteVideo(Iterator[DecodeEvent]):
    """What :func:`extract.decoding.decode_events.decode_events` gives, from a worker process.

    The frames of a chunk are valid until the next event is asked for: their memory is used again.
    """

    def __init__(self, worker: WorkerProcess, job: DecodeJob) -> None:
        """Starts decoding in a free worker."""
        self._worker = worker
        self._job = job
        self._number = worker.start(job)
        self._holds_chunk = False
        self._is_over = False

    def __next__(self) -> DecodeEvent:
        """Waits for the next event; raises ``VideoError`` also when the worker crashed or hung."""
        if self._is_over:
            raise StopIteration
        if self._holds_chunk:
            self._worker.give_back()
        message = self._receive()
        self._holds_chunk = isinstance(message, ChunkReady)
        self._is_over = isinstance(message, LAST_OF_A_VIDEO)
        if isinstance(message, ChunkReady):
            return FrameChunk(message.first, self._worker.frames(message))
        if isinstance(message, Failed):
            raise message.error
        if isinstance(message, Cancelled):
            raise StopIteration
        return message

    def close(self) -> None:
        """Stops decoding, so that the worker is free for another video."""
        if not self._is_over:
            self._worker.cancel(self._number)
        with suppress(VideoError, FrameCountChanged, RuntimeError):
            for _ in self:
                pass

    def _receive(self) -> AboutVideo:
        try:
            return self._worker.receive()
        except WorkerLostError as lost:
            self._is_over = True
            raise VideoError(self._job.path, str(lost)) from None
