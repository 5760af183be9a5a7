from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from extract.videos.frame_folder import FrameFolder
from extract.videos.frame_source import CroppedFrames
from extract.videos.part import Crop, VideoError


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 255, (3, 48, 64, 3), np.uint8)


@pytest.fixture(scope="module")
def folder(pictures, tmp_path_factory):
    folder = tmp_path_factory.mktemp("folder")
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{number}.png")
    return folder


def cropped(folder, crop, size):
    return CroppedFrames(folder, FrameFolder(folder, 25.0), crop, size)


@pytest.mark.parametrize(
    ("crop", "rows", "columns"),
    [
        (Crop(10, 5, 20, 30), slice(5, 35), slice(10, 30)),
        (Crop(0, 0, 64, 48), slice(0, 48), slice(0, 64)),
        (Crop(50, 40, 700, 700), slice(40, 48), slice(50, 64)),
        (Crop(63, 47, 1, 1), slice(47, 48), slice(63, 64)),
    ],
)
def test_what_lies_beyond_the_frame_is_left_out(folder, pictures, crop, rows, columns):
    source = cropped(folder, crop, None)
    expected = pictures[:, rows, columns]
    np.testing.assert_array_equal(list(source.frames()), expected)
    properties = source.properties
    assert (properties.height, properties.width) == expected.shape[1:3]
    assert (properties.num_frames, properties.fps) == (3, 25.0)


@pytest.mark.parametrize("crop", [Crop(10, 5, 20, 30), Crop(50, 40, 700, 700), None])
def test_crops_come_before_the_size(folder, pictures, crop):
    source = cropped(folder, crop, (16, 24))
    left, top, right, bottom = (0, 0, 64, 48) if crop is None else (
        crop.left, crop.top, min(64, crop.left + crop.width), min(48, crop.top + crop.height)
    )  # fmt: skip
    expected = [
        Image.fromarray(picture).crop((left, top, right, bottom)).resize((16, 24), Image.BICUBIC)
        for picture in pictures
    ]
    np.testing.assert_array_equal(list(source.frames()), list(map(np.asarray, expected)))
    assert (source.properties.width, source.properties.height) == (16, 24)


@pytest.mark.parametrize("crop", [Crop(64, 0, 10, 10), Crop(0, 48, 10, 10)])
def test_a_crop_outside_the_frame_is_named(folder, crop):
    with pytest.raises(
        VideoError, match=f"the crop {crop} lies outside .* 64x48 pixels"
    ) as failure:
        cropped(folder, crop, (16, 16))
    assert failure.value.path == Path(folder)
