"""Cuts regions out of frames, here or on the network's device, with OpenCV's own integers.

``cv2.warpAffine`` computes with whole numbers: positions in 32nds of a pixel, weights in 1024ths.
So a card gives the pixels that it gives, to the bit, and so does what skips a region's black parts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeAlias

import cv2
import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float64, Int16, Int64, UInt8, UInt16

Pixels = UInt8[np.ndarray, "_ _ channel=3"]

# OpenCV rounds positions to 1024ths of a pixel, adds them up, and keeps 32nds.
_POSITIONS_PER_PIXEL = 1024
_BITS_OF_FRACTION, _BITS_DROPPED = 5, 5
_WHOLE = 1 << _BITS_OF_FRACTION


Matrix: TypeAlias = Float64[np.ndarray, "2 3"]
"""Leads from positions in a frame to positions in its region, as ``cv2.warpAffine`` reads it."""


@dataclass(frozen=True)
class UprightCut:
    """Cuts a region that is not turned out of frames of one size, as ``cv2.warpAffine`` does.

    Half of a region around a whole frame, and more, lies beyond the frame's edge. Only where it
    shows the frame are pixels computed, and where those lie is found out once for all frames.
    """

    size: tuple[int, int]
    """Width and height of the region."""
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
        by_column, by_row = np.split(_positions(matrix, size), [size[0]], axis=1)
        if by_column[1].any() or np.ptp(by_row[0]):
            return None
        x, y = (by_column[0] + by_row[0, 0]) >> _BITS_DROPPED, by_row[1] >> _BITS_DROPPED
        columns, rows = (
            _shown(along >> _BITS_OF_FRACTION, length)
            for along, length in zip((x, y), frame_size, strict=True)
        )
        x, y = x[None, columns], y[rows, None]
        corners = np.stack(np.broadcast_arrays(x, y), axis=-1) >> _BITS_OF_FRACTION
        fractions = (y & (_WHOLE - 1)) * _WHOLE + (x & (_WHOLE - 1))
        return cls(size, rows, columns, corners.astype(np.int16), fractions.astype(np.uint16))

    def __call__(self, frame: Pixels) -> Pixels:
        """The region of one frame."""
        region = np.zeros((*self.size[::-1], 3), np.uint8)
        if self.fractions.size:
            shown = region[self.rows, self.columns]
            cv2.remap(frame, self.corners, self.fractions, cv2.INTER_LINEAR, dst=shown)
        return region


def _shown(corners: Int64[np.ndarray, " _"], length: int) -> slice:
    """Which ascending positions lie in a frame, or have a neighbour there."""
    first, end = np.searchsorted(corners, (-1, length))
    return slice(int(first), int(end))


def cut_out(
    frames: Sequence[Pixels],
    matrices: Sequence[Matrix | None],
    size: tuple[int, int],
    device: torch.device,
) -> UInt8[torch.Tensor, "frame channel=3 height width"]:
    """What ``cv2.warpAffine`` gives of each frame, of ``size`` (width, height), on the device.

    A frame without a matrix is its region already; beyond a frame's edge it is black.
    """
    if device.type == "cpu":
        regions = [
            frame if matrix is None else cv2.warpAffine(frame, matrix, size, flags=cv2.INTER_LINEAR)
            for frame, matrix in zip(frames, matrices, strict=True)
        ]
        return rearrange(torch.from_numpy(np.stack(regions)), "f h w c -> f c h w")
    # Frames of one size, mostly those of one video, are cut together.
    regions_of_runs = []
    for (_, is_cut), run in groupby(
        zip(frames, matrices, strict=True), key=lambda pair: (pair[0].shape, pair[1] is None)
    ):
        run_frames, run_matrices = zip(*run, strict=True)
        pixels = torch.from_numpy(np.stack(run_frames)).pin_memory()
        pixels = pixels.to(device, non_blocking=True)
        regions_of_runs.append(
            rearrange(pixels, "f h w c -> f c h w")
            if is_cut
            else warped(pixels, run_matrices, size)
        )
    return torch.cat(regions_of_runs)


def warped(
    frames: UInt8[torch.Tensor, "frame _ _ channel=3"],
    matrices: Sequence[Matrix],
    size: tuple[int, int],
) -> UInt8[torch.Tensor, "frame channel=3 height width"]:
    """The arithmetic of ``cv2.warpAffine`` with bilinear weights, on the frames' device."""
    _, frame_height, frame_width, _ = frames.shape
    steps = np.stack([_positions(matrix, size) for matrix in matrices])
    along = torch.from_numpy(steps).to(frames.device)
    along_x, along_y = along[..., : size[0]], along[..., size[0] :]
    # Both positions of a pixel depend on its column and on its row: the region may be turned.
    x, y = (
        rearrange(along_x[:, :, None] + along_y[..., None], "f p h w -> p f h w") >> _BITS_DROPPED
    )
    # One black pixel around the frame stands for all that lies beyond its edge.
    padded = torch.nn.functional.pad(frames, (0, 0, 1, 1, 1, 1))
    number = torch.arange(len(frames), device=frames.device)[:, None, None]
    value = torch.zeros((), dtype=torch.int64, device=frames.device)
    for down in (0, 1):
        rows = ((y >> _BITS_OF_FRACTION) + 1 + down).clamp(0, frame_height + 1)
        y_weight = (y & (_WHOLE - 1)) if down else _WHOLE - (y & (_WHOLE - 1))
        for right in (0, 1):
            columns = ((x >> _BITS_OF_FRACTION) + 1 + right).clamp(0, frame_width + 1)
            x_weight = (x & (_WHOLE - 1)) if right else _WHOLE - (x & (_WHOLE - 1))
            value = value + padded[number, rows, columns] * (x_weight * y_weight)[..., None]
    rounded = (value + _WHOLE * _WHOLE // 2) >> (2 * _BITS_OF_FRACTION)
    return rearrange(rounded.to(torch.uint8), "f h w c -> f c h w")


def _positions(matrix: Matrix, size: tuple[int, int]) -> Int64[np.ndarray, "coordinate=2 _"]:
    """What each column, and behind those each row, of a region adds to the position in the frame.

    In 1024ths of a pixel; the first line is for x, the second for y.
    """
    (a, b, c), (d, e, f) = matrix
    determinant = a * e - b * d
    inverse = 1 / determinant if determinant else 0.0
    # In the order of OpenCV's own operations, for their last bits.
    a, b, d, e = e * inverse, b * -inverse, d * -inverse, a * inverse
    c, f = -a * c - b * f, -d * c - e * f
    columns, rows = np.arange(size[0]), np.arange(size[1])
    half_a_step = 1 << (_BITS_DROPPED - 1)
    parts = [
        np.concatenate([
            np.rint(by_column * columns * _POSITIONS_PER_PIXEL),
            np.rint((by_row * rows + begin) * _POSITIONS_PER_PIXEL) + half_a_step,
        ])
        for by_column, by_row, begin in ((a, b, c), (d, e, f))
    ]  # fmt: skip
    return np.stack(parts).astype(np.int64)
