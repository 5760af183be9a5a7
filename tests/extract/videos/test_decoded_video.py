import pytest
from video_files import numbered_video

from extract.videos.decoding import ChunkMemory, DecodedVideo, DecodeJob, decode_events
from extract.videos.part import VideoError


def decoded(path):
    job = DecodeJob("video", path, chunk_frames=8)
    return DecodedVideo(job, decode_events(job, ChunkMemory()))


def test_properties_are_known_before_frames_and_the_count_after(tmp_path):
    video = decoded(numbered_video(tmp_path / "v.mp4", 20))
    assert video.properties.num_frames == 20
    assert video.frame_step == 1
    with pytest.raises(RuntimeError, match="read all chunks first"):
        _ = video.num_frames
    assert [chunk.first for chunk in video.chunks()] == [0, 8, 16]
    assert video.num_frames == 20
    assert video.identity.size_bytes > 0
    assert list(video.chunks()) == []


def test_chunks_need_no_look_at_the_properties(tmp_path):
    assert len(list(decoded(numbered_video(tmp_path / "v.mp4", 20)).chunks())) == 3


def test_a_video_that_was_closed_gives_nothing(tmp_path):
    video = decoded(numbered_video(tmp_path / "v.mp4", 20))
    next(video.chunks())
    video.close()
    with pytest.raises(RuntimeError, match="stopped"):
        list(video.chunks())


def test_errors_come_where_the_video_is_used(tmp_path):
    with pytest.raises(VideoError, match="does not exist"):
        _ = decoded(tmp_path / "missing.mp4").properties
