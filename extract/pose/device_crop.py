"""Cuts regions out of frames on the network's device, with OpenCV's own integers.

``cv2.warpAffine`` computes with whole numbers: positions in 32nds of a pixel, weights in 1024ths.
So a card gives the pixels that it gives, to the bit.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import TypeAlias

import cv2
import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float64, Int64, UInt8

Pixels = UInt8[np.ndarray, "_ _ channel=3"]

# OpenCV rounds positions to 1024ths of a pixel, adds them up, and keeps 32nds.
_POSITIONS_PER_PIXEL = 1024
_BITS_OF_FRACTION, _BITS_DROPPED = 5, 5
_WHOLE = 1 << _BITS_OF_FRACTION


Matrix: TypeAlias = Float64[np.ndarray, "2 3"]
"""Leads from positions in a frame to positions in its region, as ``cv2.warpAffine`` reads it."""


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
