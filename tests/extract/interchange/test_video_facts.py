"""Where the size and frame rate of imported videos come from."""

import pytest
from video_files import numbered_frames, write_video

from extract.interchange.imported import KnownFacts, VideoFacts
from extract.videos.listing import ListedVideo
from extract.videos.part import Crop, VideoPart


@pytest.fixture
def video(tmp_path):
    return write_video(tmp_path / "a.mp4", numbered_frames(5, width=64, height=48), fps=30)


def test_a_size_that_was_given_comes_first_and_no_file_is_opened(tmp_path):
    videos = {"a": ListedVideo("a", tmp_path / "none.mp4")}
    facts = KnownFacts((210, 260), None, 25.0, videos)
    assert facts("a") == facts("b") == VideoFacts(210, 260, 25.0)
    assert KnownFacts((210, 260), 24.0, 25.0, {})("a").fps == 24.0


def test_the_video_of_the_index_tells_its_own(video):
    videos = {"a": ListedVideo("a", video)}
    assert KnownFacts(None, None, 25.0, videos)("a") == VideoFacts(64, 48, 30.0)
    assert KnownFacts(None, 24.0, 25.0, videos)("a") == VideoFacts(64, 48, 24.0)


def test_a_part_has_the_size_that_it_is_brought_to(video):
    part = VideoPart(crop=Crop(0, 0, 40, 40), size=(256, 256))
    facts = KnownFacts(None, None, 25.0, {"a": ListedVideo("a", video, part)})
    assert facts("a") == VideoFacts(256, 256, 30.0)


def test_what_nobody_knows_is_answered_with_the_options(tmp_path):
    with pytest.raises(LookupError, match="--image-size WIDTHxHEIGHT, or name its video"):
        KnownFacts(None, None, 25.0, {})("a")
    videos = {"a": ListedVideo("a", tmp_path / "none.mp4")}
    with pytest.raises(LookupError, match=r"none\.mp4: does not exist"):
        KnownFacts(None, None, 25.0, videos)("a")
