"""One video being decoded: the job, the events that decoding gives, and the view of its reader."""

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np

from extract.videos.frame import FrameCut, Frames, Progress
from extract.videos.frame_source import FrameSource, open_frames
from extract.videos.limits import USUAL_RULES, DecodeRules
from extract.videos.listing import ListedVideo
from extract.videos.part import (
    FrameCountChanged,
    VideoError,
    VideoProperties,
)
from extract.videos.source_identity import SourceIdentity, part_hash, quick_identity
from seds_core.clip_plan import timeline_step


@dataclass(frozen=True)
class DecodeJob(ListedVideo):
    """A video to decode, and what is wanted of it; frame numbers count within its part."""

    folder_fps: float = 25.0
    """Frame rate of a folder of images."""
    max_frames: int | None = None
    """A longer video keeps every k-th frame from frame 0 on, k as small as this bound allows."""
    num_frames: int | None = None
    """Frames of the video where decoding has already counted them; else its container is asked."""
    cut: FrameCut | None = None
    """What is kept of every frame; ``None`` keeps all of it."""
    chunk_frames: int = 64
    """Frames in a chunk, at most; fewer where frames are huge."""
    hash: bool = True
    """Whether the content hash of the source is wanted."""
    rules: DecodeRules = USUAL_RULES
    """The pool's, which every job of it gets."""


@dataclass(frozen=True)
class VideoOpened:
    """The first event: the video can be read."""

    properties: VideoProperties
    frame_step: int
    """Frames of the video from one timeline frame to the next."""


@dataclass(frozen=True)
class FrameChunk:
    """Consecutive timeline frames, RGB."""

    first: int
    """Number on the timeline of the first of them."""
    frames: Frames


@dataclass(frozen=True)
class VideoEnded:
    """The last event: the video has been read to its end."""

    num_frames: int
    """Frames of the video that were decoded, whether they are on the timeline or not."""
    identity: SourceIdentity


DecodeEvent: TypeAlias = VideoOpened | FrameChunk | VideoEnded
"""All that decoding says of a video, here and in a worker; what goes wrong is raised instead."""


CHANGED = (
    "was changed while it was read, so its frames may be of two files: the same command reads it "
    "again once it is complete"
)


class ChunkMemory:
    """New memory of this process for every chunk; a decoding worker has chunks in shared memory."""

    def new_chunk(self, num_frames: int, height: int, width: int) -> Frames:
        """Memory for at most ``num_frames`` frames of a chunk, and at least for one."""
        return np.empty((num_frames, height, width, 3), np.uint8)

    def progress(self) -> None:
        """Is called as long as work goes on: at least once for every frame that is decoded."""


def decode_events(job: DecodeJob, memory: ChunkMemory) -> Generator[DecodeEvent, None, None]:
    """Decodes a video: one :class:`VideoOpened`, its chunks, one :class:`VideoEnded`.

    Raises ``VideoError`` when the video cannot be read to its end, and ``FrameCountChanged`` after
    the last chunk when the number of frames makes another timeline than the one handed out.
    """
    if job.problem:
        raise VideoError(job.path, job.problem)
    rules = job.rules
    progress = rules.watched(job.path, memory.progress)
    try:
        # Size and time are taken before the content is read, and compared after that.
        before = quick_identity(job.path) if job.path.exists() else None
        source = open_frames(
            job.path, job.folder_fps, rules.max_pixels, job.part, progress, rules.decoder
        )
        rules.check(job.path, source.properties)
        # A count of an earlier decoding is the truth; that of the container is a promise.
        step = timeline_step(job.num_frames or source.properties.num_frames, job.max_frames)
        # The reader may plan its work before the first frame is there.
        yield VideoOpened(source.properties, step)
        digest = part_hash(job.path, job.part, progress) if job.hash else ""
        num_frames = yield from _chunks(source, job, step, memory, progress)
        if before is None or quick_identity(job.path) != before:
            raise VideoError(job.path, CHANGED)
    except MemoryError as error:
        raise rules.too_little_memory(job.path, "no memory was left") from error
    except OSError as error:  # the disk, not the video: files that vanish, stale network mounts
        raise VideoError(job.path, f"cannot be read: {error}") from error
    # The container may promise a frame or two too many; that matters where it changes the step.
    if timeline_step(num_frames, job.max_frames) != step:
        raise FrameCountChanged(num_frames)
    yield VideoEnded(num_frames, SourceIdentity(*before, digest))


def _chunks(
    source: FrameSource, job: DecodeJob, step: int, memory: ChunkMemory, progress: Progress
) -> Generator[DecodeEvent, None, int]:
    """Gathers every ``step``-th frame into chunks; returns the number of all frames."""
    width, height = source.properties.width, source.properties.height
    if job.cut is not None:
        width, height = job.cut.kept_size(width, height)
    # ``first`` and ``num_filled`` count timeline frames, ``num_frames`` counts those of the video.
    num_frames = first = num_filled = 0
    chunk: Frames | None = None
    for frame in source.frames(progress):
        # Frames beside the timeline are decoded and counted, but neither cut nor kept.
        if num_frames % step == 0:
            if chunk is None:
                chunk = memory.new_chunk(job.chunk_frames, height, width)
            if job.cut is None:
                chunk[num_filled] = frame
            else:
                job.cut.write(frame, num_frames, chunk[num_filled])
            num_filled += 1
            # The memory decides how many frames a chunk has: fewer than asked for if they are huge.
            if num_filled == len(chunk):
                yield FrameChunk(first, chunk)
                first, num_filled, chunk = first + num_filled, 0, None
        num_frames += 1
    if chunk is not None:
        yield FrameChunk(first, chunk[:num_filled])
    return num_frames


@runtime_checkable
class VideoEvents(Iterator[DecodeEvent], Protocol):
    """The events of one video, and a way to stop them."""

    def close(self) -> None:
        """Stops decoding; may be called at any time."""


class DecodedVideo:
    """One video: what its container says, then its frames, then what decoding has established."""

    def __init__(self, job: DecodeJob, events: VideoEvents) -> None:
        """Wraps the events that decoding ``job`` gives; nothing is waited for yet."""
        self.job = job
        self.seconds_waited = 0.0
        """How long the reader has waited for the decoder."""
        self._events = events
        # The two events that are kept; ``None`` until they have come.
        self._opened: VideoOpened | None = None
        self._ended: VideoEnded | None = None

    @property
    def properties(self) -> VideoProperties:
        """What the container says. Raises ``VideoError`` for what cannot be opened."""
        return self._open().properties

    @property
    def frame_step(self) -> int:
        """Frames of the video from one timeline frame to the next. Raises like ``properties``."""
        return self._open().frame_step

    def chunks(self) -> Iterator[FrameChunk]:
        """The timeline's frames, once, in order. They do not change while anything refers to them.

        Raises ``VideoError`` when the video is damaged or its decoder crashes or hangs, and at the
        end ``FrameCountChanged`` when these were not the frames of its timeline.
        """
        self._open()
        while self._ended is None:
            event = self._next_event()
            if isinstance(event, FrameChunk):
                yield event
            else:
                assert isinstance(event, VideoEnded)
                self._ended = event

    @property
    def num_frames(self) -> int:
        """Frames that decoding gave, those beside the timeline included; known after the last."""
        return self._end().num_frames

    @property
    def identity(self) -> SourceIdentity:
        """What the source was; known after the last chunk."""
        return self._end().identity

    def close(self) -> None:
        """Stops decoding what has not been read."""
        self._events.close()

    def _open(self) -> VideoOpened:
        if self._opened is None:
            event = self._next_event()
            assert isinstance(event, VideoOpened)
            self._opened = event
        return self._opened

    def _next_event(self) -> DecodeEvent:
        began = time.monotonic()
        try:
            event = next(self._events, None)
        finally:
            self.seconds_waited += time.monotonic() - began
        if event is None:
            raise RuntimeError(f"{self.job.path}: decoding has failed before, or was stopped")
        return event

    def _end(self) -> VideoEnded:
        if self._ended is None:
            raise RuntimeError(f"{self.job.path}: read all chunks first")
        return self._ended


def expected_frames(video: DecodedVideo) -> int:
    """Frames that the video should have: as counted before, or as its container says."""
    return video.job.num_frames or video.properties.num_frames


def confirmed_frames(video: DecodedVideo) -> Iterator[Frames]:
    """The timeline's frames in order.

    Raises ``FrameCountChanged`` at the end when there were not as many frames as expected, and
    whatever :meth:`DecodedVideo.chunks` raises.
    """
    for chunk in video.chunks():
        yield chunk.frames
    if video.num_frames != expected_frames(video):
        raise FrameCountChanged(video.num_frames)
