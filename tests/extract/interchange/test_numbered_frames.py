"""Frames by number, with any number of people, become one array."""

from pathlib import Path

import numpy as np
import pytest

from extract.interchange.imported import VideoFacts
from extract.interchange.keypoint_video import frame_number, video_of_frames
from seds_core.errors import ImportedFileError

VIDEO = Path("video")
FACTS = VideoFacts(210, 260, 25.0)


def person(value, confidence=0.5):
    keypoints = np.full((133, 3), 10 * value, np.float32)
    keypoints[:, 2] = confidence
    return keypoints


@pytest.mark.parametrize(
    ("name", "number"),
    [("CAM2_000000000017", 17), ("images0001", 1), ("000000", 0), ("a-3", 3), ("v_2-7", 7)],
)
def test_a_name_ends_with_the_number(name, number):
    assert frame_number(VIDEO, name) == number


@pytest.mark.parametrize("name", ["frame", "", "17_left", "1" * 19, "٣"])
def test_a_name_without_a_number_is_refused(name):
    with pytest.raises(ImportedFileError, match="does not end with the number"):
        frame_number(VIDEO, name)


@pytest.mark.parametrize("first", [0, 1])
def test_numbers_count_from_0_or_1_and_gaps_are_frames_with_nobody(first):
    frames = {first + 3: [person(2)], first: [person(1)], first + 1: []}
    video = video_of_frames(VIDEO, frames, FACTS)
    keypoints = video.rows["keypoints"]
    assert video.num_people == 1
    assert keypoints[:, 0, 0].tolist()[0::3] == [10, 20]
    for gap in (1, 2):
        assert np.isnan(keypoints[gap, :, :2]).all()
        assert (keypoints[gap, :, 2] == 0).all()
    assert keypoints.dtype == np.float32


def test_the_signer_of_the_whole_video_is_taken_wherever_a_frame_lists_them():
    frames = {
        0: [person(1, 0.4), person(2, 0.6), person(3, 0)],
        1: [person(2, 0.3), person(1, 0.6)],
        2: [person(1, 0.4)],
    }
    video = video_of_frames(VIDEO, frames, FACTS)
    assert video.rows["keypoints"][:, 0, 0].tolist() == [10, 10, 10]
    assert video.num_people == 2


@pytest.mark.parametrize(
    ("numbers", "reason"),
    [
        ([], "has no frames"),
        ([2, 3], "begins with frame 2"),
        ([0, 250_000], "a video may have 250,000"),
        ([0, 10**17], "a video may have 250,000"),
    ],
)
def test_numbers_that_cannot_be_a_videos_frames_are_refused(numbers, reason):
    with pytest.raises(ImportedFileError, match=reason):
        video_of_frames(VIDEO, {number: [person(1)] for number in numbers}, FACTS)
