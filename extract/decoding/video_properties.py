"""What is known of a video before it is decoded."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

MAX_PIXELS = 8192 * 8192
"""Pixels of the largest frame that is read; a larger one is refused before memory is taken."""

Decoder: TypeAlias = Literal["decord", "pyav", "pillow"]


@dataclass(frozen=True)
class VideoProperties:
    """A video as its container describes it, upright, its pixels square."""

    width: int
    """Pixels, after scaling to square pixels and rotation."""
    height: int
    """Pixels, after scaling to square pixels and rotation."""
    fps: float
    """Average frames per second."""
    num_frames: int
    """Frames that the container promises; decoding may give one or two fewer."""
    duration: float
    """Seconds."""
    rotation: int
    """Degrees counter-clockwise that stored frames are turned by to be upright: 0, 90, 180, 270."""
    codec: str
    decoder: Decoder
    """What reads the frames; ``pyav`` finishes what ``decord`` cannot."""
    notes: tuple[str, ...] = ()
    """What a person should know of the frames, in sentences without the video's name."""
    is_mirrored: bool = False
    """Whether left and right of stored frames are exchanged before they are turned."""
    pixel_shape: float = 1.0
    """Width of a stored pixel through its height; 1 where pixels are square."""
    is_interlaced: bool = False
    """Whether a frame holds two fields, of two times, woven as they are stored."""


def over_size_limit(width: int, height: int, max_pixels: int) -> str:
    """Why a video with frames of this size, or of one that cannot be told, is refused."""
    size = f"of {width}x{height} pixels" if width * height else "tell no size, or"
    return f"its frames {size} are over the limit of {max_pixels:,} pixels"
