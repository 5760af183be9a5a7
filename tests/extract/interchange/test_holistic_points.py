"""MediaPipe Holistic's points are named as in ``.pose`` files."""

import pytest

from extract.interchange.pose_files import HAND_POINTS, HOLISTIC_POINTS
from extract.pose.mediapipe_estimator import FACE_MESH_POINTS


def test_every_keypoint_has_a_point():
    assert len(HOLISTIC_POINTS) == 133
    assert len(set(HAND_POINTS)) == 21


@pytest.mark.parametrize(
    ("keypoint", "component", "point"),
    [
        (0, "POSE_LANDMARKS", "NOSE"),
        (5, "POSE_LANDMARKS", "LEFT_SHOULDER"),
        (10, "POSE_LANDMARKS", "RIGHT_WRIST"),
        (17, "POSE_LANDMARKS", "LEFT_FOOT_INDEX"),
        (18, "POSE_LANDMARKS", "LEFT_FOOT_INDEX"),
        (22, "POSE_LANDMARKS", "RIGHT_HEEL"),
        (23, "FACE_LANDMARKS", str(FACE_MESH_POINTS[0])),
        (90, "FACE_LANDMARKS", str(FACE_MESH_POINTS[67])),
        (91, "LEFT_HAND_LANDMARKS", "WRIST"),
        (95, "LEFT_HAND_LANDMARKS", "THUMB_TIP"),
        (99, "LEFT_HAND_LANDMARKS", "INDEX_FINGER_TIP"),
        (132, "RIGHT_HAND_LANDMARKS", "PINKY_TIP"),
    ],
)
def test_points(keypoint, component, point):
    assert HOLISTIC_POINTS[keypoint] == (component, point)


def test_names_are_mediapipes_own():
    solutions = pytest.importorskip("mediapipe").solutions.holistic
    assert list(HAND_POINTS) == [point.name for point in solutions.HandLandmark]
    body = {point.name for point in solutions.PoseLandmark}
    assert {p for c, p in HOLISTIC_POINTS if c == "POSE_LANDMARKS"} <= body
