from dataclasses import replace

import pytest
from mean_stream import MeanStream
from video_files import numbered_video

from extract.run.sample import look_into
from extract.settings import FrameSettings
from extract.videos.listing import ListedVideo, VideoList
from seds_core.errors import UsageError


@pytest.fixture
def videos(tmp_path):
    paths = [numbered_video(tmp_path / f"{count}.mp4", count) for count in (10, 20, 30, 40)]
    return VideoList(tuple(ListedVideo(path.stem, path) for path in paths))


def look(videos, limit=200):
    return look_into(videos, limit, MeanStream(), FrameSettings(), "index.csv")


def test_all_of_a_few_videos(videos):
    sample, readable = look(videos)
    assert sample.is_whole
    assert sample.lengths == (10, 20, 30, 40)
    assert sample.mean_fps == 25
    assert readable == videos.videos
    assert sample.raw_bytes == sum(video.path.stat().st_size for video in videos.videos)


def test_some_of_many(videos):
    sample, readable = look(videos, limit=2)
    assert sample.lengths == (10, 30)
    assert (sample.num_videos, sample.num_seen, len(readable)) == (4, 2, 2)
    sizes = [video.path.stat().st_size for video in readable]
    assert sample.raw_bytes == sum(sizes) * 2


def test_a_recording_of_several_videos_is_one_source(videos):
    first = videos.videos[0]
    parts = VideoList((first, replace(first, video_id="again")))
    assert look(parts)[0].raw_bytes == first.path.stat().st_size


def test_a_broken_video_is_counted(videos):
    videos.videos[1].path.write_bytes(b"")
    videos.videos[2].path.unlink()
    sample, readable = look(videos)
    assert sample.lengths == (10, 40)
    assert sample.num_unreadable == 2
    assert sample.is_whole
    assert [video.video_id for video in readable] == ["10", "40"]


def test_nothing_but_broken_videos(videos):
    for video in videos.videos:
        video.path.unlink()
    with pytest.raises(UsageError, match=r"none of the 4 .* are the paths of index\.csv right"):
        look(videos)
