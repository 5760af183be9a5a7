"""All eight orientations, held against the filters by which the ``ffmpeg`` command turns frames."""

import struct

import av
import numpy as np
import pytest
from shared_data import shared_path
from video_files import numbered_frames, write_video

from extract.videos.frame import Orientation, orientation_of
from extract.videos.frame_source import RecordingPart, VideoFile
from extract.videos.part import VideoPart

FILTERS = {  # a, b, c, d of the display matrix, and what ffmpeg's `-autorotate` inserts for it
    (1, 0, 0, 1): [],
    (-1, 0, 0, 1): [("hflip", "")],
    (1, 0, 0, -1): [("vflip", "")],
    (-1, 0, 0, -1): [("hflip", ""), ("vflip", "")],
    (0, 1, -1, 0): [("transpose", "clock")],
    (0, -1, 1, 0): [("transpose", "cclock")],
    (0, 1, 1, 0): [("transpose", "cclock_flip")],
    (0, -1, -1, 0): [("transpose", "clock_flip")],
}
MIRRORED = [matrix for matrix in FILTERS if matrix[0] * matrix[3] - matrix[1] * matrix[2] < 0]
SHOWN = {  # degrees counter-clockwise after mirroring
    (1, 0, 0, 1): 0,
    (-1, 0, 0, 1): 0,
    (1, 0, 0, -1): 180,
    (-1, 0, 0, -1): 180,
    (0, 1, -1, 0): 270,
    (0, -1, 1, 0): 90,
    (0, 1, 1, 0): 90,
    (0, -1, -1, 0): 270,
}


def matrix_bytes(a, b, c, d, order):
    return struct.pack(f"{order}9i", *(65536 * n for n in (a, b, 0, c, d, 0)), 0, 0, 1 << 30)


def video_with(tmp_path, matrix):
    """A video of 8 frames of noisy numbers whose track header has a display matrix."""
    noise = np.random.default_rng(0).integers(0, 60, (96, 128, 3), np.uint8)
    path = write_video(tmp_path / "v.mp4", [f // 2 + noise for f in numbered_frames(8)])
    content = bytearray(path.read_bytes())
    at = content.find(b"tkhd") + 44  # ISO/IEC 14496-12, 8.3.2, version 0
    content[at : at + 36] = matrix_bytes(*matrix, ">")
    path.write_bytes(content)
    return path


def ffmpeg_frames(path, filters):
    graph = av.filter.Graph()
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        chain = [graph.add_buffer(template=stream)]
        chain += [graph.add(name, arguments or None) for name, arguments in filters]
        chain += [graph.add("buffersink")]
        graph.link_nodes(*chain).configure()
        for frame in container.decode(stream):
            graph.push(frame)
            yield graph.pull().to_ndarray(format="rgb24")


@pytest.mark.parametrize("matrix", FILTERS)
def test_frames_are_shown_as_ffmpeg_shows_them(tmp_path, matrix):
    path = video_with(tmp_path, matrix)
    video, expected = VideoFile(path), list(ffmpeg_frames(path, FILTERS[matrix]))
    np.testing.assert_array_equal(list(video.frames()), expected)
    properties = video.properties
    assert (properties.height, properties.width) == expected[0].shape[:2]
    assert (properties.rotation, properties.is_mirrored) == (SHOWN[matrix], matrix in MIRRORED)
    part = RecordingPart(path, VideoPart(0.09, 0.2))
    np.testing.assert_array_equal(list(part.frames()), expected[2:6])


def test_decord_turns_but_does_not_mirror(tmp_path):
    decoders = {
        matrix: VideoFile(video_with(tmp_path, matrix)).properties.decoder for matrix in FILTERS
    }
    assert {matrix for matrix, decoder in decoders.items() if decoder == "pyav"} == set(MIRRORED)


def test_an_angle_between_is_left_to_the_nearest_orientation():
    slightly_left = struct.pack("=9i", 65000, -8000, 0, 8000, 65000, 0, 0, 0, 1 << 30)
    assert orientation_of(slightly_left) == Orientation()
    nearly_lying = struct.pack("=9i", 8000, -65000, 0, 65000, 8000, 0, 0, 0, 1 << 30)
    assert orientation_of(nearly_lying) == orientation_of(matrix_bytes(0, -1, 1, 0, "="))


@pytest.mark.shared
def test_a_selfie_is_mirrored_as_in_the_picture_that_ffmpeg_made():
    folder = shared_path("faults/videos")
    first = next(VideoFile(folder / "hflip.mp4").frames())
    with av.open(str(folder / "hflip.first-frame.png")) as picture:
        expected = next(picture.decode(video=0)).to_ndarray(format="rgb24")
    assert abs(first.astype(int) - expected).max() <= 2
