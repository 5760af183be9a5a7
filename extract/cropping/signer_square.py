"""The square around a signer, from the boxes that a detector found in some frames."""

import numpy as np
from jaxtyping import Float32

from extract.videos.part import Crop


def signer_square(
    boxes: Float32[np.ndarray, "frame box=4"], margin: float, width: int, height: int
) -> Crop:
    """A square in frames of ``width`` x ``height`` pixels around the median of the boxes.

    Its side is the box's longer one and ``margin`` of that on both ends, or the frame's shorter
    side where that is less. It is shifted to lie inside the frame.

    >>> signer_square(np.array([[400, 100, 600, 500]], np.float32), 0.1, 1280, 720)
    Crop(left=260, top=60, width=480, height=480)
    """
    left, top, right, bottom = np.median(boxes, axis=0).tolist()
    wanted = (1 + 2 * margin) * max(right - left, bottom - top)
    side = max(1, min(round(wanted), width, height))
    return Crop(
        left=_inside(round((left + right - side) / 2), width - side),
        top=_inside(round((top + bottom - side) / 2), height - side),
        width=side,
        height=side,
    )


def _inside(place: int, last: int) -> int:
    return min(max(0, place), last)
