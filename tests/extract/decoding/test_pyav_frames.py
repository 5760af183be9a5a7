import pytest
from video_damage import blank
from video_files import numbered_video, read_number

from extract.decoding.pyav_frames import pyav_frames, stored_rotation
from extract.decoding.video_error import VideoError


def test_can_begin_anywhere(tmp_path):
    path = numbered_video(tmp_path / "v.mp4", 20)
    assert [read_number(frame) for frame in pyav_frames(path, 20, skip=12)] == list(range(12, 20))
    assert list(pyav_frames(path, 20, skip=20)) == []


def test_frames_are_whole_or_the_video_has_failed(tmp_path):
    path = blank(numbered_video(tmp_path / "v.avi", 60, codec="mpeg4"), 0.5, 60)
    with pytest.raises(VideoError, match=r"frame \d+ of 60"):
        list(pyav_frames(path, 60))


@pytest.mark.parametrize(("promised", "is_whole"), [(22, True), (23, False)])
def test_two_frames_may_be_missing(tmp_path, promised, is_whole):
    path = numbered_video(tmp_path / "v.mp4", 20)
    if is_whole:
        assert len(list(pyav_frames(path, promised))) == 20
        return
    with pytest.raises(VideoError, match="only 20 of 23 frames"):
        list(pyav_frames(path, promised))


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_reads_the_rotation(tmp_path, rotation):
    path = numbered_video(tmp_path / "v.mkv", 2, rotation=rotation)
    assert stored_rotation(path, 2) == rotation
