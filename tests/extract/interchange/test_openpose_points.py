"""OpenPose's points are found by name at their COCO-WholeBody places."""

import warnings

import numpy as np
import pytest

from extract.interchange.openpose import (
    BODY_25,
    COCO_18,
    OPENPOSE_POINTS,
    openpose_name,
    whole_body_keypoints,
)
from seds_core.keypoints import BODY_NAMES, FACE, FEET, LEFT_HAND, RIGHT_HAND


def numbered(count, start=0.0):
    """Point i lies at (start + i, -i) with confidence 0.5."""
    index = np.arange(count, dtype=np.float32)
    return np.stack([start + index, -index, np.full(count, 0.5, np.float32)], axis=1)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("nose", "Nose"), ("left_eye", "LEye"), ("right_small_toe", "RSmallToe")],
)
def test_names(ours, theirs):
    assert openpose_name(ours) == theirs


@pytest.mark.parametrize(
    ("keypoint", "place"),
    # COCO-WholeBody's number and OpenPose's BODY_25 number, both from their documentation
    [(0, 0), (1, 16), (2, 15), (3, 18), (4, 17), (5, 5), (6, 2), (7, 6), (8, 3), (9, 7), (10, 4),
     (11, 12), (12, 9), (13, 13), (14, 10), (15, 14), (16, 11),
     (17, 19), (18, 20), (19, 21), (20, 22), (21, 23), (22, 24)],
)  # fmt: skip
def test_body_25(keypoint, place):
    keypoints = whole_body_keypoints(numbered(25), None, None, None)
    assert keypoints[keypoint].tolist() == [place, -place, 0.5]


def test_the_coco_body_has_no_feet():
    keypoints = whole_body_keypoints(numbered(18), None, None, None)
    assert keypoints[:17, 0].tolist() == [COCO_18.index(openpose_name(name)) for name in BODY_NAMES]
    assert keypoints[5, 0] == 5
    assert keypoints[16, 0] == 10
    assert np.isnan(keypoints[FEET, :2]).all()
    assert (keypoints[FEET, 2] == 0).all()


def test_face_and_hands_keep_their_order_and_the_pupils_are_left_out():
    keypoints = whole_body_keypoints(None, numbered(70), numbered(21, 100), numbered(21, 200))
    assert keypoints[FACE, 0].tolist() == list(range(68))
    assert keypoints[LEFT_HAND, 0].tolist() == list(range(100, 121))
    assert keypoints[RIGHT_HAND, 0].tolist() == list(range(200, 221))
    assert np.isnan(keypoints[:23, :2]).all()


def test_names_are_those_of_the_pose_library():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an escape sequence in its source
        from pose_format.utils import openpose
    points = {part.name: list(part.points) for part in openpose.OpenPose_Components}
    assert list(BODY_25) == points["pose_keypoints_2d"]
    assert len(OPENPOSE_POINTS) == 133
    for component, point in OPENPOSE_POINTS:
        assert point in points[component]
    face = [point for component, point in OPENPOSE_POINTS if component == "face_keypoints_2d"]
    assert face == points["face_keypoints_2d"][:68]
    for hand in ("hand_left_keypoints_2d", "hand_right_keypoints_2d"):
        assert [p for component, p in OPENPOSE_POINTS if component == hand] == points[hand]
