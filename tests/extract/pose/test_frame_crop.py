"""The direct crop equals MMPose's test pipeline, and only replaces pipelines that it knows."""

from typing import Any

import numpy as np
import pytest

from extract.pose.mmpose_estimator import (
    CroppedFrame,
    PlainCrop,
    into_image,
    widened,
)
from extract.pose.mmpose_model import import_mmpose

pytestmark = pytest.mark.mmpose

BOXES = [
    [0, 0, 160, 120],
    [20, 10, 110, 110],
    [40, 10, 60, 120],
    [-10.3, 5, 90, 20.7],
    [10, 10, 10, 10.5],
]


def pipeline(*between: dict[str, Any], use_udp: bool = False, **load: bool) -> list[Any]:
    """The transforms of a whole-body config, with others before the last."""
    import_mmpose()
    from mmengine.dataset import Compose
    from mmengine.registry import init_default_scope

    init_default_scope("mmpose")
    transforms = [
        {"type": "LoadImage", **load},
        {"type": "GetBBoxCenterScale", "padding": 1.3},
        {"type": "TopdownAffine", "input_size": (48, 64), "use_udp": use_udp},
        *between,
        {"type": "PackPoseInputs"},
    ]
    return Compose(transforms).transforms


@pytest.mark.parametrize("use_udp", [False, True])
@pytest.mark.parametrize("box", BOXES)
def test_the_crop_equals_the_pipeline_to_the_bit(box: list[float], use_udp: bool) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (120, 160, 3)).astype(np.uint8)
    corners = np.array(box, np.float32)
    transforms = pipeline(use_udp=use_udp)
    packed: Any = {"img": frame, "bbox": corners[None], "bbox_score": np.ones(1, np.float32)}
    for transform in transforms:
        packed = transform(packed)
    crop = PlainCrop.of_pipeline(transforms)
    assert crop is not None
    cropped = crop(frame, corners)
    meta = packed["data_samples"].metainfo
    np.testing.assert_array_equal(cropped.pixels, packed["inputs"].permute(1, 2, 0).numpy())
    np.testing.assert_array_equal(cropped.center, meta["input_center"])
    np.testing.assert_array_equal(cropped.scale, meta["input_scale"])
    assert crop.input_size == meta["input_size"]


def test_other_pipelines_are_left_to_mmpose() -> None:
    assert PlainCrop.of_pipeline(pipeline()) is not None
    assert PlainCrop.of_pipeline(pipeline(to_float32=True)) is None
    assert PlainCrop.of_pipeline(pipeline({"type": "RandomFlip"})) is None


def test_regions_are_widened_in_one_direction() -> None:
    wide, high = np.array([[100, 20], [10, 80]], np.float32)
    np.testing.assert_array_equal(widened(wide, (48, 96)), [100, 200])
    np.testing.assert_array_equal(widened(high, (48, 96)), [40, 80])


def test_the_corners_of_the_input_are_those_of_the_region() -> None:
    center, scale = np.array([[50, 60], [24, 48]], np.float32)
    crop = CroppedFrame(np.zeros((96, 48, 3), np.uint8), center, scale)
    corners = np.array([[[0, 0], [48, 96]]], np.float32)
    np.testing.assert_array_equal(into_image(corners, [crop], (48, 96)), [[[38, 36], [62, 84]]])
