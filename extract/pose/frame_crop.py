"""The crop of one frame that MMPose's plain test pipeline gives, without its bookkeeping."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

Warp = Callable[..., np.ndarray]
"""MMPose's ``get_warp_matrix`` or ``get_udp_warp_matrix``."""


@dataclass(frozen=True)
class CroppedFrame:
    """What a network sees of a frame, and the way back into the image."""

    pixels: UInt8[np.ndarray, "height width channel=3"]
    """The region at the network's size."""
    center: Float32[np.ndarray, " coordinate=2"]
    """The region's centre in pixels of the frame."""
    scale: Float32[np.ndarray, " coordinate=2"]
    """The region's width and height in pixels of the frame."""


@dataclass(frozen=True)
class PlainCrop:
    """The settings of the transforms ``GetBBoxCenterScale`` and ``TopdownAffine``."""

    padding: float
    input_size: tuple[int, int]
    """Width and height of the network's input."""
    warp_matrix: Warp

    @classmethod
    def of_pipeline(cls, transforms: Sequence[Any]) -> "PlainCrop | None":
        """The settings of a pipeline that crops and does nothing else; None for any other."""
        from mmpose.datasets.transforms import (  # noqa: PLC0415
            GetBBoxCenterScale,
            LoadImage,
            PackPoseInputs,
            TopdownAffine,
        )
        from mmpose.structures.bbox import (  # noqa: PLC0415
            get_udp_warp_matrix,
            get_warp_matrix,
        )

        plain = [LoadImage, GetBBoxCenterScale, TopdownAffine, PackPoseInputs]
        if [type(transform) for transform in transforms] != plain:
            return None
        load, region, affine, _ = transforms
        if load.to_float32:
            return None
        matrix = get_udp_warp_matrix if affine.use_udp else get_warp_matrix
        return cls(region.padding, tuple(affine.input_size), matrix)

    def __call__(
        self,
        frame: UInt8[np.ndarray, "height width channel=3"],
        box: Float32[np.ndarray, " box=4"],
    ) -> CroppedFrame:
        """The region around ``box``, widened to the network's proportions; shares no memory."""
        from mmpose.structures.bbox import bbox_xyxy2cs  # noqa: PLC0415

        center, scale = bbox_xyxy2cs(box, padding=self.padding)
        scale = widened(scale, self.input_size)
        matrix = self.warp_matrix(center, scale, 0.0, output_size=self.input_size)
        pixels = cv2.warpAffine(frame, matrix, self.input_size, flags=cv2.INTER_LINEAR)
        return CroppedFrame(pixels, center, scale)


def widened(
    scale: Float32[np.ndarray, " coordinate=2"], input_size: tuple[int, int]
) -> Float32[np.ndarray, " coordinate=2"]:
    """The smallest width and height of the input's proportions that hold ``scale``.

    As ``mmpose.datasets.transforms.TopdownAffine`` computes it, to the last bit.
    """
    width, height = scale
    proportion = input_size[0] / input_size[1]
    if width > height * proportion:
        return np.array([width, width / proportion], np.float32)
    return np.array([height * proportion, height], np.float32)


def into_image(
    places: Float32[np.ndarray, "frame keypoint coordinate=2"],
    crops: Sequence[CroppedFrame],
    input_size: tuple[int, int],
) -> Float32[np.ndarray, "frame keypoint coordinate=2"]:
    """Pixels of the frames for pixels of the network's input.

    The arithmetic of ``TopdownPoseEstimator.add_pred_to_datasample``, in its order.
    """
    scale = np.stack([crop.scale for crop in crops])[:, None]
    center = np.stack([crop.center for crop in crops])[:, None]
    return (places / np.array(input_size) * scale + center - 0.5 * scale).astype(np.float32)
