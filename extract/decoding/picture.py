"""How the frames of a video are stored, and what they become to be looked at."""

from dataclasses import dataclass
from fractions import Fraction

from extract.decoding.orientation import Orientation

_NEARLY_SQUARE = Fraction(1, 20)
"""How far pixels may be off square and count as square.

Whoever scales a video with ffmpeg leaves such shapes behind, where a size was rounded: 13559:13590
in one set of clips, 63:64 in another. Cameras and broadcasts begin at 16:15.
"""


@dataclass(frozen=True)
class Picture:
    """The frames of one video, as its first frame is; all others are brought to the same."""

    width: int
    """Pixels, as stored."""
    height: int
    """Pixels, as stored."""
    pixel_shape: Fraction
    """Width of a stored pixel through its height."""
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
