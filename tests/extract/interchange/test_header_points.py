"""Keypoints are found by the names of components and points."""

from pathlib import Path

import numpy as np
import pytest
from pose_format.pose_header import PoseHeaderComponent
from pose_format.utils.cocowholebody133_header import cocowholebody_components

from extract.interchange.pose_files import HAND_POINTS, keypoint_indices
from seds_core.errors import ImportedFileError
from seds_core.keypoints import LEFT_HAND

FILE = Path("a.pose")


def component(name, points, point_format="XYC"):
    return PoseHeaderComponent(name, list(points), [], [], point_format)


def test_whole_body_points_stand_in_their_own_order():
    assert keypoint_indices(FILE, cocowholebody_components()).tolist() == list(range(133))


def test_points_count_through_all_components_and_missing_ones_have_no_place():
    parts = [
        component("POSE_WORLD_LANDMARKS", ["NOSE", "LEFT_SHOULDER"], "XYZC"),
        component("LEFT_HAND_LANDMARKS", reversed(HAND_POINTS), "XYZC"),
        component("POSE_LANDMARKS", ["RIGHT_WRIST", "NOSE"], "XYZC"),
    ]
    places = keypoint_indices(FILE, parts)
    assert places[LEFT_HAND].tolist() == list(range(22, 1, -1))
    assert (places[10], places[0]) == (23, 24)
    assert np.flatnonzero(places >= 0).tolist() == [0, 10, *range(91, 112)]


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ([], "has the components none; known are those of COCO-WholeBody .BODY, FACE"),
        ([component("SKELETON", ["a"])], "has the components SKELETON; known .*OpenPose"),
        (
            [component("BODY", ["nose"]), component("POSE_LANDMARKS", ["NOSE"])],
            "has the components BODY, POSE_LANDMARKS; known",
        ),
        ([component("BODY", ["pelvis"])], "none of its points' names"),
        ([component("POSE_WORLD_LANDMARKS", ["NOSE"], "XYZC")], "none of its points' names"),
        ([component("BODY", ["nose"], "XY")], "has the coordinates 'XY' in BODY"),
        ([component("BODY", ["nose"], "CYX")], "has the coordinates 'CYX' in BODY"),
    ],
)
def test_unknown_points_are_named(parts, reason):
    with pytest.raises(ImportedFileError, match=reason):
        keypoint_indices(FILE, parts)
