"""The events of one video, and what its reader sees of them."""

import numpy as np
import pytest
from video_files import numbered_frame, numbered_video, read_number, write_video

from extract.videos import decoding as module
from extract.videos.decoding import (
    ChunkMemory,
    DecodedVideo,
    DecodeJob,
    FrameChunk,
    VideoEnded,
    VideoOpened,
    decode_events,
)
from extract.videos.frame import FrameFit
from extract.videos.part import Crop, FrameCountChanged, VideoError, VideoPart
from extract.videos.source_identity import content_hash, part_hash, quick_identity


def job(path, **wishes):
    return DecodeJob("video", path, **wishes)


def read(chunks):
    return [read_number(frame) for chunk in chunks for frame in chunk.frames]


def test_opening_chunks_and_end(tmp_path):
    path = numbered_video(tmp_path / "v.mp4", 70)
    opened, *chunks, ended = decode_events(job(path, chunk_frames=30), ChunkMemory())
    assert isinstance(opened, VideoOpened)
    assert (opened.frame_step, opened.properties.num_frames) == (1, 70)
    assert [(chunk.first, len(chunk.frames)) for chunk in chunks] == [(0, 30), (30, 30), (60, 10)]
    assert read(chunks) == list(range(70))
    assert isinstance(ended, VideoEnded)
    assert ended.num_frames == 70
    identity = ended.identity
    assert (identity.size_bytes, identity.mtime_ns) == quick_identity(path)
    assert identity.content_hash == content_hash(path)


class Watched(ChunkMemory):
    """Counts the signs of life."""

    def __init__(self):
        self.signs = 0

    def progress(self):
        self.signs += 1


@pytest.mark.parametrize("part", [VideoPart(), VideoPart(0.4, 1.0)], ids=["whole", "part"])
def test_counting_the_packets_gives_signs_of_life(tmp_path, part):
    memory = Watched()
    path = numbered_video(tmp_path / "v.mp4", 70)
    next(decode_events(job(path, part=part), memory))
    assert memory.signs > 70


def test_does_not_hash_unless_asked(tmp_path):
    *_, ended = decode_events(job(numbered_video(tmp_path / "v.mp4", 2), hash=False), ChunkMemory())
    assert ended.identity.content_hash == ""


@pytest.mark.parametrize(("max_frames", "step"), [(70, 1), (69, 2), (35, 2), (30, 3), (1, 70)])
def test_long_videos_keep_every_kth_frame_from_the_first(tmp_path, max_frames, step):
    path = numbered_video(tmp_path / "v.mp4", 70)
    wishes = job(path, max_frames=max_frames, chunk_frames=16)
    opened, *chunks, ended = decode_events(wishes, ChunkMemory())
    assert opened.frame_step == step
    assert read(chunks) == list(range(0, 70, step))
    assert len(read(chunks)) <= max_frames
    assert ended.num_frames == 70


def test_a_wrong_count_is_told_at_the_end(tmp_path):
    path = numbered_video(tmp_path / "v.mp4", 60)
    events = decode_events(job(path, max_frames=30, num_frames=61), ChunkMemory())
    opened, *chunks = (next(events), next(events))
    assert opened.frame_step == 3
    assert read(chunks) == list(range(0, 60, 3))
    with pytest.raises(FrameCountChanged) as change:
        next(events)
    assert change.value.num_frames == 60
    again = decode_events(job(path, max_frames=30, num_frames=60), ChunkMemory())
    assert isinstance(list(again)[-1], VideoEnded)


def test_a_wrong_count_of_the_same_timeline_does_not_matter(tmp_path):
    path = numbered_video(tmp_path / "v.mp4", 59)
    *_, ended = decode_events(job(path, max_frames=30, num_frames=60), ChunkMemory())
    assert ended.num_frames == 59


@pytest.mark.parametrize(
    "fit", [FrameFit("squash", 48), FrameFit("squash", 200), FrameFit("short_side", 32)]
)
def test_frames_are_brought_to_the_size_asked_for(tmp_path, fit):
    path = numbered_video(tmp_path / "v.mp4", 5)
    _, chunk, _ = decode_events(job(path, cut=fit), ChunkMemory())
    width, height = fit.target_size(128, 96)
    assert chunk.frames.shape == (5, height, width, 3)
    assert read([chunk]) == list(range(5))


def test_shrinking_averages_instead_of_skipping_pixels(tmp_path):
    stripes = np.zeros((96, 128, 3), np.uint8)
    stripes[:, ::2] = 255
    path = write_video(tmp_path / "v.mkv", [stripes], codec="ffv1", pixel_format="bgr0")
    _, chunk, _ = decode_events(job(path, cut=FrameFit("squash", 24)), ChunkMemory())
    assert abs(chunk.frames.astype(int) - 127).max() <= 1


def test_a_bad_file_is_an_error_before_any_frame(tmp_path):
    path = tmp_path / "v.mp4"
    path.write_text("no video")
    with pytest.raises(VideoError, match="text"):
        next(decode_events(job(path), ChunkMemory()))


def test_a_disk_that_fails_is_an_error_of_the_video(tmp_path, monkeypatch):
    def fail(*_args):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(module, "part_hash", fail)
    path = numbered_video(tmp_path / "v.mp4", 2)
    with pytest.raises(VideoError, match=r"cannot be read: .*Input/output error"):
        list(decode_events(job(path), ChunkMemory()))


def test_does_not_gather_more_than_a_chunk(tmp_path):
    path = write_video(tmp_path / "v.mp4", (numbered_frame(n) for n in range(40)))
    memory = ChunkMemory()
    sizes = []

    def new_chunk(num_frames, height, width):
        sizes.append(num_frames)
        return ChunkMemory.new_chunk(memory, num_frames, height, width)

    memory.new_chunk = new_chunk
    events = decode_events(job(path, chunk_frames=8), memory)
    for event in events:
        if isinstance(event, FrameChunk):
            assert 8 * len(sizes) == event.first + len(event.frames)
    assert sizes == [8] * 5


def test_a_part_is_a_video_with_a_timeline_of_its_own(tmp_path):
    path = numbered_video(tmp_path / "v.mp4", 100, options={"g": "10"})
    part = VideoPart(1.0, 2.36, Crop(0, 0, 128, 96), (64, 48))
    opened, *chunks, ended = decode_events(job(path, part=part, max_frames=18), ChunkMemory())
    assert (opened.frame_step, opened.properties.num_frames) == (2, 35)
    assert (opened.properties.width, opened.properties.height) == (64, 48)
    assert read(chunks) == list(range(25, 60, 2))
    assert (chunks[0].first, chunks[0].frames.shape[1:]) == (0, (48, 64, 3))
    assert ended.num_frames == 35
    assert ended.identity.content_hash == part_hash(path, part)


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
