from itertools import pairwise

import pytest

from extract.run.sample import VideoSample, count, evenly_chosen
from extract.settings import ExtractSettings, FrameSettings, RgbSettings
from seds_core.clip_plan import plan_clips


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
