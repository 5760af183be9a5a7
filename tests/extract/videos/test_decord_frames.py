import subprocess
import sys
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from video_files import numbered_video, read_number

from extract.videos.decord_frames import DecordGaveUpError, decord_frames, suits
from extract.videos.frame import Orientation
from extract.videos.frame_source import VideoFile
from extract.videos.part import MAX_PIXELS
from extract.videos.recording import read_recording


def test_gives_the_first_frames_in_order(tmp_path):
    path = numbered_video(tmp_path / "v.mp4", 20)
    assert [read_number(frame) for frame in decord_frames(path, 12, (128, 96))] == list(range(12))


def test_gives_up_where_it_cannot_read(tmp_path):
    path = tmp_path / "v.mp4"
    path.write_bytes(b"no video")
    with pytest.raises(DecordGaveUpError):
        list(decord_frames(path, 1, (128, 96)))


def test_gives_up_when_there_are_too_few_frames(tmp_path):
    with pytest.raises(DecordGaveUpError):
        list(decord_frames(numbered_video(tmp_path / "v.mp4", 20), 21, (128, 96)))


def test_gives_up_when_the_first_frame_has_another_size(tmp_path):
    with pytest.raises(DecordGaveUpError, match="128x96"):
        next(decord_frames(numbered_video(tmp_path / "v.mp4", 20), 20, (96, 128)))


@pytest.fixture
def suits_with(tmp_path):
    """Whether decord suits an ordinary video after something about it was changed."""
    recording = read_recording(numbered_video(tmp_path / "v.mp4", 5), MAX_PIXELS)

    def suits_with(part="facts", **changes):
        parts = {name: getattr(recording, name) for name in ("facts", "picture", "times")}
        return suits(**{**parts, part: replace(parts[part], **changes)})

    return suits_with


MATROSKA = {"format_name": "matroska,webm"}
TURNED = {"orientation": Orientation(is_transposed=True, reverses_rows=True)}


def test_reads_only_what_suits_it(suits_with):
    assert suits_with()
    assert suits_with(**MATROSKA)
    assert not suits_with(codec="av1")
    assert not suits_with(format_name="mpegts")
    assert not suits_with(num_video_streams=2)
    assert not suits_with("times", every_packet_is_a_frame=False)


def test_reads_only_pictures_that_it_gives_as_pyav_does(suits_with):
    assert suits_with(pixel_format="yuvj420p")
    assert not suits_with(pixel_format="yuv420p10le")
    assert not suits_with(pixel_format="yuv444p")
    assert not suits_with("picture", is_interlaced=True)
    assert suits_with("picture", pixel_shape=Fraction(404, 405))
    assert not suits_with("picture", pixel_shape=Fraction(4, 3))
    assert not suits_with("picture", width=129)
    assert not suits_with("picture", height=97)
    assert suits_with("picture", **TURNED)
    assert not suits_with("picture", orientation=Orientation(reverses_columns=True))


def test_takes_bounded_memory(suits_with):
    assert suits_with("times", shown=np.arange(7000))
    assert not suits_with("times", shown=np.arange(8000))  # 128x96 pixels each: over 256 MB


def test_turns_only_what_is_in_a_format_whose_rotation_it_heeds(tmp_path):
    for name, decoder in (("v.mp4", "decord"), ("v.mkv", "pyav")):
        path = numbered_video(tmp_path / name, 2, rotation=90)
        assert VideoFile(path).properties.decoder == decoder


def test_leaves_opencv_able_to_write_pictures(tmp_path):
    program = (
        "import sys, extract.videos.decord_frames, cv2, numpy\n"
        "cv2.imwrite(sys.argv[1], numpy.zeros((400, 1280, 3), numpy.uint8))\n"
        "assert cv2.imread(sys.argv[1]) is not None\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "a.png")], check=True)
