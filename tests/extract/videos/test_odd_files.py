"""Every strange file of the shared test data: what is right for it, and that nothing else happens.

Where frames are expected, FFmpeg (PyAV), OpenCV and decord agree on them, but for two files: of
``edit-list.mp4`` decord gives 152 frames, 21 of them copies at the end, where the edit list shows
131; and ``animation.gif`` it cannot open.
"""

import re

import pytest
from shared_data import shared_path

from extract.videos.frame_source import open_frames
from extract.videos.part import VideoError

pytestmark = pytest.mark.shared

WHOLE = {  # frames, width, height (upright), frame rate
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

BROKEN = {  # what the reason must say
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
    assert {path.name for path in odd.iterdir()} == {*WHOLE, *BROKEN}


@pytest.mark.parametrize("name", WHOLE)
def test_whole_files_give_all_their_frames(odd, name):
    source = open_frames(odd / name, 25.0)
    num_frames, width, height, fps = WHOLE[name]
    properties = source.properties
    assert (properties.num_frames, properties.width, properties.height) == (
        num_frames,
        width,
        height,
    )
    assert properties.fps == pytest.approx(fps)
    assert [frame.shape for frame in source.frames()] == [(height, width, 3)] * num_frames


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_say_what_is_wrong(odd, name):
    with pytest.raises(VideoError) as failure:
        list(open_frames(odd / name, 25.0).frames())
    assert re.search(BROKEN[name], failure.value.reason)
