"""Every network sees its frames as it did in training."""

from typing import Any

import numpy as np
import pytest
import torch
from torchvision.models.video import MViT_V2_S_Weights, S3D_Weights

from extract.rgb.backbones import (
    KINETICS_I3D,
    PUBLISHED,
    TORCHVISION_MVIT,
    TORCHVISION_S3D,
    FramePreparation,
)


def random_frames(num_frames: int, width: int, height: int) -> torch.Tensor:
    values = np.random.default_rng(0).integers(0, 256, (num_frames, height, width, 3), np.uint8)
    return torch.from_numpy(values)


def test_published_crop_interpolates_between_pixels() -> None:
    frames = random_frames(2, 256, 256)
    prepared = PUBLISHED(frames).numpy()
    image = frames.numpy()[1, ..., 2].astype(np.float64) / 255
    for row, column in ((0, 0), (100, 3), (223, 223)):
        y, x = (15.5 + position * 224 / 223 for position in (row, column))
        top, left = int(y), int(x)
        down, right = y - top, x - left
        expected = (
            image[top, left] * (1 - down) * (1 - right)
            + image[top, left + 1] * (1 - down) * right
            + image[top + 1, left] * down * (1 - right)
            + image[top + 1, left + 1] * down * right
        )
        assert prepared[2, 1, row, column] == pytest.approx(expected - 0.5, abs=1e-4)


def test_kinetics_i3d_reads_the_middle_between_minus_one_and_one() -> None:
    frames = torch.zeros(1, 256, 340, 3, dtype=torch.uint8)
    frames[0, 16:240, 58:282] = 255
    assert torch.equal(KINETICS_I3D(frames), torch.ones(3, 1, 224, 224))
    frames[0, 16, 58] = 0
    assert torch.equal(KINETICS_I3D(frames)[:, 0, 0, 0], -torch.ones(3))


@pytest.mark.parametrize(
    ("preparation", "published", "width"),
    [(TORCHVISION_S3D, S3D_Weights, 256), (TORCHVISION_MVIT, MViT_V2_S_Weights, 351)],
)
def test_torchvision_networks_see_what_torchvision_shows_them(
    preparation: FramePreparation, published: Any, width: int
) -> None:
    frames = random_frames(3, width, 256)
    expected = published.KINETICS400_V1.transforms()(frames.movedim(-1, 1))
    torch.testing.assert_close(preparation(frames), expected)


def test_frames_that_were_not_resized_are_refused() -> None:
    with pytest.raises(ValueError, match="frames of 260x256 pixels were not resized"):
        PUBLISHED(random_frames(1, 260, 256))
