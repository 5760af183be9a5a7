"""Cuts regions out of frames on the network's device, with OpenCV's own integers.

``cv2.warpAffine`` computes with whole numbers: positions in 32nds of a pixel, weights in 1024ths.
So a card gives the pixels that it gives, to the bit.
"""

from collections.abc import Sequence
from itertools import groupby

import cv2
import numpy as np
import torch
from einops import rearrange
from jaxtyping import UInt8

from extract.pose.person_crop import (
    BITS_DROPPED,
    BITS_OF_FRACTION,
    WHOLE_PIXEL,
    Matrix,
    warp_positions,
)
from extract.videos.frame import Pixels


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
    steps = np.stack([warp_positions(matrix, size) for matrix in matrices])
    along = torch.from_numpy(steps).to(frames.device)
    along_x, along_y = along[..., : size[0]], along[..., size[0] :]
    # Both positions of a pixel depend on its column and on its row: the region may be turned.
    x, y = rearrange(along_x[:, :, None] + along_y[..., None], "f p h w -> p f h w") >> BITS_DROPPED
    # One black pixel around the frame stands for all that lies beyond its edge.
    padded = torch.nn.functional.pad(frames, (0, 0, 1, 1, 1, 1))
    number = torch.arange(len(frames), device=frames.device)[:, None, None]
    value = torch.zeros((), dtype=torch.int64, device=frames.device)
    for down in (0, 1):
        rows = ((y >> BITS_OF_FRACTION) + 1 + down).clamp(0, frame_height + 1)
        y_weight = (y & (WHOLE_PIXEL - 1)) if down else WHOLE_PIXEL - (y & (WHOLE_PIXEL - 1))
        for right in (0, 1):
            columns = ((x >> BITS_OF_FRACTION) + 1 + right).clamp(0, frame_width + 1)
            x_weight = (x & (WHOLE_PIXEL - 1)) if right else WHOLE_PIXEL - (x & (WHOLE_PIXEL - 1))
            value = value + padded[number, rows, columns] * (x_weight * y_weight)[..., None]
    rounded = (value + WHOLE_PIXEL * WHOLE_PIXEL // 2) >> (2 * BITS_OF_FRACTION)
    return rearrange(rounded.to(torch.uint8), "f h w c -> f c h w")
