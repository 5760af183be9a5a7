"""From decoded frames to the numbers that a video network reads: crop and scaling."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F  # noqa: N812 - the name that PyTorch users know
from jaxtyping import Float32, UInt8
from torch import Tensor

from extract.videos.frame import FrameFit

CROP_SIDE = 224
_PUBLISHED_CROP_EDGE = 0.875

Colour = tuple[float, float, float]
"""Red, green, blue; 1 is full brightness."""


@dataclass(frozen=True)
class FramePreparation:
    """Everything that is done to a frame before a network sees it."""

    fit: FrameFit
    """The decoder resizes frames to this first."""
    crop: Literal["centre", "interpolated"]
    """``centre`` cuts out 224 x 224 pixels; ``interpolated`` is the published crop."""
    mean: Colour
    """Subtracted after scaling to 0..1."""
    std: Colour
    """Divided by after that."""

    def __call__(
        self, frames: UInt8[Tensor, "frame height width channel=3"]
    ) -> Float32[Tensor, "channel=3 frame height=224 width=224"]:
        """Prepares resized frames, on the device where they are."""
        height, width = frames.shape[1:3]
        if self.fit.target_size(width, height) != (width, height):
            raise ValueError(f"frames of {width}x{height} pixels were not resized to {self.fit}")
        images = frames.movedim(-1, 1).float() / 255
        crop = _centre_crop if self.crop == "centre" else _interpolated_crop
        return _normalise(crop(images), self.mean, self.std).movedim(1, 0)


PUBLISHED = FramePreparation(
    FrameFit("squash", 256), "interpolated", mean=(0.5, 0.5, 0.5), std=(1.0, 1.0, 1.0)
)
"""What the sign-trained Inception I3D reads: values in -0.5..0.5."""

KINETICS_I3D = FramePreparation(
    FrameFit("short_side", 256), "centre", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)
)
"""What the Kinetics I3D reads: values in -1..1. Carreira and Zisserman (arXiv 1705.07750), 3.1."""

TORCHVISION_S3D = FramePreparation(
    FrameFit("squash", 256),
    "centre",
    mean=(0.43216, 0.394666, 0.37645),
    std=(0.22803, 0.22145, 0.216989),
)
"""The transforms of torchvision's ``S3D_Weights.KINETICS400_V1``."""

TORCHVISION_MVIT = FramePreparation(
    FrameFit("short_side", 256), "centre", mean=(0.45, 0.45, 0.45), std=(0.225, 0.225, 0.225)
)
"""The transforms of torchvision's ``MViT_V2_S_Weights.KINETICS400_V1``."""


def _centre_crop(
    images: Float32[Tensor, "frame channel height width"],
) -> Float32[Tensor, "frame channel height=224 width=224"]:
    height, width = images.shape[2:]
    top, left = round((height - CROP_SIDE) / 2), round((width - CROP_SIDE) / 2)
    return images[:, :, top : top + CROP_SIDE, left : left + CROP_SIDE]


def _interpolated_crop(
    images: Float32[Tensor, "frame channel height width"],
) -> Float32[Tensor, "frame channel height=224 width=224"]:
    """The published crop: 224 points an axis from -0.875 to 0.875, the image's edges being -1, 1.

    The points lie half a pixel beside a plain centre crop and slightly more than a pixel apart.
    """
    points = torch.linspace(
        -_PUBLISHED_CROP_EDGE, _PUBLISHED_CROP_EDGE, CROP_SIDE, device=images.device
    )
    y, x = torch.meshgrid(points, points, indexing="ij")
    grid = torch.stack((x, y), dim=-1).expand(len(images), -1, -1, -1)
    return F.grid_sample(images, grid, mode="bilinear", align_corners=False)


def _normalise(
    images: Float32[Tensor, "frame channel height width"], mean: Colour, std: Colour
) -> Float32[Tensor, "frame channel height width"]:
    per_channel = (1, 3, 1, 1)
    shift = torch.tensor(mean, device=images.device).view(per_channel)
    scale = torch.tensor(std, device=images.device).view(per_channel)
    return (images - shift) / scale
