"""The order to decode one video, and the events that decoding it gives."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from extract.decoding.frame import Frames
from extract.decoding.frame_fit import FrameFit
from extract.decoding.source_identity import SourceIdentity
from extract.decoding.video_part import WHOLE, VideoPart, part_name
from extract.decoding.video_properties import MAX_PIXELS, VideoProperties


@dataclass(frozen=True)
class DecodeJob:
    """Which video to decode, and what is wanted of it."""

    video_id: str
    path: Path
    """A video file, or a folder of frame images."""
    part: VideoPart = WHOLE
    """What of it the video is; frames and their numbers below are those of the part."""
    problem: str = ""
    """Why it cannot be decoded, where that is known before it is opened."""
    folder_fps: float = 25.0
    """Frame rate of a folder of images."""
    max_frames: int | None = None
    """A longer video keeps every k-th frame from frame 0 on, k as small as this bound allows."""
    num_frames: int | None = None
    """Frames of the video where decoding has already counted them; else its container is asked."""
    fit: FrameFit | None = None
    """Size that frames are brought to; ``None`` leaves them as they are."""
    chunk_frames: int = 64
    """Frames in a chunk, at most; fewer where frames are huge."""
    hash: bool = True
    """Whether the content hash of the source is wanted."""
    max_pixels: int = MAX_PIXELS
    """Pixels of the largest frame that is accepted."""

    @property
    def source_name(self) -> str:
        """The path as it was given, with the part."""
        return part_name(self.path, self.part)


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
