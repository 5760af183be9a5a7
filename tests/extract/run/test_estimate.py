"""What a run or a plan expects: videos that are opened, counted and decoded for their speed."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from mean_stream import MeanStream
from video_files import numbered_frames, numbered_video, read_number

from extract.run import estimate
from extract.run.estimate import VideoSample, count, decode_some, evenly_chosen, sample_videos
from extract.settings import ExtractSettings, FrameSettings, RgbSettings
from extract.videos.listing import ListedVideo, VideoList
from seds_core.clip_plan import plan_clips
from seds_core.errors import UnavailableError, UsageError


def seen(lengths, num_videos=None, num_unreadable=0):
    num_videos = num_videos or len(lengths) + num_unreadable
    return VideoSample("here", num_videos, tuple(lengths), num_unreadable, 25.0, None)


def test_all_videos_are_counted_as_the_extraction_counts_them():
    lengths = [10, 79, 80, 300, 301, 1427]
    counts = count(seen(lengths), ExtractSettings())
    plans = [plan_clips(n, max_frames=300, clip_length=16, max_clips=64) for n in lengths]
    assert counts.videos == 6
    assert counts.frames == sum(lengths)
    assert counts.timeline_frames == sum(plan.num_timeline_frames for plan in plans)
    assert counts.clips == sum(len(plan.starts) for plan in plans)


def test_a_sample_stands_for_all(sample):
    assert not sample.is_whole
    counts = count(sample, ExtractSettings())
    assert (counts.videos, counts.frames) == (10, 2500)
    assert counts.timeline_frames == 5 * (100 + 200)
    assert counts.clips == 5 * (64 + 64)


def test_broken_videos_stand_for_their_share():
    counts = count(seen([100, 100, 100], num_videos=8, num_unreadable=1), ExtractSettings())
    assert (counts.videos, counts.frames) == (6, 600)


def test_settings_without_bounds():
    settings = ExtractSettings(
        frames=FrameSettings(max_frames=None), rgb=RgbSettings(clips="all", clip_length=10)
    )
    assert count(seen([1000]), settings).clips == 991


@pytest.mark.parametrize(("number", "limit"), [(7, 7), (8, 7), (100, 7), (3, 7)])
def test_chosen_places_are_apart_and_within(number, limit):
    places = list(evenly_chosen(number, limit))
    assert len(places) == len(set(places)) == min(number, limit)
    assert places == sorted(places)
    assert places[0] == 0
    assert places[-1] < number
    gaps = {b - a for a, b in pairwise(places)}
    assert max(gaps) - min(gaps) <= 1


@pytest.fixture
def videos(tmp_path):
    paths = [numbered_video(tmp_path / f"{count}.mp4", count) for count in (10, 20, 30, 40)]
    return VideoList(tuple(ListedVideo(path.stem, path) for path in paths))


def look(videos, limit=200):
    return sample_videos(videos.videos, limit, MeanStream(), FrameSettings(), "index.csv")


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


def listed(*paths):
    return [ListedVideo(path.stem, path) for path in paths]


def test_the_first_chunk_is_kept_as_the_networks_get_it(tmp_path):
    videos = listed(numbered_video(tmp_path / "a.mp4", 100))
    decoded = decode_some(videos, MeanStream(), FrameSettings(max_frames=50))
    assert [read_number(frame) for frame in decoded.frames] == list(range(0, 100, 2))


def test_every_frame_of_a_video_counts(tmp_path, monkeypatch):
    clock = iter([10.0, 16.0])
    monkeypatch.setattr(estimate.time, "perf_counter", lambda: next(clock))
    videos = listed(numbered_video(tmp_path / "a.mp4", 60))
    decoded = decode_some(videos, MeanStream(), FrameSettings(max_frames=20))
    assert decoded.seconds_a_frame == pytest.approx(6 / 60)


def test_a_few_videos_are_enough(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(
        estimate, "decode_job",
        lambda video, stream, frames, make=estimate.decode_job: (
            opened.append(video.video_id) or make(video, stream, frames)
        ),
    )  # fmt: skip
    path = numbered_video(tmp_path / "a.mp4", 3)
    decode_some([ListedVideo(str(n), path) for n in range(10)], MeanStream(), FrameSettings())
    assert opened == ["0", "3", "6"]


def test_a_damaged_video_is_passed_over(tmp_path):
    good = numbered_video(tmp_path / "good.mp4", 3)
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(good.read_bytes()[:300])
    decoded = decode_some(listed(bad, good), MeanStream(), FrameSettings())
    assert np.abs(decoded.frames[0].astype(int) - numbered_frames(1)[0]).mean() < 20
    with pytest.raises(UnavailableError, match=r"bad\.mp4"):
        decode_some(listed(bad), MeanStream(), FrameSettings())
