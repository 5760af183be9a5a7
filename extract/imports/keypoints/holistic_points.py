"""Which points of MediaPipe Holistic, by their names in ``.pose`` files, are the 133 keypoints.

The choice of points, exact and approximate ones, is that of :mod:`extract.pose.mediapipe_estimator`.
Source of the names: https://github.com/sign-language-processing/pose.
"""

from extract.pose.mediapipe_estimator import BODY_POINTS, FACE_MESH_POINTS, POSE_NAMES

_FINGER_POINTS = ("MCP", "PIP", "DIP", "TIP")
HAND_POINTS = (
    "WRIST", "THUMB_CMC", "THUMB_MCP", "THUMB_IP", "THUMB_TIP",
    *(
        f"{finger}_{point}"
        for finger in ("INDEX_FINGER", "MIDDLE_FINGER", "RING_FINGER", "PINKY")
        for point in _FINGER_POINTS
    ),
)  # fmt: skip
"""MediaPipe's names of its hand points, in its order, which is that of the hand keypoints."""

HOLISTIC_POINTS = (
    *(("POSE_LANDMARKS", POSE_NAMES[point].upper()) for point in BODY_POINTS),
    *(("FACE_LANDMARKS", str(point)) for point in FACE_MESH_POINTS),
    *(("LEFT_HAND_LANDMARKS", point) for point in HAND_POINTS),
    *(("RIGHT_HAND_LANDMARKS", point) for point in HAND_POINTS),
)
"""Component and point of a ``.pose`` file for each of the 133 keypoints."""

WORLD_COMPONENT = "POSE_WORLD_LANDMARKS"
"""The body in metres instead of pixels, which no keypoint is taken from."""
