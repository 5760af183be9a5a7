"""The region of a frame that a network of MMPose's usual pipeline sees, cut as MMPose cuts it.

Decoders load this: of a large frame they hand on the region alone. So it needs neither torch nor
MMPose; regions are MMPose's to the bit all the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import cv2
import numpy as np
from jaxtyping import Float32, Float64, Int16, Int64, UInt8, UInt16

from extract.pose.person_boxes import Box, KnownBoxes
from extract.videos.frame import Frame, Pixels

Matrix: TypeAlias = Float64[np.ndarray, "2 3"]
"""Leads from positions in a frame to positions in its region, as ``cv2.warpAffine`` reads it."""

Pair: TypeAlias = Float32[np.ndarray, " coordinate=2"]
"""A position, or a width and a height, in pixels."""

_SMALL_FRAME = 2
"""Times the pixels of the network's input; a frame of no more is cropped on the device: handing it
over whole costs less than cropping it here."""

# ``cv2.warpAffine`` rounds positions to 1024ths of a pixel, adds them up, and keeps 32nds.
_POSITIONS_PER_PIXEL = 1024
BITS_OF_FRACTION, BITS_DROPPED = 5, 5
WHOLE_PIXEL = 1 << BITS_OF_FRACTION


@dataclass(frozen=True)
class CroppedFrame:
    """What a network sees of a frame, and the way back into the image."""

    pixels: UInt8[np.ndarray, "height width channel=3"]
    """The whole frame, or the region at the network's size."""
    center: Pair
    """The region's centre in pixels of the frame."""
    scale: Pair
    """The region's width and height in pixels of the frame."""
    matrix: Matrix | None = None
    """Leads from the whole frame to the region at the network's size; ``None`` for the region."""


@dataclass(frozen=True)
class PlainCrop:
    """The settings of the transforms ``GetBBoxCenterScale`` and ``TopdownAffine``."""

    padding: float
    input_size: tuple[int, int]
    """Width and height of the network's input."""
    use_udp: bool
    """Whether pixels count by their centres ("unbiased data processing")."""

    @classmethod
    def of_pipeline(cls, transforms: Sequence[Any]) -> "PlainCrop | None":
        """The settings of a pipeline that crops and does nothing else; None for any other."""
        from mmpose.datasets.transforms import (  # noqa: PLC0415
            GetBBoxCenterScale,
            LoadImage,
            PackPoseInputs,
            TopdownAffine,
        )

        # By exact type: a subclass, or one more transform, may do anything.
        plain = [LoadImage, GetBBoxCenterScale, TopdownAffine, PackPoseInputs]
        if [type(transform) for transform in transforms] != plain:
            return None
        load, region, affine, _ = transforms
        if load.to_float32:
            return None
        return cls(region.padding, tuple(affine.input_size), affine.use_udp)

    def cuts(self, frame_size: tuple[int, int]) -> bool:
        """Whether frames of a width and height are cut here, and not by the device."""
        (width, height), (input_width, input_height) = frame_size, self.input_size
        return width * height > _SMALL_FRAME * input_width * input_height

    def __call__(self, frame: Frame, box: Float32[np.ndarray, " box=4"]) -> CroppedFrame:
        """The region around ``box``, widened to the network's proportions.

        Of a small frame it is cut out by :func:`extract.pose.device_crop.cut_out`, later.
        """
        corners = tuple(box.tolist())
        center, scale, matrix = self._region(corners)
        if not self.cuts(frame.shape[1::-1]):
            return CroppedFrame(frame, center, scale, matrix)
        region = np.empty((*self.input_size[::-1], 3), np.uint8)
        self.cut_out(frame, corners, region)
        return CroppedFrame(region, center, scale)

    def of_region(self, region: Pixels, box: Float32[np.ndarray, " box=4"]) -> CroppedFrame:
        """The same of a region that was cut out before."""
        center, scale, _ = self._region(tuple(box.tolist()))
        return CroppedFrame(region, center, scale)

    def cut_out(self, frame: Frame, box: Box, region: Pixels) -> None:
        """Cuts the region around a box out of a frame, into memory of the network's size."""
        self._cut(box, frame.shape[1::-1])(frame, region)

    @lru_cache(maxsize=16)  # noqa: B019 - there are few crops in a process
    def _cut(self, box: Box, frame_size: tuple[int, int]) -> Callable[[Frame, Pixels], None]:
        """What cuts the region around a box out of frames of one size."""
        _, _, matrix = self._region(box)

        def plainly(frame: Frame, region: Pixels) -> None:
            cv2.warpAffine(frame, matrix, self.input_size, dst=region, flags=cv2.INTER_LINEAR)

        return UprightCut.of(matrix, self.input_size, frame_size) or plainly

    @lru_cache(maxsize=16)  # noqa: B019
    def _region(self, box: Box) -> tuple[Pair, Pair, Matrix]:
        """Centre and size of the region around a box, and the way there; most boxes come again."""
        # The order and the types of MMPose's own transforms, for the last bits.
        first, last = np.array(box, np.float32).reshape(2, 2)
        center, scale = (last + first) * 0.5, (last - first) * self.padding
        scale = widened(scale, self.input_size)
        matrix = udp_warp_matrix if self.use_udp else warp_matrix
        return center, scale, matrix(center, scale, self.input_size)


@dataclass(frozen=True)
class PersonCut:
    """The regions of a video's large frames around known boxes: a ``FrameCut``."""

    crop: PlainCrop
    boxes: KnownBoxes

    def kept_size(self, width: int, height: int) -> tuple[int, int]:
        """The network's size, or a small frame's own."""
        return self.crop.input_size if self.crop.cuts((width, height)) else (width, height)

    def prepared(
        self,
        regions: UInt8[np.ndarray, "frame _ _ channel=3"],
        boxes: Float32[np.ndarray, "frame box=4"],
    ) -> list[CroppedFrame]:
        """What a network needs of regions that were written."""
        return [self.crop.of_region(*pair) for pair in zip(regions, boxes, strict=True)]

    def write(self, frame: Frame, number: int, target: Pixels) -> None:
        """A frame without a box, which shows nobody, is black."""
        size = frame.shape[1::-1]
        if not self.crop.cuts(size):
            target[:] = frame
        elif (box := self.boxes.box(number, size)) is None:
            target[:] = 0
        else:
            self.crop.cut_out(frame, box, target)


def widened(scale: Pair, input_size: tuple[int, int]) -> Pair:
    """The smallest width and height of the input's proportions that hold ``scale``.

    As ``mmpose.datasets.transforms.TopdownAffine`` computes it, to the last bit.
    """
    # Only one side grows: the region never loses what the box holds.
    width, height = scale
    proportion = input_size[0] / input_size[1]
    if width > height * proportion:
        return np.array([width, width / proportion], np.float32)
    return np.array([height * proportion, height], np.float32)


def warp_matrix(center: Pair, scale: Pair, output_size: tuple[int, int]) -> Matrix:
    """Leads from a region to ``output_size``: ``mmpose.structures.bbox.get_warp_matrix``."""
    there = np.array(output_size, np.float32) / 2
    return cv2.getAffineTransform(_corner(center, scale[0] / 2), _corner(there, there[0]))


def _corner(center: Pair, half_width: np.float32) -> Float32[np.ndarray, "_ coordinate=2"]:
    """Three points: a centre, the middle of the left side, and the corner of the square on both."""
    x, y = center
    left = x - half_width
    # Not plus the half width, which was rounded with the side.
    return np.array([[x, y], [left, y], [left, y + (x - left)]])


def udp_warp_matrix(center: Pair, scale: Pair, output_size: tuple[int, int]) -> Matrix:
    """The same between the centres of the outermost pixels (Huang et al., "The Devil Is in the
    Details: Delving Into Unbiased Data Processing for Human Pose Estimation", CVPR 2020, arXiv
    1911.07524): ``mmpose.structures.bbox.get_udp_warp_matrix``.
    """
    matrix = np.zeros((2, 3), np.float32)
    for axis in (0, 1):
        step = (output_size[axis] - 1) / scale[axis]
        matrix[axis, axis] = step
        matrix[axis, 2] = step * (-0.5 * (center[axis] * 2) + 0.5 * scale[axis])
    return matrix.astype(np.float64)


@dataclass(frozen=True)
class UprightCut:
    """Cuts a region that is not turned out of frames of one size, as ``cv2.warpAffine`` does.

    Half of a region around a whole frame, and more, lies beyond the frame's edge. Only where it
    shows the frame are pixels computed, and where those lie is found out once for all frames.
    """

    rows: slice
    """The region's rows that show the frame; all others are black."""
    columns: slice
    """The region's columns that do."""
    corners: Int16[np.ndarray, "height width coordinate=2"]
    """The first of the four pixels that make a pixel of the region, which may lie at the edge."""
    fractions: UInt16[np.ndarray, "height width"]
    """Where between the four: 32nds of a pixel down, and then to the right."""

    @classmethod
    def of(
        cls, matrix: Matrix, size: tuple[int, int], frame_size: tuple[int, int]
    ) -> "UprightCut | None":
        """``None`` for a matrix that turns, be it by a rounding; sizes are width and height."""
        by_column, by_row = np.split(warp_positions(matrix, size), [size[0]], axis=1)
        if by_column[1].any() or np.ptp(by_row[0]):
            return None
        x, y = (by_column[0] + by_row[0, 0]) >> BITS_DROPPED, by_row[1] >> BITS_DROPPED
        columns, rows = (
            _shown(along >> BITS_OF_FRACTION, length)
            for along, length in zip((x, y), frame_size, strict=True)
        )
        x, y = x[None, columns], y[rows, None]
        corners = np.stack(np.broadcast_arrays(x, y), axis=-1) >> BITS_OF_FRACTION
        fractions = (y & (WHOLE_PIXEL - 1)) * WHOLE_PIXEL + (x & (WHOLE_PIXEL - 1))
        return cls(rows, columns, corners.astype(np.int16), fractions.astype(np.uint16))

    def __call__(self, frame: Frame, region: Pixels) -> None:
        """Cuts the region of one frame into memory of its size."""
        region[:] = 0
        if self.fractions.size:
            shown = region[self.rows, self.columns]
            cv2.remap(frame, self.corners, self.fractions, cv2.INTER_LINEAR, dst=shown)


def _shown(corners: Int64[np.ndarray, " _"], length: int) -> slice:
    """Which ascending positions lie in a frame, or have a neighbour there."""
    first, end = np.searchsorted(corners, (-1, length))
    return slice(int(first), int(end))


def warp_positions(matrix: Matrix, size: tuple[int, int]) -> Int64[np.ndarray, "coordinate=2 _"]:
    """What each column, and behind those each row, of a region adds to the position in the frame.

    In 1024ths of a pixel; the first line is for x, the second for y. As ``cv2.warpAffine`` has it.
    """
    (a, b, c), (d, e, f) = matrix
    determinant = a * e - b * d
    inverse = 1 / determinant if determinant else 0.0
    # In the order of OpenCV's own operations, for their last bits.
    a, b, d, e = e * inverse, b * -inverse, d * -inverse, a * inverse
    c, f = -a * c - b * f, -d * c - e * f
    columns, rows = np.arange(size[0]), np.arange(size[1])
    half_a_step = 1 << (BITS_DROPPED - 1)
    parts = [
        np.concatenate([
            np.rint(by_column * columns * _POSITIONS_PER_PIXEL),
            np.rint((by_row * rows + begin) * _POSITIONS_PER_PIXEL) + half_a_step,
        ])
        for by_column, by_row, begin in ((a, b, c), (d, e, f))
    ]  # fmt: skip
    return np.stack(parts).astype(np.int64)
