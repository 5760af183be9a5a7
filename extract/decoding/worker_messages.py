"""What a decoding process and its parent tell each other; frames go through shared memory."""

from dataclasses import dataclass
from typing import TypeAlias

from extract.decoding.decode_job import DecodeJob, VideoEnded, VideoOpened
from extract.decoding.video_error import FrameCountChanged, VideoError


@dataclass(frozen=True)
class Decode:
    """To the worker: decode this video next."""

    number: int
    job: DecodeJob


@dataclass(frozen=True)
class Cancel:
    """To the worker: nobody wants the rest of this video."""

    number: int


@dataclass(frozen=True)
class GiveBack:
    """To the worker: the oldest chunk has been used, its memory is free."""


@dataclass(frozen=True)
class Alive:
    """To the parent: the worker has started, or goes on without a chunk to show for it yet."""


@dataclass(frozen=True)
class ChunkReady:
    """To the parent: a chunk of frames lies in the shared memory."""

    first: int
    offset: int
    shape: tuple[int, int, int]
    """Number of frames, height, width."""


@dataclass(frozen=True)
class Failed:
    """To the parent: the video cannot be decoded, and why."""

    error: VideoError | FrameCountChanged | RuntimeError


@dataclass(frozen=True)
class Cancelled:
    """To the parent: the rest of the video was not decoded, as it wished."""


ToWorker: TypeAlias = Decode | Cancel | GiveBack
AboutVideo: TypeAlias = VideoOpened | ChunkReady | VideoEnded | Failed | Cancelled
FromWorker: TypeAlias = Alive | AboutVideo

LAST_OF_A_VIDEO = (VideoEnded, Failed, Cancelled)
"""After one of these a worker is ready for its next video."""
