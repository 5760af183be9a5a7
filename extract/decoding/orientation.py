"""How stored frames lie, and how they are set upright: the eight orientations of a picture."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from extract.decoding.frame import Frame


@dataclass(frozen=True)
class Orientation:
    """What is done to a stored frame: exchange rows and columns first, then reverse their order."""

    is_transposed: bool = False
    reverses_columns: bool = False
    reverses_rows: bool = False

    @property
    def is_mirrored(self) -> bool:
        """Whether left and right of the scene are exchanged, as in the selfies of some cameras."""
        return self.is_transposed ^ self.reverses_columns ^ self.reverses_rows

    @property
    def rotation(self) -> int:
        """Degrees counter-clockwise that frames are turned by, after mirroring left and right."""
        if self.is_transposed:
            return 90 if self.reverses_rows ^ self.is_mirrored else 270
        return 180 if self.reverses_rows else 0

    def __call__(self, frame: UInt8[np.ndarray, "_ _ channel=3"]) -> Frame:
        """A stored frame, upright."""
        if self.is_transposed:
            frame = frame.swapaxes(0, 1)
        rows = slice(None, None, -1 if self.reverses_rows else 1)
        columns = slice(None, None, -1 if self.reverses_columns else 1)
        return np.ascontiguousarray(frame[rows, columns])


UPRIGHT = Orientation()
"""Of frames that are shown as they are stored."""


def orientation_of(display_matrix: bytes) -> Orientation:
    """The orientation that a display matrix asks for, the nearest one where it turns otherwise.

    The matrix is nine numbers of 32 bits, row by row (ISO/IEC 14496-12, 8.3.2): a stored point
    (p, q) is shown at x = a p + c q and y = b p + d q, of a matrix that begins with a b u, c d v.
    """
    a, b, _, c, d, *_ = (int(number) for number in np.frombuffer(display_matrix, np.int32))
    if abs(b) + abs(c) > abs(a) + abs(d):
        return Orientation(is_transposed=True, reverses_columns=c < 0, reverses_rows=b < 0)
    return Orientation(reverses_columns=a < 0, reverses_rows=d < 0)
