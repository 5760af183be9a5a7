"""A video file gives every frame once and in order, or says how far it can be read."""

import subprocess
import sys
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from video_damage import blank, copy_packets, hide_vp8_frame, show_only
from video_files import numbered_frame, numbered_frames, numbered_video, read_number, write_video

from extract.videos import frame_source, pyav_file
from extract.videos.decord_frames import DecordGaveUpError, decord_frames, suits
from extract.videos.frame import Orientation
from extract.videos.frame_source import VideoFile
from extract.videos.packet_count import PacketCount
from extract.videos.part import MAX_PIXELS, VideoError
from extract.videos.recording import read_recording

QUIET_X265 = {"x265-params": "log-level=none"}

KINDS = {
    "h264.mp4": ("decord", {}),
    "without_b_frames.mp4": ("decord", {"options": {"bf": "0"}}),
    "fragmented.mp4": ("decord", {"container_options": {"movflags": "frag_keyframe+empty_moov"}}),
    "ten_bit.mp4": ("pyav", {"pixel_format": "yuv420p10le"}),
    "full_colour.mp4": ("pyav", {"pixel_format": "yuv444p"}),
    "interlaced.mp4": ("pyav", {"options": {"x264-params": "tff=1"}}),
    "h264.mkv": ("decord", {}),
    "mpeg4.avi": ("decord", {"codec": "mpeg4", "options": {"bf": "2"}}),
    "motion_jpeg.avi": ("decord", {"codec": "mjpeg", "pixel_format": "yuvj420p"}),
    "vp8.webm": ("decord", {"codec": "libvpx", "options": {"b": "1M"}}),
    "vp9.webm": ("decord", {"codec": "libvpx-vp9"}),
    "hevc.mp4": ("decord", {"codec": "libx265", "options": QUIET_X265}),
    "transport.ts": ("pyav", {}),
    "flash.flv": ("pyav", {}),
    "mpeg2.mpg": ("pyav", {"codec": "mpeg2video"}),
    "animation.gif": ("pyav", {"codec": "gif", "pixel_format": "rgb8"}),
}


def numbers(path, decoder="pyav"):
    return [read_number(frame) for frame in VideoFile(path, decoder=decoder).frames()]


@pytest.mark.parametrize("name", KINDS)
def test_every_frame_once_and_in_order(tmp_path, name):
    decoder, how = KINDS[name]
    path = numbered_video(tmp_path / name, 70, **how)
    assert numbers(path) == numbers(path, "decord") == list(range(70))
    properties = VideoFile(path, decoder="decord").properties
    assert (properties.num_frames, properties.fps, properties.decoder) == (70, 25.0, decoder)
    assert VideoFile(path).properties == replace(properties, decoder="pyav")


@pytest.mark.parametrize("decoder", ["pyav", "decord"])
def test_may_be_read_twice(tmp_path, decoder):
    video = VideoFile(numbered_video(tmp_path / "v.mp4", 5), decoder=decoder)
    assert [read_number(f) for f in video.frames()] == [read_number(f) for f in video.frames()]


def test_a_file_is_opened_once_unless_its_packets_are_too_large(tmp_path, monkeypatch):
    path = numbered_video(tmp_path / "v.mp4", 40)
    opened = []
    open_file = pyav_file.av.open
    monkeypatch.setattr(
        pyav_file.av, "open", lambda *given, **named: opened.append(1) or open_file(*given, **named)
    )
    assert numbers(path) == list(range(40))
    assert len(opened) == 1
    monkeypatch.setattr(frame_source, "KeptPackets", lambda: pyav_file.KeptPackets(1000))
    assert numbers(path) == list(range(40))
    assert len(opened) == 3  # to count, then to decode


@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_rotation_is_applied_once(tmp_path, suffix, rotation):
    lying = [np.rot90(frame, -rotation // 90) for frame in numbered_frames(5)]
    path = write_video(tmp_path / f"v.{suffix}", lying, rotation=rotation)
    properties = VideoFile(path).properties
    assert (properties.width, properties.height) == (128, 96)
    assert numbers(path) == list(range(5))


def test_a_varying_frame_rate_loses_no_frame(tmp_path):
    times = [0, 1, 2, 10, 11, 40, 41]
    assert numbers(numbered_video(tmp_path / "v.mp4", 7, times=times)) == list(range(7))


def test_one_frame_is_a_video(tmp_path):
    assert numbers(numbered_video(tmp_path / "v.mp4", 1)) == [0]


@pytest.mark.parametrize("count", [2, 30])
def test_a_still_video_keeps_all_its_equal_frames(tmp_path, count):
    path = write_video(tmp_path / "v.mp4", [numbered_frame(7)] * count)
    frames = list(VideoFile(path).frames())
    assert [read_number(frame) for frame in frames] == [7] * count


def test_pauses_are_kept_in_the_middle_and_at_the_end(tmp_path):
    shown = [0, 1, 1, 1, 1, 2, 3, 3, 3]
    path = write_video(tmp_path / "v.mp4", [numbered_frame(number) for number in shown])
    assert numbers(path) == shown


@pytest.mark.parametrize(("first", "count"), [(0, 35), (20, 30), (33, 9), (5, 65)])
def test_an_edit_list_shows_its_frames_only(tmp_path, first, count):
    path = numbered_video(tmp_path / "v.mp4", 70, options={"g": "10"})
    assert numbers(show_only(path, first, count, fps=25)) == list(range(first, first + count))


def hide_every(step, tmp_path):
    shown = numbered_video(tmp_path / "v.webm", 40, codec="libvpx", options={"b": "1M"})
    return copy_packets(
        shown,
        tmp_path / "hidden.webm",
        lambda number, content: hide_vp8_frame(content) if number % step == 5 else content,
    )


def test_what_is_only_referred_to_is_no_frame(tmp_path):
    expected = [number for number in range(40) if number % 10 != 5]
    assert numbers(hide_every(10, tmp_path)) == expected


def test_copies_that_decord_fills_up_with_are_never_handed_out(tmp_path, monkeypatch):
    path = hide_every(20, tmp_path)
    monkeypatch.setattr(PacketCount, "_is_only_reference", lambda *_: False)
    assert VideoFile(path).properties.num_frames == 40  # two too many, as a container may claim
    decord_numbers = [read_number(frame) for frame in decord_frames(path, 40, (128, 96))]
    assert decord_numbers[-3:] == [39, 39, 39]
    assert numbers(path, "decord") == [number for number in range(40) if number % 20 != 5]


def test_more_than_a_few_missing_frames_are_a_failure(tmp_path, monkeypatch):
    path = hide_every(10, tmp_path)
    monkeypatch.setattr(PacketCount, "_is_only_reference", lambda *_: False)
    with pytest.raises(VideoError, match="only 36 of 40 frames"):
        numbers(path)


def test_a_change_of_size_on_the_way_keeps_the_first_size(tmp_path):
    small = write_video(tmp_path / "small.ts", numbered_frames(10))
    large = write_video(tmp_path / "large.ts", [numbered_frame(n, 256, 192) for n in range(10, 20)])
    path = tmp_path / "v.ts"
    path.write_bytes(small.read_bytes() + large.read_bytes())
    frames = list(VideoFile(path).frames())
    assert {frame.shape for frame in frames} == {(96, 128, 3)}
    assert [read_number(frame) for frame in frames] == list(range(20))


def test_damage_says_how_far_the_video_can_be_read(tmp_path):
    path = blank(numbered_video(tmp_path / "v.mp4", 100, options={"bf": "0"}), 0.5, 400)
    seen = []
    with pytest.raises(VideoError, match=r"damaged: .*frame \d+ of 100") as failure:
        seen.extend(read_number(frame) for frame in VideoFile(path).frames())
    reached = int(failure.value.reason.split("frame ")[1].split()[0])
    assert 20 < reached < 90
    assert seen == list(range(len(seen)))
    assert len(seen) <= reached


def test_signs_of_life_come_with_every_frame(tmp_path):
    path = write_video(tmp_path / "v.mp4", [numbered_frame(0)] * 30)
    signs = []
    for _ in VideoFile(path).frames(lambda: signs.append(1)):
        assert signs
    assert len(signs) >= 30


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
        assert VideoFile(path, decoder="decord").properties.decoder == decoder


def test_leaves_opencv_able_to_write_pictures(tmp_path):
    program = (
        "import sys, extract.videos.decord_frames, cv2, numpy\n"
        "cv2.imwrite(sys.argv[1], numpy.zeros((400, 1280, 3), numpy.uint8))\n"
        "assert cv2.imread(sys.argv[1]) is not None\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "a.png")], check=True)


def frames(path, skip=0):
    return list(read_recording(path, MAX_PIXELS).frames(skip=skip))


def test_can_begin_anywhere(tmp_path):
    path = numbered_video(tmp_path / "v.mp4", 20)
    assert [read_number(frame) for frame in frames(path, 12)] == list(range(12, 20))
    assert frames(path, 20) == []


def test_frames_are_whole_or_the_video_has_failed(tmp_path):
    path = blank(numbered_video(tmp_path / "v.avi", 60, codec="mpeg4"), 0.5, 60)
    with pytest.raises(VideoError, match=r"frame \d+ of 60"):
        frames(path)
