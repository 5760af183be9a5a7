"""Every strange file of the shared test data: what is right for it, and that nothing else happens.

Where frames are expected, FFmpeg (PyAV), OpenCV and decord agree on them, but for two files: of
``edit-list.mp4`` decord gives 152 frames, 21 of them copies at the end, where the edit list shows
131; and ``animation.gif`` it cannot open.
"""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shared_data import shared_path

from extract.videos.frame_source import FrameSource, open_frames
from extract.videos.part import WHOLE, VideoError, VideoPart

pytestmark = pytest.mark.shared

WHOLE_FILES = {  # frames, width, height (upright), frame rate
    "animation.gif": (51, 160, 162, 10.0),
    "autsl_signer0_sample1000_color.mp4": (43, 512, 512, 30.0),
    "bsl1k_demo.mp4": (16, 640, 480, 25.0),
    "edit-list.mp4": (131, 360, 364, 30.0),
    "five-frames.mp4": (5, 360, 364, 30.0),
    "four-frames-slow.mp4": (4, 368, 368, 20 / 21),
    "four-k.mp4": (20, 2131, 2160, 30.0),  # its pixels are upright rectangles
    "hevc.mp4": (152, 360, 364, 30.0),
    "name with spaces & ünïcode.mp4": (152, 360, 364, 30.0),
    "nobody-in-view.mp4": (50, 320, 240, 25.0),
    "odd-size-yuv444.mp4": (152, 150, 132, 30.0),
    "one-frame.mp4": (1, 360, 364, 30.0),
    "pose_repo_test_video.mp4": (58, 540, 720, 359 / 12),
    "rotated-by-metadata.mp4": (152, 364, 360, 30.0),
    "variable-frame-rate.mp4": (64, 360, 364, 640 / 51),
    "vp9.webm": (152, 360, 364, 30.0),
}

BROKEN_FILES = {  # what the reason must say
    "audio-only.mp4": r"holds sound only \(aac\)",
    "damaged-middle.mp4": r"damaged: frame 0 of 152 is incomplete",
    "empty.mp4": r"empty \(0 bytes\)",
    "lfs-pointer.mp4": r"Git LFS pointer",
    "picture-named.mp4": r"looks like a PNG picture",
    "truncated-no-index.mp4": r"no index \(its 'moov atom'\)",
    "truncated-with-index.mp4": r"cut off or damaged after 81 of 152 frames",
}


@pytest.fixture(scope="module")
def odd():
    return shared_path("realsigns/odd")


def test_every_file_has_its_expectation(odd):
    assert {path.name for path in odd.iterdir()} == {*WHOLE_FILES, *BROKEN_FILES}


@pytest.mark.parametrize("name", WHOLE_FILES)
def test_whole_files_give_all_their_frames(odd, name):
    source = open_frames(odd / name, 25.0)
    num_frames, width, height, fps = WHOLE_FILES[name]
    properties = source.properties
    assert (properties.num_frames, properties.width, properties.height) == (
        num_frames,
        width,
        height,
    )
    assert properties.fps == pytest.approx(fps)
    assert [frame.shape for frame in source.frames()] == [(height, width, 3)] * num_frames


@pytest.mark.parametrize("name", BROKEN_FILES)
def test_broken_files_say_what_is_wrong(odd, name):
    with pytest.raises(VideoError) as failure:
        list(open_frames(odd / name, 25.0).frames())
    assert re.search(BROKEN_FILES[name], failure.value.reason)


def video(name: str, part: VideoPart = WHOLE) -> FrameSource:
    return open_frames(shared_path(f"faults/videos/{name}"), 25.0, part=part)


def test_a_mirrored_video_is_shown_as_ffmpeg_shows_it():
    path = shared_path("faults/videos/hflip.first-frame.png")
    expected = np.asarray(Image.open(path).convert("RGB")).astype(int)
    first = next(iter(video("hflip.mp4").frames())).astype(int)
    assert first.shape == expected.shape
    assert np.abs(first - expected).max() <= 2  # converters of colours round differently
    assert np.abs(first[::-1] - expected).mean() > 5


@pytest.mark.parametrize("name", ["twov.mkv", "twov_same.mp4"])
def test_of_two_streams_one_gives_everything(name):
    source = video(name)
    frames = list(source.frames())
    assert len(frames) == source.properties.num_frames
    assert {frame.shape[1::-1] for frame in frames} == {
        (source.properties.width, source.properties.height)
    }
    part = list(video(name, VideoPart(0.0, 0.4)).frames())
    for whole, cut in zip(frames, part, strict=False):
        assert np.abs(whole.astype(int) - cut).max() <= 2


def test_a_part_has_the_frames_that_its_seconds_show():
    frames = list(video("vfr.mp4").frames())
    assert len(frames) == 50
    part = list(video("vfr.mp4", VideoPart(2.5, 3.0)).frames())
    np.testing.assert_array_equal(part[0], frames[25])
    np.testing.assert_array_equal(part[-1], frames[49])
    assert len(part) == 25


def test_a_recording_that_begins_late_lasts_two_seconds():
    assert video("off10.mkv").properties.duration == pytest.approx(2.0, abs=0.05)
    assert len(list(video("off10.mkv", VideoPart(1.0, None)).frames())) == pytest.approx(25, abs=1)


def test_16_bits_of_grey_are_scaled(tmp_path: Path):
    image = shared_path("faults/images/gray16.png")
    for number in (1, 2):
        (tmp_path / f"{number}.png").write_bytes(image.read_bytes())
    frame = next(iter(open_frames(tmp_path, 25.0).frames()))
    stored = np.asarray(Image.open(image)).astype(int)
    assert np.abs(frame[..., 0].astype(int) - stored / 257).max() <= 1
    assert (frame == 255).mean() < 0.05
