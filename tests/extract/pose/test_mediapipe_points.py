"""The table from MediaPipe's points to the 133 keypoints, without MediaPipe."""

import numpy as np

from extract.pose.mediapipe_estimator import (
    BODY_POINTS,
    FACE_MESH_POINTS,
    NAMES_IN_MEDIAPIPE,
    POSE_NAMES,
    whole_body_keypoints,
)
from seds_core.keypoints import BODY_NAMES, FACE, FOOT_NAMES, LEFT_HAND, RIGHT_HAND


def numbered(num_points: int) -> np.ndarray:
    """Point i lies at (i, -i), half visible."""
    index = np.arange(num_points, dtype=np.float32)
    return np.stack([index, -index, np.full_like(index, 0.5)], axis=1)


def test_body_points_have_the_same_names() -> None:
    names = BODY_NAMES + FOOT_NAMES
    assert len(POSE_NAMES) == 33
    assert len(BODY_POINTS) == len(names) == 23
    for name, point in zip(names, BODY_POINTS, strict=True):
        assert POSE_NAMES[point] == NAMES_IN_MEDIAPIPE.get(name, name)


def test_wrists_and_shoulders_are_where_mediapipe_documents_them() -> None:
    assert [BODY_POINTS[keypoint] for keypoint in (0, 5, 6, 9, 10, 15, 16)] == [
        0, 11, 12, 15, 16, 27, 28,
    ]  # fmt: skip


def test_face_has_68_points_of_the_mesh() -> None:
    assert len(FACE_MESH_POINTS) == 68
    assert all(0 <= point < 468 for point in FACE_MESH_POINTS)


def test_left_and_right_of_the_face_are_not_mixed_up() -> None:
    """Symmetric facial keypoints must be symmetric mesh points; some pairs as Google lists them."""
    mirrored = {33: 263, 133: 362, 61: 291, 234: 454, 71: 301, 107: 336, 97: 326, 160: 387}
    symmetric = {36: 45, 39: 42, 48: 54, 1: 15, 17: 26, 21: 22, 32: 34, 37: 44}
    for right, left in symmetric.items():
        assert mirrored[FACE_MESH_POINTS[right]] == FACE_MESH_POINTS[left]


def test_all_parts_go_to_their_places() -> None:
    keypoints = whole_body_keypoints(numbered(33), numbered(21), numbered(21) + 100, numbered(468))
    assert keypoints.dtype == np.float32
    np.testing.assert_array_equal(keypoints[:23, 0], BODY_POINTS)
    np.testing.assert_array_equal(keypoints[:23, 2], 0.5)
    np.testing.assert_array_equal(keypoints[FACE, 0], FACE_MESH_POINTS)
    np.testing.assert_array_equal(keypoints[LEFT_HAND, 0], np.arange(21))
    np.testing.assert_array_equal(keypoints[RIGHT_HAND, 0], np.arange(100, 121))
    assert (keypoints[23:, 2] == 1).all()


def test_parts_that_were_not_found_have_no_place_and_no_confidence() -> None:
    keypoints = whole_body_keypoints(numbered(33), None, numbered(21), None)
    assert np.isnan(keypoints[LEFT_HAND, :2]).all()
    assert np.isnan(keypoints[FACE, :2]).all()
    assert (keypoints[LEFT_HAND, 2] == 0).all()
    assert not np.isnan(keypoints[RIGHT_HAND]).any()


def test_nobody() -> None:
    keypoints = whole_body_keypoints(None, None, None, None)
    assert np.isnan(keypoints[:, :2]).all()
    assert (keypoints[:, 2] == 0).all()
