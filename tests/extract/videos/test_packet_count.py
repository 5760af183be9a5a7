"""Packets are not frames: what a decoder may rightly leave out is no damage."""

import re
import struct
from fractions import Fraction

import av
import pytest
from field_pictures import write_field_pictures
from shared_data import shared_path
from video_damage import blank, claim_frames, copy_packets, cut_off, hide_vp8_frame, show_only
from video_files import numbered_video, read_number

from extract.videos.frame_source import RecordingPart, VideoFile
from extract.videos.packet_count import PacketCount
from extract.videos.part import VideoError, VideoPart
from extract.videos.pyav_file import open_container

SHORT_GROUPS = {"g": "10"}


def count(path):
    with open_container(path) as (container, stream):
        return PacketCount.of(container, stream)


@pytest.mark.parametrize("name", ["v.mp4", "v.mkv", "v.avi", "v.ts", "v.flv"])
def test_a_whole_file_has_all_frames_and_no_damage(tmp_path, name):
    packets = count(numbered_video(tmp_path / name, 40))
    assert (packets.num_frames, packets.num_hidden, packets.damage()) == (40, 0, None)


def test_frames_that_an_edit_list_hides_do_not_count(tmp_path):
    path = numbered_video(tmp_path / "v.mp4", 60, options=SHORT_GROUPS)
    packets = count(show_only(path, 15, 20, fps=25))
    assert packets.num_frames == 20
    assert packets.num_hidden > 0
    assert packets.damage() is None


def test_references_that_are_never_shown_do_not_count(tmp_path):
    shown = numbered_video(tmp_path / "v.webm", 40, codec="libvpx", options={"b": "1M"})
    path = copy_packets(
        shown,
        tmp_path / "hidden.webm",
        lambda number, content: hide_vp8_frame(content) if number % 10 == 5 else content,
    )
    assert count(path).num_frames == 36


def test_frames_before_the_first_keyframe_do_not_count(tmp_path):
    whole = numbered_video(tmp_path / "v.mkv", 60, options={**SHORT_GROUPS, "bf": "0"})
    path = copy_packets(whole, tmp_path / "late.mkv", lambda n, content: content if n > 3 else None)
    with av.open(str(path)) as container:
        num_decoded = sum(1 for _ in container.decode(video=0))
    assert num_decoded < 56
    assert count(path).num_frames == num_decoded


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("v.mkv", r"after \d+ frames \(File ended prematurely\)"),
        ("v.avi", r"after \d+ of 60 frames"),
        ("v.flv", r"after \d+ frames"),
        ("v.mp4", r"after \d+ of 60 frames"),
    ],
)
def test_a_file_that_is_cut_off_is_found_out(tmp_path, name, message):
    options = {"movflags": "faststart"} if name == "v.mp4" else {}
    path = numbered_video(tmp_path / name, 60, container_options=options)
    packets = count(cut_off(path, 0.7))
    assert re.search(message, packets.damage())
    assert 0 < packets.num_packets < 60


def test_a_clean_cut_shows_in_the_stated_duration(tmp_path):
    path = numbered_video(tmp_path / "v.mkv", 60)
    kept = copy_packets(path, tmp_path / "w.mkv", lambda n, content: content if n < 40 else None)
    content = kept.read_bytes()
    stated = struct.pack(">d", count(path).stated_end * 1000)
    at = content.find(b"\x44\x89\x88") + 3  # the duration of a Matroska segment, in ms
    kept.write_bytes(content[:at] + stated + content[at + 8 :])
    assert "cut off after 40 frames" in count(kept).damage()


def test_damage_that_the_demuxer_skips_is_found_out(tmp_path):
    path = blank(numbered_video(tmp_path / "v.mkv", 60), 0.5, 3000)
    assert "damaged after" in count(path).damage()


@pytest.mark.parametrize(("claimed", "is_whole"), [(62, True), (63, False), (58, True)])
def test_a_container_may_overstate_its_length_a_little(tmp_path, claimed, is_whole):
    path = claim_frames(numbered_video(tmp_path / "v.avi", 60, codec="mpeg4"), claimed)
    packets = count(path)
    assert packets.num_frames == 60
    assert (packets.damage() is None) == is_whole


def test_a_held_last_frame_is_no_missing_end(tmp_path):
    path = numbered_video(tmp_path / "v.mkv", 5, times=[0, 1, 2, 50, 100])
    assert count(path).damage() is None


def test_leaves_the_logging_of_others_as_it_was(tmp_path):
    before = av.logging.get_level(), av.logging.get_skip_repeated()
    count(numbered_video(tmp_path / "v.mp4", 3))
    assert (av.logging.get_level(), av.logging.get_skip_repeated()) == before


OPEN_GROUPS = "keyint=24:open-gop=1:bframes=4:scenecut=0"
QUIET_X265 = {"x265-params": f"log-level=none:{OPEN_GROUPS}"}


def check(path):
    """The numbers of a video's frames, all of which were expected; as many as FFmpeg gives."""
    video = VideoFile(path)
    numbers = [read_number(frame) for frame in video.frames()]
    with av.open(str(path)) as container:
        assert len(numbers) == sum(1 for _ in container.decode(video=0))
    assert video.properties.num_frames == len(numbers)
    return numbers


def stored_keyframes(path):
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    return [index for index, packet in enumerate(packets) if packet.is_keyframe]


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "ts"])
@pytest.mark.parametrize(
    "how",
    [
        {"options": {"x264-params": OPEN_GROUPS}},
        {"codec": "libx265", "options": QUIET_X265},
        {"codec": "mpeg2video", "options": {"g": "12", "bf": "2"}},
    ],
    ids=["h264", "hevc", "mpeg2"],
)
def test_a_cut_at_an_open_group_leaves_out_its_leading_pictures(tmp_path, how, suffix):
    whole = numbered_video(tmp_path / f"whole.{suffix}", 100, **how)
    second = stored_keyframes(whole)[1]
    path = copy_packets(
        whole, tmp_path / f"cut.{suffix}", lambda n, content: content if n >= second else None
    )
    numbers = check(path)
    assert numbers == list(range(numbers[0], 100))
    assert 0 < second < numbers[0]  # leading pictures of lower numbers are stored after it


def test_a_transport_stream_may_begin_anywhere(tmp_path):
    groups = "keyint=20:scenecut=0:bframes=3"
    path = numbered_video(tmp_path / "v.ts", 100, options={"x264-params": groups})
    content = path.read_bytes()
    for part in (0.1, 0.3, 0.5):
        path.write_bytes(content[int(part * len(content) / 188) * 188 :])
        numbers = check(path)
        assert numbers == list(range(numbers[0], 100))
        assert numbers[0] % 20 == 0


def as_recorded(raw, path):
    """Puts a raw stream of fields into a container, fifty fields a second."""
    with av.open(str(raw)) as old, av.open(str(path), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for number, packet in enumerate(p for p in old.demux(video=0) if p.size):
            packet.pts, packet.dts, packet.duration = number, number, 1
            packet.time_base, packet.stream = Fraction(1, 50), stream
            new.mux(packet)
    return path


@pytest.mark.parametrize("suffix", ["h264", "ts", "mkv", "mp4"])
def test_two_field_pictures_are_one_frame(tmp_path, suffix):
    greys = range(40, 100)
    path = write_field_pictures(tmp_path / "v.h264", greys)
    if suffix != "h264":
        path = as_recorded(path, tmp_path / f"v.{suffix}")
    video = VideoFile(path)
    properties = video.properties
    assert (properties.num_frames, properties.fps, properties.duration) == (60, 25.0, 2.4)
    assert video.recording.picture.is_interlaced
    shown = [frame.mean() for frame in video.frames()]
    assert shown == pytest.approx([(grey - 16) * 255 / 219 for grey in greys], abs=1.5)
    part = RecordingPart(path, VideoPart(1.0, 1.2))
    assert [frame.mean() for frame in part.frames()] == shown[25:31]


def test_dropped_frames_of_an_avi_file_are_no_frames(tmp_path):
    times = [*range(10), *range(21, 60)]
    path = numbered_video(tmp_path / "v.avi", 49, codec="mpeg4", times=times)
    with av.open(str(path)) as container:
        assert container.streams.video[0].frames == 60
    assert check(path) == list(range(49))
    properties = VideoFile(path).properties
    assert (properties.duration, properties.fps) == (pytest.approx(2.4), pytest.approx(49 / 2.4))
    with pytest.raises(VideoError, match="cut off or damaged"):
        VideoFile(cut_off(path, 0.7))


def test_empty_samples_of_an_mp4_file_are_no_frames(tmp_path):
    path = numbered_video(tmp_path / "v.mp4", 30, options={"bf": "0"})
    content = bytearray(path.read_bytes())
    sizes = content.find(b"stsz") + 16  # ISO/IEC 14496-12, 8.7.3
    for number in range(20, 30):
        struct.pack_into(">I", content, sizes + 4 * number, 0)
    path.write_bytes(content)
    assert check(path) == list(range(20))


def empty_vop(number, fps=25):
    """An MPEG-4 packet that says that nothing has changed (ISO/IEC 14496-2, 6.2.5)."""
    bits = f"01{'10' if number % fps == 0 else '0'}1{number % fps:05b}10" + "0"
    bits += "1" * (-len(bits) % 8 or 8)
    return b"\0\0\1\xb6" + int(bits, 2).to_bytes(len(bits) // 8, "big")


def test_packets_that_say_that_nothing_has_changed_are_no_missing_frames(tmp_path):
    whole = numbered_video(tmp_path / "whole.avi", 60, codec="mpeg4", options={"g": "12"})
    is_empty = [number % 12 > 8 and number < 48 for number in range(60)]  # before keyframes
    path = copy_packets(
        whole,
        tmp_path / "v.avi",
        lambda number, content: empty_vop(number) if is_empty[number] else content,
    )
    video = VideoFile(path)
    numbers = [read_number(frame) for frame in video.frames()]
    assert numbers == [number for number in range(60) if not is_empty[number]]
    assert video.properties.decoder == "pyav"  # decord repeats frames in their place


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "num_frames", "duration"),
    [("og8_ss.mkv", 100, 4.0), ("paff.ts", 50, 4.0), ("gap.avi", 39, 2.0), ("off10.mkv", 50, 2.0)],
)
def test_files_that_showed_the_fault(name, num_frames, duration):
    video = VideoFile(shared_path("faults/videos") / name)
    assert video.properties.num_frames == num_frames
    assert video.properties.duration == pytest.approx(duration)
    assert sum(1 for _ in video.frames()) == num_frames
