"""Parts are, to the bit, what decoding everything in order gives."""

import math
import os

import numpy as np
import pytest
from shared_data import shared_path
from video_damage import cut_off, show_only
from video_files import numbered_frame, numbered_video, read_number, write_video

from extract.videos import recording as module
from extract.videos.frame_source import RecordingPart, VideoFile
from extract.videos.part import MAX_PIXELS, VideoError, VideoPart
from extract.videos.recording import Recording, open_recording

NUM_FRAMES = 100
OPEN_GROUPS = "keyint=24:open-gop=1:bframes=4:scenecut=0"
HEVC = {"codec": "libx265", "options": {"x265-params": f"log-level=none:{OPEN_GROUPS}"}}

SOUGHT = {
    "b_frames.mp4": {"options": {"g": "24", "bf": "3"}},
    "open_groups.mp4": {"options": {"x264-params": f"{OPEN_GROUPS}:b-pyramid=normal:ref=5"}},
    "open_groups.mkv": {"options": {"x264-params": f"{OPEN_GROUPS}:b-pyramid=normal:ref=5"}},
    "short_groups.mp4": {"options": {"x264-params": "keyint=3:min-keyint=1:open-gop=1:bframes=2"}},
    "fragmented.mp4": {
        "options": {"g": "24"},
        "container_options": {"movflags": "frag_keyframe+empty_moov"},
    },
    "varying_rate.mp4": {
        "options": {"g": "24"},
        "fps": 50,
        "times": [2 * number + (number % 3 == 0) for number in range(NUM_FRAMES)],
    },
    "turned.mp4": {"options": {"g": "24"}, "rotation": 90},
    "hevc.mp4": HEVC,
    "vp8.webm": {"codec": "libvpx", "options": {"g": "24", "b": "1M", "auto-alt-ref": "1"}},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"g": "24", "cpu-used": "8"}},
}

IN_ORDER = {
    "transport.ts": {"options": {"g": "24"}},
    "mpeg4.avi": {"codec": "mpeg4", "options": {"g": "24", "bf": "2"}},
    "gradual_refresh.mp4": {"options": {"x264-params": "intra-refresh=1:keyint=24"}},
}

BEGINNINGS = (0, 1, 20, 23, 24, 25, 26, 40, 47, 48, 49, 71, 72, 90, NUM_FRAMES - 4)


def restless_frames():
    """Noise that moves, so that a frame made from a wrong one is never equal by chance."""
    random = np.random.default_rng(0)
    noise = random.integers(0, 60, (96, 128, 3), np.uint8)
    for number in range(NUM_FRAMES):
        grain = random.integers(0, 20, noise.shape, np.uint8)
        yield np.roll(numbered_frame(number) // 2 + noise + grain, number, axis=1)


@pytest.fixture
def in_order(monkeypatch):
    """Records from which frame on a part was decoded in order."""
    skips = []

    frames = Recording.frames

    def recorded(recording, *, skip, **how):
        # A part that begins with the recording has nothing before it.
        if skip:
            skips.append(skip)
        return frames(recording, skip=skip, **how)

    monkeypatch.setattr(Recording, "frames", recorded)
    return skips


def part_of(path, first, count):
    """The part of ``count`` frames from number ``first`` on."""
    edges = open_recording(path, MAX_PIXELS).times.edges
    return RecordingPart(path, VideoPart(edges[first] + 0.002, edges[first + count - 1] - 0.002))


def all_frames(path):
    """Those that decoding from the beginning gives, beside the recordings that are remembered."""
    return [frame.copy() for frame in VideoFile(path).frames()]


def check_all_parts(path):
    slow = all_frames(path)
    assert len(slow) == NUM_FRAMES
    for first in BEGINNINGS:
        part = part_of(path, first, 4)
        properties = part.properties
        assert (properties.num_frames, properties.height) == (4, slow[0].shape[0])
        assert properties.duration == pytest.approx(4 / properties.fps)
        frames = list(part.frames())
        np.testing.assert_array_equal(frames, slow[first : first + 4], err_msg=f"from {first}")


@pytest.mark.parametrize("name", SOUGHT)
def test_parts_are_found_without_decoding_all_before_them(tmp_path, name, in_order):
    check_all_parts(write_video(tmp_path / name, restless_frames(), **SOUGHT[name]))
    assert in_order == []


@pytest.mark.parametrize("name", IN_ORDER)
def test_files_that_cannot_be_sought_in_are_decoded_in_order(tmp_path, name, in_order):
    check_all_parts(write_video(tmp_path / name, restless_frames(), **IN_ORDER[name]))
    assert in_order


def test_an_edit_list_numbers_the_frames_that_it_shows(tmp_path):
    path = show_only(numbered_video(tmp_path / "v.mp4", 70, options={"g": "10"}), 20, 30, fps=25)
    frames = RecordingPart(path, VideoPart(0.2, 0.4)).frames()
    assert [read_number(frame) for frame in frames] == list(range(25, 31))


SLOW_THEN_FAST = [*range(0, 250, 10), *range(250, 300, 2)]  # hundredths: 10, then 50 a second
BEGINS_LATE = [1000 + time for time in SLOW_THEN_FAST]


@pytest.mark.parametrize("times", [SLOW_THEN_FAST, BEGINS_LATE], ids=["at once", "late"])
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "flv"])
def test_parts_are_cut_by_the_times_of_the_frames(tmp_path, suffix, times):
    path = numbered_video(tmp_path / f"v.{suffix}", 50, fps=100, times=times, options={"g": "10"})
    cuts = {
        VideoPart(2.5, 3.0): range(25, 50),
        VideoPart(1.0, 1.5): range(10, 16),
        VideoPart(1.05, 1.45): range(10, 16),  # from the frame on show to the first at its end
        VideoPart(2.4, 2.54): range(24, 28),
        VideoPart(2.9): range(45, 50),
    }
    for part, numbers in cuts.items():
        recording = RecordingPart(path, part)
        assert [read_number(frame) for frame in recording.frames()] == list(numbers)
        assert recording.properties.num_frames == len(numbers)
    assert RecordingPart(path, VideoPart(1.0, 1.5)).properties.fps == pytest.approx(10)
    assert RecordingPart(path, VideoPart(2.6, 2.9)).properties.fps == pytest.approx(50)
    with pytest.raises(VideoError, match=r"begins at 3\.1 s"):
        RecordingPart(path, VideoPart(3.1, 4.0))


def test_a_rate_that_matroska_states_is_not_believed(tmp_path):
    path = numbered_video(tmp_path / "v.webm", 20, fps=30, codec="libvpx", times=range(0, 40, 2))
    properties = VideoFile(path).properties
    assert properties.fps == pytest.approx(15, rel=0.01)
    assert properties.duration == pytest.approx(20 / 15, rel=0.01)
    part = RecordingPart(path, VideoPart(0.6, 1.0))
    assert [read_number(frame) for frame in part.frames()] == list(range(9, 16))


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("fps", [24, 25, 30, 50])
def test_at_an_even_rate_parts_are_those_of_the_published_clips(tmp_path, fps, suffix):
    """floor(start fps) to ceil(end fps), whatever a container rounds times to."""
    path = numbered_video(tmp_path / f"v.{suffix}", 40, fps=fps)
    recording = open_recording(path, MAX_PIXELS)
    assert (recording.times.fps, recording.times.duration) == (fps, 40 / fps)
    for first, last in [(0, 5), (7, 19), (13, 22), (30, 38)]:
        for shift in (-0.0001, 0.0, 0.0001):
            start, end = max(0.0, first / fps + shift), last / fps + shift
            expected = range(math.floor(start * fps), math.ceil(end * fps) + 1)
            assert recording.frames_of(VideoPart(start, end)) == expected


def test_decodes_from_the_keyframe_to_the_last_frame_and_no_more(tmp_path):
    path = numbered_video(tmp_path / "v.mp4", 100, options={"g": "10"})
    signs = []
    frames = list(part_of(path, 85, 5).frames(lambda: signs.append(1)))
    assert [read_number(frame) for frame in frames] == [85, 86, 87, 88, 89]
    assert len(signs) <= 15


def test_a_part_may_be_read_twice_and_only_in_part(tmp_path):
    part = part_of(numbered_video(tmp_path / "v.mp4", 30, options={"g": "10"}), 12, 6)
    assert read_number(next(iter(part.frames()))) == 12
    assert [read_number(frame) for frame in part.frames()] == list(range(12, 18))


@pytest.mark.parametrize("number", [13, 15, 18, 24])
def test_from_a_frame_that_does_not_come_at_its_time_decodes_in_order(tmp_path, in_order, number):
    path = numbered_video(tmp_path / "v.mp4", 60, options={"g": "10"})
    part = part_of(path, 15, 10)
    open_recording(path, MAX_PIXELS).times.shown[number] += 1
    assert [read_number(frame) for frame in part.frames()] == list(range(15, 25))
    assert in_order == [max(15, number)]


def test_a_part_keeps_the_size_that_the_recording_begins_with(tmp_path):
    """Browsers change the size on the way; decoding in order scales back."""
    small = write_video(tmp_path / "small.ts", [numbered_frame(n) for n in range(10)])
    large = write_video(tmp_path / "large.ts", [numbered_frame(n, 256, 192) for n in range(10, 20)])
    path = tmp_path / "v.ts"
    path.write_bytes(small.read_bytes() + large.read_bytes())
    frames = list(part_of(path, 12, 5).frames())
    assert {frame.shape for frame in frames} == {(96, 128, 3)}
    assert [read_number(frame) for frame in frames] == list(range(12, 17))


def damaged_at(path, number):
    """Overwrites the data of one frame of a video whose frames are stored in order."""
    import av

    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    content = bytearray(path.read_bytes())
    begin = packets[number].pos + 8
    content[begin : packets[number].pos + packets[number].size] = bytes(packets[number].size - 8)
    path.write_bytes(content)
    return path


def test_damage_that_only_decoding_shows_costs_the_parts_that_have_it(tmp_path):
    path = write_video(tmp_path / "v.mp4", restless_frames(), options={"g": "10", "bf": "0"})
    slow = all_frames(path)
    damaged_at(path, 34)
    for first in (10, 26, 40, 90):
        np.testing.assert_array_equal(list(part_of(path, first, 4).frames()), slow[first:][:4])
    with pytest.raises(VideoError, match="damaged: "):
        list(part_of(path, 32, 5).frames())


@pytest.mark.shared
@pytest.mark.parametrize(
    "name",
    ["rotated-by-metadata.mp4", "variable-frame-rate.mp4", "edit-list.mp4", "hevc.mp4", "vp9.webm"],
)
def test_parts_of_real_files_are_what_decoding_in_order_gives(name):
    path = shared_path("realsigns/odd") / name
    slow = all_frames(path)
    for first in range(0, len(slow) - 4, 13):
        frames = list(part_of(path, first, 4).frames())
        np.testing.assert_array_equal(frames, slow[first : first + 4], err_msg=f"from {first}")


EARLY_INDEX = {"movflags": "faststart"}


@pytest.fixture
def reads(monkeypatch):
    """Counts how often a file's packets are read."""
    read, paths = module.read_packets, []

    def counted(path, *args, **kwargs):
        paths.append(path.name)
        return read(path, *args, **kwargs)

    monkeypatch.setattr(module, "read_packets", counted)
    return paths


def test_packets_are_read_once_until_the_file_changes(tmp_path, reads):
    path = numbered_video(tmp_path / "v.mp4", 20)
    assert open_recording(path, MAX_PIXELS) is open_recording(path, MAX_PIXELS)
    assert reads == ["v.mp4"]
    numbered_video(path, 30)
    assert open_recording(path, MAX_PIXELS).times.num_frames == 30
    os.utime(path, ns=(0, 0))
    open_recording(path, MAX_PIXELS)
    assert reads == ["v.mp4"] * 3


def test_a_smaller_limit_of_pixels_is_heeded(tmp_path):
    path = numbered_video(tmp_path / "v.mp4", 5)
    open_recording(path, MAX_PIXELS)
    with pytest.raises(VideoError, match="over the limit of 100 pixels"):
        open_recording(path, 100)


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(VideoError, match="does not exist"):
        open_recording(tmp_path / "v.mp4", MAX_PIXELS)


@pytest.mark.parametrize("name", ["v.mp4", "v.mkv"])
def test_what_is_cut_off_costs_the_parts_beyond_only(tmp_path, name):
    how = {"container_options": EARLY_INDEX} if name == "v.mp4" else {}
    path = cut_off(numbered_video(tmp_path / name, 150, options={"g": "30"}, **how), 0.6)
    recording = open_recording(path, MAX_PIXELS)
    num_sure = recording.times.num_sure
    assert 40 < num_sure < 120
    assert recording.frames_of(VideoPart(1.0, 1.4)) == range(25, 36)
    last_whole = VideoPart(1.0, (num_sure - 1.5) / 25)
    assert recording.frames_of(last_whole) == range(25, num_sure)
    for beyond in (VideoPart(1.0, num_sure / 25), VideoPart(5.0, 6.0), VideoPart(1.0)):
        with pytest.raises(VideoError, match="cut off"):
            recording.frames_of(beyond)


def test_a_damaged_file_that_must_be_read_in_order_costs_all_its_parts(tmp_path):
    path = numbered_video(tmp_path / "v.avi", 60, codec="mpeg4", options={"g": "10"})
    cut_off(path, 0.6)
    recording = open_recording(path, MAX_PIXELS)
    with pytest.raises(VideoError, match="cut off or damaged after"):
        recording.frames_of(VideoPart(0.0, 0.4))
