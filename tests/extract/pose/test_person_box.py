"""The choice of the signer, and how a box is carried through a video."""

import numpy as np
import pytest

from extract.pose.estimate import (
    Choice,
    Track,
    WholeFrameBoxes,
    chosen_person,
    followed,
)

OLD = np.array([0, 0, 10, 20], np.float32)
NEW = np.array([4, 0, 14, 40], np.float32)


def test_the_whole_frame_is_the_box() -> None:
    found = WholeFrameBoxes(0.3).boxes(np.zeros((2, 120, 160, 3), np.uint8))
    np.testing.assert_array_equal(found.boxes, [[0, 0, 160, 120]] * 2)
    assert found.is_found.all()


@pytest.mark.parametrize(("choice", "index"), [("largest", 1), ("most_central", 2)])
def test_choice_among_several_people(choice: Choice, index: int) -> None:
    people = np.array([[0, 0, 9, 9], [60, 0, 100, 90], [40, 40, 62, 62]], np.float32)
    chosen = chosen_person(people, choice, width=100, height=100)
    assert chosen is not None
    np.testing.assert_array_equal(chosen, people[index])


def test_equal_people_are_decided_by_order() -> None:
    people = np.array([[0, 0, 10, 10], [90, 90, 100, 100]], np.float32)
    for choice in ("largest", "most_central"):
        np.testing.assert_array_equal(chosen_person(people, choice, 100, 100), people[0])


def test_nobody_is_chosen_from_nobody() -> None:
    assert chosen_person(np.zeros((0, 4), np.float32), "largest", 10, 10) is None


def test_smoothing_moves_the_box_by_its_share() -> None:
    track = followed(Track(OLD, 3), NEW, smoothing=0.75, max_gap_frames=9)
    assert track is not None
    np.testing.assert_allclose(track.box, [1, 0, 11, 25])
    assert track.frames_since_seen == 0


def test_without_smoothing_the_detection_counts() -> None:
    track = followed(Track(OLD, 3), NEW, smoothing=0.0, max_gap_frames=9)
    assert track is not None
    np.testing.assert_array_equal(track.box, NEW)


def test_a_box_is_kept_through_the_gap_and_then_lost() -> None:
    track: Track | None = Track(OLD, 0)
    lengths = 0
    while track is not None:
        np.testing.assert_array_equal(track.box, OLD)
        lengths += 1
        track = followed(track, None, smoothing=0.5, max_gap_frames=2)
    assert lengths == 3


def test_a_track_begins_with_its_first_detection() -> None:
    assert followed(None, None, 0.5, 2) is None
    begun = followed(None, NEW, 0.5, 2)
    assert begun is not None
    np.testing.assert_array_equal(begun.box, NEW)
