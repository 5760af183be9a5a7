"""How large a decoded frame should be when a video network takes it over."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class FrameFit:
    """The size of frames that a network was trained with; the decoder resizes to it."""

    mode: Literal["squash", "short_side"]
    """``squash`` gives ``size`` x ``size``, whatever the shape; ``short_side`` keeps the shape."""
    size: int
    """Pixels: both sides of a squashed frame, or the shorter side."""

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
