"""Published data sets, planned for before their videos are here."""

from dataclasses import replace

import numpy as np
import pytest

from extract.run import releases
from extract.run.releases import ONE_HOUR, RELEASES, draw_sample, moving_picture, sample_of
from extract.videos.frame_source import open_frames


def test_the_lengths_stand_for_what_is_published():
    """Frames of all videos: PHOENIX-2014T has 947,756; CSL-Daily 119.3 a video on average."""
    phoenix, csl = RELEASES["phoenix-2014t"], RELEASES["csl-daily"]
    assert frames(phoenix) == pytest.approx(947_756, rel=0.02)
    assert frames(csl) == pytest.approx(20_654 * 119.3, rel=0.02)


def test_one_hour_is_one_hour():
    assert frames(ONE_HOUR) / ONE_HOUR.fps == 3600


def frames(release):
    return release.videos * sum(release.lengths) / len(release.lengths)


@pytest.fixture
def few_frames(monkeypatch):
    monkeypatch.setattr(releases, "NUM_FRAMES", 4)


def test_the_published_size_takes_the_place_of_a_look():
    sample = sample_of(RELEASES["how2sign"])
    assert sample.num_videos == 35_191
    assert sample.raw_bytes == 329_000_000_000
    assert not sample.is_whole


@pytest.mark.parametrize("suffix", [".mp4", ".png"])
def test_the_video_has_the_form_of_the_data_set(few_frames, tmp_path, suffix):
    release = replace(ONE_HOUR, suffix=suffix, width=64, height=48)
    video = draw_sample(release, tmp_path)
    source = open_frames(video.path, 25.0)
    properties = source.properties
    assert (properties.width, properties.height, properties.num_frames) == (64, 48, 4)
    assert len(list(source.frames())) == 4


def test_a_crop_is_the_video_that_is_decoded(few_frames, tmp_path):
    release = replace(RELEASES["how2sign"], width=64, height=48, crop="8,0,48,48")
    video = draw_sample(release, tmp_path)
    assert video.part.size == (256, 256)
    properties = open_frames(video.path, 25.0, part=video.part).properties
    assert (properties.width, properties.height) == (256, 256)


def test_the_picture_moves():
    frames = moving_picture(3, 20, 30)
    assert frames.shape == (3, 20, 30, 3)
    assert not np.array_equal(frames[0], frames[1])
