import os

import pytest
from video_damage import cut_off
from video_files import numbered_video

from extract.videos import recording as module
from extract.videos.part import MAX_PIXELS, VideoError, VideoPart
from extract.videos.recording import open_recording

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
