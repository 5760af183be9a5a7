"""Carries out a decode job: opening, chunks of timeline frames, end. The same in any process."""

from collections.abc import Generator
from typing import Protocol, runtime_checkable

import cv2
import numpy as np
from jaxtyping import UInt8

from extract.decoding.decode_job import DecodeEvent, DecodeJob, FrameChunk, VideoEnded, VideoOpened
from extract.decoding.frame import Frame, Frames
from extract.decoding.frame_fit import FrameFit
from extract.decoding.frame_source import FrameSource, open_frames
from extract.decoding.source_identity import SourceIdentity, part_hash, quick_identity
from extract.decoding.video_error import FrameCountChanged, VideoError
from seds_core.clip_plan import timeline_step


@runtime_checkable
class ChunkMemory(Protocol):
    """Where chunks are put together, and who is told that work goes on."""

    def new_chunk(self, num_frames: int, height: int, width: int) -> Frames:
        """Memory for at most ``num_frames`` frames of a chunk, and at least for one."""

    def progress(self) -> None:
        """Hears a sign of life."""


class OwnMemory:
    """Takes new memory of this process for every chunk."""

    def new_chunk(self, num_frames: int, height: int, width: int) -> Frames:
        """An array that nobody else uses."""
        return np.empty((num_frames, height, width, 3), np.uint8)

    def progress(self) -> None:
        """Nobody listens."""


def decode_events(job: DecodeJob, memory: ChunkMemory) -> Generator[DecodeEvent, None, None]:
    """Decodes a video: one :class:`VideoOpened`, its chunks, one :class:`VideoEnded`.

    Raises ``VideoError`` when the video cannot be read to its end, and ``FrameCountChanged`` after
    the last chunk when the number of frames makes another timeline than the one handed out.
    """
    if job.problem:
        raise VideoError(job.path, job.problem)
    try:
        source = open_frames(job.path, job.folder_fps, job.max_pixels, job.part, memory.progress)
        step = timeline_step(job.num_frames or source.properties.num_frames, job.max_frames)
        yield VideoOpened(source.properties, step)
        identity = _identity(job, memory)
        num_frames = yield from _chunks(source, job, step, memory)
    except OSError as error:  # the disk, not the video: files that vanish, stale network mounts
        raise VideoError(job.path, f"cannot be read: {error}") from error
    if timeline_step(num_frames, job.max_frames) != step:
        raise FrameCountChanged(num_frames)
    yield VideoEnded(num_frames, identity)


def _identity(job: DecodeJob, memory: ChunkMemory) -> SourceIdentity:
    size_bytes, mtime_ns = quick_identity(job.path)
    digest = part_hash(job.path, job.part, memory.progress) if job.hash else ""
    return SourceIdentity(size_bytes, mtime_ns, digest)


def _chunks(
    source: FrameSource, job: DecodeJob, step: int, memory: ChunkMemory
) -> Generator[DecodeEvent, None, int]:
    """Gathers every ``step``-th frame into chunks; returns the number of all frames."""
    num_frames = first = num_filled = 0
    width, height = _target_size(source, job.fit)
    chunk: Frames | None = None
    for frame in source.frames(memory.progress):
        if num_frames % step == 0:
            if chunk is None:
                chunk = memory.new_chunk(job.chunk_frames, height, width)
            _fit_into(chunk[num_filled], frame)
            num_filled += 1
            if num_filled == len(chunk):
                yield FrameChunk(first, chunk)
                first, num_filled, chunk = first + num_filled, 0, None
        num_frames += 1
    if chunk is not None:
        yield FrameChunk(first, chunk[:num_filled])
    return num_frames


def _target_size(source: FrameSource, fit: FrameFit | None) -> tuple[int, int]:
    size = source.properties.width, source.properties.height
    return fit.target_size(*size) if fit else size


def _fit_into(target: UInt8[np.ndarray, "_ _ channel=3"], frame: Frame) -> None:
    """Resizes a frame into memory that is already there.

    Exact halving first, as often as it goes, then bilinear: as free of aliasing as averaging over
    areas of any size, and six times faster.
    """
    height, width = target.shape[:2]
    while frame.shape[0] >= 2 * height and frame.shape[1] >= 2 * width:
        half = frame.shape[1] // 2, frame.shape[0] // 2
        frame = cv2.resize(frame, half, interpolation=cv2.INTER_AREA)
    if frame.shape == target.shape:
        target[:] = frame
    else:
        cv2.resize(frame, (width, height), dst=target, interpolation=cv2.INTER_LINEAR)
