"""What is known of a video before it is decoded."""

from dataclasses import dataclass
from typing import Literal

MAX_PIXELS = 8192 * 8192
"""Pixels of the largest frame that is read; a larger one is refused before memory is taken."""


@dataclass(frozen=True)
class VideoProperties:
    """A video as its container describes it, upright."""

    width: int
    """Pixels, after rotation."""
    height: int
    """Pixels, after rotation."""
    fps: float
    """Average frames per second."""
    num_frames: int
    """Frames that the container promises; decoding may give one or two fewer."""
    duration: float
    """Seconds."""
    rotation: int
    """Degrees counter-clockwise that stored frames are turned by to be upright: 0, 90, 180, 270."""
    codec: str
    decoder: Literal["decord", "pyav", "pillow"]
    """What reads the frames; ``pyav`` finishes what ``decord`` cannot."""
    notes: tuple[str, ...] = ()
    """What a person should know of the frames, in sentences without the video's name."""


def over_size_limit(width: int, height: int, max_pixels: int) -> str:
    """Why a video with frames of this size, or of one that cannot be told, is refused."""
    size = f"of {width}x{height} pixels" if width * height else "tell no size, or"
    return f"its frames {size} are over the limit of {max_pixels:,} pixels"
