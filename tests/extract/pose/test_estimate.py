"""The loop over a video: batches, the rule for nobody, and independence of the chunks."""

import numpy as np
import pytest

from extract.pose.estimate import batches, confirmed_rows, estimate_video, nobody
from extract.pose.person_box import FoundBoxes, WholeFrameBoxes


def numbered_frames(num_frames: int) -> np.ndarray:
    frames = np.zeros((num_frames, 4, 6, 3), np.uint8)
    frames[:] = np.arange(num_frames, dtype=np.uint8)[:, None, None, None]
    return frames


class NumberReader:
    """Every keypoint lies at x = the frame's number; records the sizes of its batches."""

    def __init__(self, confidence: float = 1.0) -> None:
        self.confidence = confidence
        self.batch_sizes: list[int] = []

    def start_video(self) -> None:
        self.batch_sizes = []

    def estimate(self, frames: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        assert not np.isnan(boxes).any()
        self.batch_sizes.append(len(frames))
        keypoints = np.full((len(frames), 133, 3), self.confidence, np.float32)
        keypoints[..., 0] = frames[:, 0, 0, 0, None]
        return keypoints


class EvenFrames:
    """A person in every second frame."""

    required_confidence = 0.0

    def boxes(self, frames: np.ndarray) -> FoundBoxes:
        found = frames[:, 0, 0, 0] % 2 == 0
        boxes = np.where(found[:, None], np.array([0, 0, 6, 4], np.float32), np.float32(np.nan))
        return FoundBoxes(boxes, found)


@pytest.mark.parametrize("cuts", [[11], [1] * 11, [2, 9], [0, 7, 4], [4, 4, 3]])
def test_batches_do_not_depend_on_the_chunks(cuts: list[int]) -> None:
    frames = numbered_frames(11)
    chunks = np.split(frames, np.cumsum(cuts)[:-1])
    got = list(batches(chunks, 4))
    assert [len(batch) for batch in got] == [4, 4, 3]
    np.testing.assert_array_equal(np.concatenate(got), frames)


def test_no_frames_give_no_batches() -> None:
    assert list(batches([], 4)) == []
    assert list(batches([numbered_frames(0)], 4)) == []


def test_batches_hold_back_no_more_than_they_need() -> None:
    chunks = iter([numbered_frames(4), numbered_frames(4)])
    next(batches(chunks, 4))
    assert len(list(chunks)) == 1


def test_every_frame_gets_its_row_in_order() -> None:
    estimator = NumberReader()
    rows = list(estimate_video(estimator, WholeFrameBoxes(0.5), [numbered_frames(7)], 3))
    assert estimator.batch_sizes == [3, 3, 1]
    x = np.concatenate([r.keypoints[:, 0, 0] for r in rows])
    np.testing.assert_array_equal(x, np.arange(7))
    np.testing.assert_array_equal(
        rows[0].boxes, np.tile(np.array([0, 0, 6, 4], np.float32), (3, 1))
    )


def test_frames_without_a_box_are_blank_and_not_estimated() -> None:
    estimator = NumberReader()
    (rows,) = estimate_video(estimator, EvenFrames(), [numbered_frames(4)], 8)
    assert estimator.batch_sizes == [2]
    np.testing.assert_array_equal(rows.person_found, [True, False, True, False])
    np.testing.assert_array_equal(rows.keypoints[::2, 5, 0], [0, 2])
    assert np.isnan(rows.boxes[1::2]).all()
    assert np.isnan(rows.keypoints[1::2, :, :2]).all()
    assert (rows.keypoints[1::2, :, 2] == 0).all()


def test_a_video_without_anybody_never_calls_the_estimator() -> None:
    estimator = NumberReader()
    (rows,) = estimate_video(estimator, EvenFrames(), [numbered_frames(2)[1:]], 8)
    assert estimator.batch_sizes == []
    assert not rows.person_found.any()


@pytest.mark.parametrize(("confidence", "is_found"), [(0.29, False), (0.31, True)])
def test_whole_frame_mode_finds_people_by_their_upper_body(
    confidence: float, is_found: bool
) -> None:
    keypoints = np.ones((1, 133, 3), np.float32)
    keypoints[:, [0, 5, 6, 7, 8, 9, 10], 2] = confidence
    rows = confirmed_rows(keypoints, np.zeros((1, 4), np.float32), np.array([True]), 0.3)
    assert rows.person_found[0] == is_found
    np.testing.assert_array_equal(rows.keypoints, keypoints if is_found else nobody(1))


def test_keypoints_without_any_confidence_are_nobody_even_without_a_threshold() -> None:
    rows = confirmed_rows(nobody(1), np.zeros((1, 4), np.float32), np.array([True]), 0.0)
    assert not rows.person_found[0]
