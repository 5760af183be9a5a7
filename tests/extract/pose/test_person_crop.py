"""Regions are MMPose's and OpenCV's to the bit, and decoders cut them as the estimator would."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from video_files import numbered_frames

from extract.pose.mmpose_model import import_mmpose
from extract.pose.person_boxes import KnownBoxes, TableBoxes, WholeFrameBoxes
from extract.pose.person_crop import (
    PersonCut,
    PlainCrop,
    UprightCut,
    udp_warp_matrix,
    warp_matrix,
    widened,
)
from extract.videos.decode_pool import DecodePool
from extract.videos.decoding import DecodeJob
from extract.videos.video_writing import write_video

SIZE = 48, 64
CROP = PlainCrop(padding=1.25, input_size=SIZE, use_udp=False)


def random_case(seed: int, *, turned: bool) -> tuple[np.ndarray, np.ndarray]:
    """A frame, and a matrix that shows about all of it."""
    random = np.random.default_rng(seed)
    height, width = random.integers(20, 150, 2)
    frame = random.integers(0, 256, (height, width, 3), np.uint8)
    angle = random.uniform(-180, 180) if turned else 0.0
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, random.uniform(0.3, 3.0))
    matrix[:, 2] += random.uniform(-20, 20, 2)
    return frame, matrix


def cut_with(cut: UprightCut, frame: np.ndarray) -> np.ndarray:
    """Into memory that holds something else before."""
    region = np.full((*SIZE[::-1], 3), 99, np.uint8)
    cut(frame, region)
    return region


CROPPED_BOXES = [
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


@pytest.mark.mmpose
@pytest.mark.parametrize("use_udp", [False, True])
@pytest.mark.parametrize("box", CROPPED_BOXES)
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


@pytest.mark.mmpose
def test_other_pipelines_are_left_to_mmpose() -> None:
    assert PlainCrop.of_pipeline(pipeline()) is not None
    assert PlainCrop.of_pipeline(pipeline(to_float32=True)) is None
    assert PlainCrop.of_pipeline(pipeline({"type": "RandomFlip"})) is None


def test_regions_are_widened_in_one_direction() -> None:
    wide, high = np.array([[100, 20], [10, 80]], np.float32)
    np.testing.assert_array_equal(widened(wide, (48, 96)), [100, 200])
    np.testing.assert_array_equal(widened(high, (48, 96)), [40, 80])


@pytest.mark.mmpose
@pytest.mark.parametrize("seed", range(20))
def test_the_ways_there_are_mmposes(seed: int) -> None:
    import_mmpose()
    from mmpose.structures.bbox import get_udp_warp_matrix, get_warp_matrix

    random = np.random.default_rng(seed)
    center = random.uniform(-50, 2000, 2).astype(np.float32)
    scale = widened(random.uniform(1, 2000, 2).astype(np.float32), SIZE)
    for ours, theirs in ((warp_matrix, get_warp_matrix), (udp_warp_matrix, get_udp_warp_matrix)):
        np.testing.assert_array_equal(
            ours(center, scale, SIZE), theirs(center, scale, 0.0, output_size=SIZE)
        )


BOXES = {0: (10.0, 5.0, 150.0, 110.0), 4: (-20.0, 30.5, 60.0, 90.0), 6: (0.0, 0.0, 160.0, 120.0)}


@pytest.mark.parametrize("boxes", [WholeFrameBoxes(0.3), TableBoxes(BOXES)])
@pytest.mark.parametrize("num_workers", [0, 1])
def test_decoders_hand_on_the_regions_of_large_frames(
    tmp_path: Path, boxes: KnownBoxes, num_workers: int
) -> None:
    """Of every second frame, whose numbers are those of the video."""
    path = tmp_path / "large.mp4"
    write_video(path, numbered_frames(8, 160, 120), 25.0)
    whole, cut = (
        decoded(DecodeJob("a", path, max_frames=4, cut=cut), num_workers)
        for cut in (None, PersonCut(CROP, boxes))
    )
    assert whole.shape == (4, 120, 160, 3)
    assert cut.shape == (4, *SIZE[::-1], 3)
    for number, frame, region in zip((0, 2, 4, 6), whole, cut, strict=True):
        box = boxes.box(number, (160, 120))
        if box is None:
            assert not region.any()
        else:
            expected = CROP(frame, np.array(box, np.float32))
            again = CROP.of_region(region, np.array(box, np.float32))
            for name in ("pixels", "center", "scale"):
                np.testing.assert_array_equal(getattr(again, name), getattr(expected, name))


@pytest.mark.parametrize("turned", [np.s_[::-1], np.s_[:, ::-1], np.s_[::-1, ::-1]])
def test_frames_that_are_turned_in_place_are_cut_as_others(turned: Any) -> None:
    """Upright views of stored frames have negative strides."""
    frame = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    regions = np.zeros((2, *SIZE[::-1], 3), np.uint8)
    for region, upright in zip(regions, (frame[turned], frame[turned].copy()), strict=True):
        PersonCut(CROP, WholeFrameBoxes(0.3)).write(upright, 0, region)
    assert regions[0].any()
    np.testing.assert_array_equal(*regions)


def test_memory_that_was_used_before_is_black_where_there_is_no_box() -> None:
    region = np.full((*SIZE[::-1], 3), 99, np.uint8)
    PersonCut(CROP, TableBoxes(BOXES)).write(np.ones((120, 160, 3), np.uint8), 1, region)
    assert not region.any()


def test_small_frames_are_handed_on_whole(tmp_path: Path) -> None:
    path = tmp_path / "small.mp4"
    write_video(path, numbered_frames(3, 64, 48), 25.0)
    cut = PersonCut(CROP, WholeFrameBoxes(0.3))
    np.testing.assert_array_equal(
        decoded(DecodeJob("a", path, cut=cut), 0), decoded(DecodeJob("a", path), 0)
    )


def decoded(job: DecodeJob, num_workers: int) -> np.ndarray:
    """All frames that a decoder hands on."""
    with DecodePool(num_workers) as pool:
        [frames] = [
            np.concatenate([chunk.frames.copy() for chunk in video.chunks()])
            for video in pool.stream([job])
        ]
        return frames


@pytest.mark.parametrize("seed", range(40))
def test_what_skips_the_black_parts_gives_the_pixels_of_opencv(seed):
    frame, matrix = random_case(seed, turned=False)
    # Most then show an edge of the frame, and some nothing of it.
    matrix[:, 2] += np.random.default_rng(seed).uniform(-60, 60, 2)
    cut = UprightCut.of(matrix, SIZE, frame.shape[1::-1])
    assert cut is not None
    expected = cv2.warpAffine(frame, matrix, SIZE, flags=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(cut_with(cut, frame), expected)


def test_a_region_beside_the_frame_is_black():
    frame = np.full((50, 40, 3), 255, np.uint8)
    beside = np.array([[1.0, 0, 1000], [0, 1, 0]])
    cut = UprightCut.of(beside, SIZE, (40, 50))
    assert cut is not None
    assert not cut_with(cut, frame).any()


def test_a_region_that_is_turned_needs_another_cut():
    frame, matrix = random_case(1, turned=True)
    assert UprightCut.of(matrix, SIZE, frame.shape[1::-1]) is None
