"""Which of OpenPose's points stands for which of the 133 COCO-WholeBody keypoints.

OpenPose has all of them under other names, and four more that are left out: the neck, the middle of
the hips and the two pupils. Its COCO body has no feet.

Sources: https://github.com/CMU-Perceptual-Computing-Lab/openpose/blob/master/doc/02_output.md
(order of the points), https://github.com/sign-language-processing/pose (their names in ``.pose``
files).
"""

import numpy as np
from jaxtyping import Float32

from extract.imports.keypoints.keypoint_rows import nobody_found
from seds_core.keypoints import BODY, BODY_NAMES, FACE, FEET, FOOT_NAMES, LEFT_HAND, RIGHT_HAND

BODY_25 = (
    "Nose", "Neck", "RShoulder", "RElbow", "RWrist", "LShoulder", "LElbow", "LWrist", "MidHip",
    "RHip", "RKnee", "RAnkle", "LHip", "LKnee", "LAnkle", "REye", "LEye", "REar", "LEar",
    "LBigToe", "LSmallToe", "LHeel", "RBigToe", "RSmallToe", "RHeel",
)  # fmt: skip
COCO_18 = (
    "Nose", "Neck", "RShoulder", "RElbow", "RWrist", "LShoulder", "LElbow", "LWrist",
    "RHip", "RKnee", "RAnkle", "LHip", "LKnee", "LAnkle", "REye", "LEye", "REar", "LEar",
)  # fmt: skip
NUM_FACE_POINTS = 70
"""The 68 facial keypoints in their order, and the pupils."""
NUM_HAND_POINTS = 21
"""The hand's keypoints in their order."""


def openpose_name(name: str) -> str:
    """OpenPose's name of a body or foot keypoint: ``LBigToe`` for ``left_big_toe``."""
    side, _, part = name.partition("_")
    return side[0].upper() + part.title().replace("_", "") if part else side.title()


BODY_POINTS = tuple(openpose_name(name) for name in (*BODY_NAMES, *FOOT_NAMES))
"""OpenPose's names of the 17 body and 6 foot keypoints."""

BODY_PLACES = {
    len(names): np.array([names.index(n) if n in names else -1 for n in BODY_POINTS])
    for names in (BODY_25, COCO_18)
}
"""Number of body points -> places of the body and foot keypoints among them; -1 for none."""

_FACE_PARTS = (
    ("FB", range(17)), ("FEB", range(17, 27)), ("FN", range(27, 36)), ("FE", range(36, 48)),
    ("FLO", range(48, 60)), ("FLI", range(60, 68)),
)  # fmt: skip
_FACE_POINTS = tuple(f"{part}_{point}" for part, points in _FACE_PARTS for point in points)
_FINGER_POINTS = ("CMC", "MCP", "PIP", "DIP")
_HAND_POINTS = (
    "BASE", "T_STT", "T_BCMC", "T_MCP", "T_IP",
    *(f"{finger}_{point}" for finger in "IMRP" for point in _FINGER_POINTS),
)  # fmt: skip

OPENPOSE_POINTS = (
    *(("pose_keypoints_2d", point) for point in BODY_POINTS),
    *(("face_keypoints_2d", point) for point in _FACE_POINTS),
    *(("hand_left_keypoints_2d", point) for point in _HAND_POINTS),
    *(("hand_right_keypoints_2d", point) for point in _HAND_POINTS),
)
"""Component and point of a ``.pose`` file for each of the 133 keypoints."""


def whole_body_keypoints(
    body: Float32[np.ndarray, "joint coordinate=3"] | None,
    face: Float32[np.ndarray, "joint=70 coordinate=3"] | None,
    left_hand: Float32[np.ndarray, "joint=21 coordinate=3"] | None,
    right_hand: Float32[np.ndarray, "joint=21 coordinate=3"] | None,
) -> Float32[np.ndarray, "keypoint=133 coordinate=3"]:
    """The 133 keypoints of one person; NaN, NaN, 0 for parts that OpenPose did not look for.

    ``body`` has 25 or 18 points. Points that it looked for and did not find stay 0, 0, 0.
    """
    keypoints = nobody_found(1)[0]
    if body is not None:
        places = BODY_PLACES[len(body)]
        keypoints[BODY.start : FEET.stop][places >= 0] = body[places[places >= 0]]
    if face is not None:
        keypoints[FACE] = face[:68]
    for part, points in ((LEFT_HAND, left_hand), (RIGHT_HAND, right_hand)):
        if points is not None:
            keypoints[part] = points
    return keypoints
