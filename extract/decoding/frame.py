"""The array that one frame is, and the sign of life that decoding it gives."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from jaxtyping import UInt8

Frame: TypeAlias = UInt8[np.ndarray, "height width channel=3"]
"""One upright picture, RGB."""

Frames: TypeAlias = UInt8[np.ndarray, "frame height width channel=3"]
"""Several in time order."""

Progress: TypeAlias = Callable[[], None]
"""Called often while work goes on: at least once for every frame that is decoded."""


def unwatched() -> None:
    """The :data:`Progress` of work that nobody watches."""
