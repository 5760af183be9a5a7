"""Real files that were read wrongly once; what is right was found with the ffmpeg command."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shared_data import shared_path

from extract.videos.frame_source import FrameSource, open_frames
from extract.videos.part import WHOLE, VideoPart

pytestmark = pytest.mark.shared


def video(name: str, part: VideoPart = WHOLE) -> FrameSource:
    return open_frames(shared_path(f"faults/videos/{name}"), 25.0, part=part)


@pytest.mark.parametrize(
    ("name", "frames"), [("og8_ss.mkv", 100), ("paff.ts", 50), ("gap.avi", 39), ("vfr.mp4", 50)]
)
def test_as_many_frames_as_ffmpeg_shows(name, frames):
    assert sum(1 for _ in video(name).frames()) == frames


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
