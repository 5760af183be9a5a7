import re
import struct

import av
import pytest
from video_damage import (
    blank,
    claim_frames,
    copy_packets,
    cut_off,
    hide_vp8_frame,
    show_only,
)
from video_files import numbered_video

from extract.videos.container import open_container
from extract.videos.packet_count import PacketCount

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
