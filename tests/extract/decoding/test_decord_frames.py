import subprocess
import sys
from dataclasses import replace

import pytest
from video_files import numbered_video, read_number

from extract.decoding.decord_frames import DecordGaveUpError, decord_frames, suits
from extract.decoding.video_container import container_facts
from extract.decoding.video_properties import MAX_PIXELS


def test_gives_the_first_frames_in_order(tmp_path):
    path = numbered_video(tmp_path / "v.mp4", 20)
    assert [read_number(frame) for frame in decord_frames(path, 12)] == list(range(12))


def test_gives_up_where_it_cannot_read(tmp_path):
    path = tmp_path / "v.mp4"
    path.write_bytes(b"no video")
    with pytest.raises(DecordGaveUpError):
        list(decord_frames(path, 1))


def test_gives_up_when_there_are_too_few_frames(tmp_path):
    with pytest.raises(DecordGaveUpError):
        list(decord_frames(numbered_video(tmp_path / "v.mp4", 20), 21))


def test_reads_only_what_suits_it(tmp_path):
    facts = container_facts(numbered_video(tmp_path / "v.mp4", 5), MAX_PIXELS)
    assert suits(facts, 0)
    assert suits(facts, 90)
    assert not suits(replace(facts, has_edits=True), 0)
    assert not suits(replace(facts, codec="av1"), 0)
    assert not suits(replace(facts, format_name="mpegts"), 0)
    assert suits(replace(facts, format_name="matroska,webm"), 0)
    assert not suits(replace(facts, format_name="matroska,webm"), 90)
    assert suits(replace(facts, num_frames=7000), 0)
    assert not suits(replace(facts, num_frames=8000), 0)  # 128x96 pixels each: over 256 MB


def test_leaves_opencv_able_to_write_pictures(tmp_path):
    program = (
        "import sys, extract.decoding.decord_frames, cv2, numpy\n"
        "cv2.imwrite(sys.argv[1], numpy.zeros((400, 1280, 3), numpy.uint8))\n"
        "assert cv2.imread(sys.argv[1]) is not None\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "a.png")], check=True)
