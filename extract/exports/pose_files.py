"""Writes ``.pose`` files with the keypoints in COCO-WholeBody's own order and names.

Format: https://github.com/sign-language-processing/pose/blob/master/docs/specs.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float32
from pose_format import Pose, PoseHeader
from pose_format.numpy import NumPyPoseBody
from pose_format.pose_header import PoseHeaderDimensions
from pose_format.utils.cocowholebody133_header import cocowholebody_components

from seds_core.errors import UsageError

VERSION = 0.2
MAX_PIXELS = 2**16 - 1
"""Largest width and height that a header can name."""


def write_pose_file(
    path: Path,
    keypoints: Float32[np.ndarray, "frame keypoint=133 coordinate=3"],
    fps: float,
    size: tuple[int, int],
) -> None:
    """Writes one person's keypoints; ``path`` exists afterwards with all of them, or not at all.

    ``size`` is width and height in pixels. Reading gives the same bits, NaN and confidence 0
    included; ``fps`` is rounded to float32. Raises ``UsageError`` for a size that the format
    cannot name.
    """
    if not all(0 < pixels <= MAX_PIXELS for pixels in size):
        raise UsageError(
            f"{path}: .pose files are of 1 to {MAX_PIXELS} pixels a side, not {size[0]}x{size[1]}"
        )
    header = PoseHeader(VERSION, PoseHeaderDimensions(*size), cocowholebody_components())
    one_person = keypoints[:, None]
    # The library masks what has no confidence, and writes what is below the mask.
    body = NumPyPoseBody(fps, one_person[..., :2], one_person[..., 2])
    unfinished = path.with_name(f"{path.name}.partial")
    with unfinished.open("wb") as file:
        Pose(header, body).write(file)
    unfinished.replace(path)
