"""Pixels that are not square, interlaced frames, and pictures that two decoders differ in."""

import numpy as np
import pytest
from video_files import numbered_frame, numbered_video, read_number, write_video

from extract.videos import decord_frames
from extract.videos.frame_source import RecordingPart, VideoFile
from extract.videos.part import VideoError, VideoPart

INTERLACED = {"options": {"x264-params": "tff=1"}}
ALIKE = {
    "ordinary.mp4": {},
    "full_range.mp4": {"pixel_format": "yuvj420p"},
    "turned.mp4": {"rotation": 90},
    "ten_bit.mp4": {"pixel_format": "yuv420p10le"},
    "full_colour.mp4": {"pixel_format": "yuv444p"},
    "interlaced.mp4": INTERLACED,
    "odd_sides.webm": {"codec": "libvpx-vp9"},
    "mpeg4.avi": {"codec": "mpeg4", "options": {"bf": "2"}},
}


def coloured_noise(count, width, height):
    random = np.random.default_rng(0)
    coarse = random.integers(0, 255, (height // 8 + 1, width // 8 + 1, 3), np.uint8)
    for number in range(count):
        picture = np.roll(coarse, number, axis=1).repeat(8, 0).repeat(8, 1)[:height, :width]
        yield picture // 2 + random.integers(0, 120, picture.shape, np.uint8)


@pytest.mark.parametrize("name", ALIKE)
def test_how_long_a_video_is_changes_no_pixel(tmp_path, name, monkeypatch):
    """decord reads no video that is too long for memory."""
    width, height = (131, 97) if "odd" in name else (128, 96)
    path = write_video(tmp_path / name, coloured_noise(12, width, height), **ALIKE[name])
    short = list(VideoFile(path).frames())
    monkeypatch.setattr(decord_frames, "_MAX_DECODED_BYTES", 0)
    assert VideoFile(path).properties.decoder == "pyav"
    np.testing.assert_array_equal(short, list(VideoFile(path).frames()))


@pytest.mark.parametrize(
    ("shape", "rotation", "size"),
    [
        ("4/3", 0, (171, 96)),
        ("4/3", 90, (96, 171)),
        ("1/2", 0, (64, 96)),
        ("404/405", 0, (128, 96)),
        ("64/63", 0, (128, 96)),
        ("16/15", 0, (137, 96)),
    ],
)
def test_pixels_become_square_by_the_width(tmp_path, shape, rotation, size):
    lying = [np.rot90(numbered_frame(n, 96, 128), -1) for n in range(10)]
    frames = lying if rotation else [numbered_frame(n) for n in range(10)]
    path = write_video(tmp_path / "v.mp4", frames, rotation=rotation, pixel_shape=shape)
    video = VideoFile(path)
    assert (video.properties.width, video.properties.height) == size
    numerator, denominator = map(int, shape.split("/"))
    assert ("scaled" in " ".join(video.properties.notes)) == (size not in {(128, 96)})
    assert video.properties.pixel_shape == pytest.approx(numerator / denominator)
    shown = list(video.frames())
    assert {frame.shape[1::-1] for frame in shown} == {size}
    assert [read_number(frame) for frame in shown] == list(range(10))
    part = RecordingPart(path, VideoPart(0.1, 0.2))
    np.testing.assert_array_equal(list(part.frames()), shown[2:6])


def test_pixels_so_wide_that_frames_are_too_large_are_refused(tmp_path):
    path = numbered_video(tmp_path / "v.mp4", 2, pixel_shape="50/1")
    with pytest.raises(VideoError, match="6400x96 pixels are over the limit"):
        VideoFile(path, max_pixels=500_000)


def test_interlaced_frames_stay_woven_as_stored(tmp_path):
    stripes = np.zeros((96, 128, 3), np.uint8)
    stripes[::2] = 255
    path = write_video(tmp_path / "v.mp4", [stripes] * 5, **INTERLACED)
    video = VideoFile(path)
    assert (video.properties.is_interlaced, video.properties.num_frames) == (True, 5)
    for frame in video.frames():
        assert frame[::2].mean() > 200
        assert frame[1::2].mean() < 50
    assert "interlaced" in " ".join(video.properties.notes)
    ordinary = VideoFile(numbered_video(tmp_path / "w.mp4", 2)).properties
    assert (ordinary.is_interlaced, ordinary.notes) == (False, ())
