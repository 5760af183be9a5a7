import pytest
from video_damage import blank
from video_files import numbered_video, read_number

from extract.videos.part import MAX_PIXELS, VideoError
from extract.videos.recording import read_recording


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
