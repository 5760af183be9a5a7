"""A frame: its orientation, its pixels' shape, and its size for a network."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import cv2
import numpy as np
from jaxtyping import UInt8

Frame: TypeAlias = UInt8[np.ndarray, "height width channel=3"]
"""One upright picture, RGB."""

Pixels: TypeAlias = UInt8[np.ndarray, "_ _ channel=3"]
"""A picture, or a part of one, of a size of its own."""

Frames: TypeAlias = UInt8[np.ndarray, "frame height width channel=3"]
"""Several, in time order."""

Progress: TypeAlias = Callable[[], None]
"""Called often while work goes on: at least once for every frame that is decoded."""


def unwatched() -> None:
    """Does nothing: the :data:`Progress` of work that need not be watched."""


@runtime_checkable  # beartype asks isinstance
class FrameCut(Protocol):
    """What of every frame of a video is handed on; decoders get it pickled."""

    def kept_size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of what is kept of a frame of ``width`` x ``height`` pixels."""

    def write(self, frame: Frame, number: int, target: Pixels) -> None:
        """Writes what is kept of the video's frame ``number`` into memory of that size."""


@dataclass(frozen=True)
class FrameFit:
    """The size of frames that a network was trained with: a :class:`FrameCut`."""

    mode: Literal["squash", "short_side"]
    """``squash`` gives ``size`` x ``size``, whatever the shape; ``short_side`` keeps the shape."""
    size: int
    """Pixels: both sides of a squashed frame, or the shorter side."""
    crop: int | None = None
    """Pixels of the square that is then cut out of the middle; ``None`` keeps all."""

    def target_size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height, in pixels, of a frame of ``width`` x ``height`` once resized.

        The longer side is cut to a whole number, as torchvision's ``resize`` does.

        >>> FrameFit("squash", 256).target_size(210, 260)
        (256, 256)
        >>> FrameFit("short_side", 256).target_size(640, 480)
        (341, 256)
        """
        if min(width, height) < 1:
            raise ValueError(f"a frame of {width}x{height} pixels cannot be resized")
        if self.mode == "squash":
            return self.size, self.size
        if width <= height:
            return self.size, self.size * height // width
        return self.size * width // height, self.size

    def middle(self, width: int, height: int) -> tuple[slice, slice]:
        """Rows and columns of a resized frame that are kept; centred as torchvision rounds it.

        >>> FrameFit("squash", 256, crop=224).middle(256, 256)
        (slice(16, 240, None), slice(16, 240, None))
        """
        if self.crop is None:
            return slice(0, height), slice(0, width)
        top, left = round((height - self.crop) / 2), round((width - self.crop) / 2)
        return slice(top, top + self.crop), slice(left, left + self.crop)

    def kept_size(self, width: int, height: int) -> tuple[int, int]:
        """The size of the middle of a resized frame."""
        rows, columns = self.middle(*self.target_size(width, height))
        return columns.stop - columns.start, rows.stop - rows.start

    def write(self, frame: Frame, _: int, target: Pixels) -> None:
        """Resizes a frame, whatever its number, and copies the middle of it.

        Exact halving first, as often as it goes, then bilinear: as free of aliasing as averaging
        over areas of any size, and six times faster.
        """
        size = width, height = self.target_size(*frame.shape[1::-1])
        while frame.shape[0] >= 2 * height and frame.shape[1] >= 2 * width:
            half = frame.shape[1] // 2, frame.shape[0] // 2
            frame = cv2.resize(frame, half, interpolation=cv2.INTER_AREA)
        if frame.shape[1::-1] != size:
            frame = cv2.resize(frame, size, interpolation=cv2.INTER_LINEAR)
        target[:] = frame[self.middle(*size)]


@dataclass(frozen=True)
class Orientation:
    """What is done to a stored frame: exchange rows and columns first, then reverse their order."""

    is_transposed: bool = False
    reverses_columns: bool = False
    reverses_rows: bool = False

    @property
    def is_mirrored(self) -> bool:
        """Whether left and right of the scene are exchanged, as in the selfies of some cameras."""
        # Each of the three is a reflection: an odd number of them exchanges left and right.
        return self.is_transposed ^ self.reverses_columns ^ self.reverses_rows

    def __call__(self, frame: Pixels) -> Frame:
        """Turns a stored frame upright: a view of the same memory."""
        if self.is_transposed:
            frame = frame.swapaxes(0, 1)
        rows = slice(None, None, -1 if self.reverses_rows else 1)
        columns = slice(None, None, -1 if self.reverses_columns else 1)
        return frame[rows, columns]


UPRIGHT = Orientation()
"""The orientation of frames that are shown as they are stored."""


def orientation_of(display_matrix: bytes) -> Orientation:
    """Returns the orientation that a display matrix asks for, or the nearest one.

    The matrix is nine numbers of 32 bits, row by row (ISO/IEC 14496-12, 8.3.2): a stored point
    (p, q) is shown at x = a p + c q and y = b p + d q, of a matrix that begins with a b u, c d v.
    """
    a, b, _, c, d, *_ = (int(number) for number in np.frombuffer(display_matrix, np.int32))
    # Rows lie along columns where the matrix exchanges x and y more than it keeps them.
    if abs(b) + abs(c) > abs(a) + abs(d):
        return Orientation(is_transposed=True, reverses_columns=c < 0, reverses_rows=b < 0)
    return Orientation(reverses_columns=a < 0, reverses_rows=d < 0)


# How far pixels may be off square and count as square.
#
# Scaling with ffmpeg leaves such shapes behind, where a size was rounded: 13559:13590 in one set of
# clips, 63:64 in another. Cameras and broadcasts begin at 16:15.
_NEARLY_SQUARE = Fraction(1, 20)


@dataclass(frozen=True)
class Picture:
    """How the first frame of a video is stored; all others are brought to the same."""

    width: int
    """Pixels, as stored."""
    height: int
    """Pixels, as stored."""
    pixel_shape: Fraction
    """Width of a stored pixel divided by its height."""
    orientation: Orientation
    is_interlaced: bool
    """Whether a frame holds two fields, of two times; they stay woven."""

    @property
    def square_width(self) -> int:
        """Width of a stored frame once its pixels are square, as players show it.

        The width is scaled and the height kept, whether that makes frames larger or smaller.
        """
        if abs(self.pixel_shape - 1) < _NEARLY_SQUARE:
            return self.width
        return max(1, round(self.width * self.pixel_shape))

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of an upright frame, in square pixels."""
        size = self.square_width, self.height
        return size[::-1] if self.orientation.is_transposed else size


DECODING_RULES = 2
"""The number of the rules by which a file becomes frames; stores that record none have rules 1.

Two stores whose numbers differ may hold different rows of the same file. Ordinary videos (8-bit
4:2:0, progressive, square pixels, even sides, upright, one video stream) are the same under all
numbers so far. Rules 2:

- Of several video streams the one that ffmpeg chooses is read, by every decoder.
- Frames are shown as the display matrix says: all four turns, mirrored or not.
- Pixels that are not square are brought to squares by scaling the width.
- Interlaced frames stay woven, both fields in one picture, as stored.
- A video that is not 8-bit 4:2:0 and progressive, with even sides, is decoded by PyAV alone.
- Parts of recordings are cut by the times at which frames are shown.

Rules 1 took decord for any pixel format, left out mirroring and the shape of pixels, and cut parts
by the mean frame rate.
"""
