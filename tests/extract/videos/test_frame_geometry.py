"""How frames are turned upright, made of square pixels, cropped and resized."""

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from video_files import numbered_frame, numbered_frames, numbered_video, read_number, write_video

from extract.videos import decord_frames
from extract.videos.frame import UPRIGHT, FrameFit, Orientation, Picture, orientation_of
from extract.videos.frame_folder import FrameFolder
from extract.videos.frame_source import CroppedFrames, RecordingPart, VideoFile
from extract.videos.part import Crop, VideoError, VideoPart
from extract.videos.pyav_file import Upright

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
    assert video.recording.picture.orientation.is_mirrored == (matrix in MIRRORED)
    part = RecordingPart(path, VideoPart(0.09, 0.2))
    np.testing.assert_array_equal(list(part.frames()), expected[2:6])


def test_decord_turns_but_does_not_mirror(tmp_path):
    decoders = {
        matrix: VideoFile(video_with(tmp_path, matrix), decoder="decord").properties.decoder
        for matrix in FILTERS
    }
    assert {matrix for matrix, decoder in decoders.items() if decoder == "pyav"} == set(MIRRORED)


def test_an_angle_between_is_left_to_the_nearest_orientation():
    slightly_left = struct.pack("=9i", 65000, -8000, 0, 8000, 65000, 0, 0, 0, 1 << 30)
    assert orientation_of(slightly_left) == Orientation()
    nearly_lying = struct.pack("=9i", 8000, -65000, 0, 65000, 8000, 0, 0, 0, 1 << 30)
    assert orientation_of(nearly_lying) == orientation_of(matrix_bytes(0, -1, 1, 0, "="))


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
    assert video.recording.picture.pixel_shape == pytest.approx(numerator / denominator)
    shown = list(video.frames())
    assert {frame.shape[1::-1] for frame in shown} == {size}
    assert [read_number(frame) for frame in shown] == list(range(10))
    part = RecordingPart(path, VideoPart(0.1, 0.2))
    np.testing.assert_array_equal(list(part.frames()), shown[2:6])


def test_pixels_so_wide_that_frames_are_too_large_are_refused(tmp_path):
    path = numbered_video(tmp_path / "v.mp4", 2, pixel_shape="50/1")
    with pytest.raises(VideoError, match="6400x96 pixels, over the limit"):
        VideoFile(path, max_pixels=500_000)


def test_interlaced_frames_stay_woven_as_stored(tmp_path):
    stripes = np.zeros((96, 128, 3), np.uint8)
    stripes[::2] = 255
    path = write_video(tmp_path / "v.mp4", [stripes] * 5, **INTERLACED)
    video = VideoFile(path)
    assert (video.recording.picture.is_interlaced, video.properties.num_frames) == (True, 5)
    for frame in video.frames():
        assert frame[::2].mean() > 200
        assert frame[1::2].mean() < 50
    assert "interlaced" in " ".join(video.properties.notes)
    ordinary = VideoFile(numbered_video(tmp_path / "w.mp4", 2))
    assert not ordinary.recording.picture.is_interlaced
    assert ordinary.properties.notes == ()


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


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        (640, 480, (341, 256)),
        (480, 640, (256, 341)),
        (210, 260, (256, 316)),
        (100, 100, (256, 256)),
    ],
)
def test_short_side_keeps_the_shape(width: int, height: int, expected: tuple[int, int]) -> None:
    assert FrameFit("short_side", 256).target_size(width, height) == expected


def test_squash_ignores_the_shape() -> None:
    assert FrameFit("squash", 256).target_size(210, 260) == (256, 256)


@pytest.mark.parametrize("mode", ["squash", "short_side"])
def test_a_resized_frame_stays_as_it_is(mode: str) -> None:
    fit = FrameFit(mode, 256)  # type: ignore[arg-type]
    once = fit.target_size(1919, 1077)
    assert fit.target_size(*once) == once


def test_an_empty_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="0x10"):
        FrameFit("squash", 256).target_size(0, 10)


@pytest.mark.parametrize("width", [64, 51])
def test_a_picture_that_lies_upside_down_in_memory_is_read_from_its_last_line(width: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (36, width, 3), np.uint8)
    # FFmpeg's filter turns a picture by giving its lines a negative size.
    graph = av.filter.Graph()
    source = graph.add_buffer(width=width, height=36, format="rgb24", time_base=Fraction(1, 25))
    graph.link_nodes(source, graph.add("vflip"), graph.add("buffersink")).configure()
    graph.push(av.VideoFrame.from_ndarray(pixels, "rgb24"))
    turned = graph.pull()
    assert turned.planes[0].line_size < 0
    picture = Picture(width, 36, Fraction(1), UPRIGHT, is_interlaced=False)
    np.testing.assert_array_equal(Upright(picture)(turned), pixels[::-1])
