"""Which MediaPipe Holistic landmark stands for which of the 133 COCO-WholeBody keypoints.

Body and hands have the same points in both. Approximations: MediaPipe's foot has one point at the
toes, which serves as the big and as the small toe; its face is a mesh of 468 points without names,
of which the 68 nearest to the classical facial points are taken (within a few pixels of them on a
face of 100 pixels; the jaw line follows the mesh's border).

Sources: https://ai.google.dev/edge/mediapipe/solutions/vision/pose_landmarker (33 body points),
https://ai.google.dev/edge/mediapipe/solutions/vision/hand_landmarker (21 hand points),
https://ibug.doc.ic.ac.uk/resources/300-W/ (the 68 facial points and their order).
"""

import numpy as np
from jaxtyping import Float32

from seds_core.keypoints import (
    BODY,
    BODY_NAMES,
    FACE,
    FEET,
    FOOT_NAMES,
    LEFT_HAND,
    NUM_KEYPOINTS,
    RIGHT_HAND,
)

POSE_NAMES = (
    "nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye",
    "right_eye_outer", "left_ear", "right_ear", "mouth_left", "mouth_right", "left_shoulder",
    "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_pinky",
    "right_pinky", "left_index", "right_index", "left_thumb", "right_thumb", "left_hip",
    "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle", "left_heel",
    "right_heel", "left_foot_index", "right_foot_index",
)  # fmt: skip
"""MediaPipe's names of its body points, in its order."""

NAMES_IN_MEDIAPIPE = {
    "left_big_toe": "left_foot_index",
    "left_small_toe": "left_foot_index",
    "right_big_toe": "right_foot_index",
    "right_small_toe": "right_foot_index",
}
"""Body and foot keypoints that have another name there."""

BODY_POINTS = tuple(
    POSE_NAMES.index(NAMES_IN_MEDIAPIPE.get(name, name)) for name in (*BODY_NAMES, *FOOT_NAMES)
)
"""MediaPipe's body point for each of the 17 body and 6 foot keypoints."""

FACE_MESH_POINTS = (
    # jaw, from the signer's right ear to the left one
    162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389,
    # brows: right, left
    71, 63, 105, 66, 107, 336, 296, 334, 293, 301,
    # nose: ridge, nostrils
    168, 197, 5, 4, 75, 97, 2, 326, 305,
    # eyes: right, left
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    # lips: outer, inner
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87,
)  # fmt: skip
"""Points of the face mesh in the order of the 68 facial keypoints."""


def whole_body_keypoints(
    body: Float32[np.ndarray, "joint=33 coordinate=3"] | None,
    left_hand: Float32[np.ndarray, "joint=21 coordinate=3"] | None,
    right_hand: Float32[np.ndarray, "joint=21 coordinate=3"] | None,
    face: Float32[np.ndarray, "joint=468 coordinate=3"] | None,
) -> Float32[np.ndarray, "keypoint=133 coordinate=3"]:
    """The 133 keypoints from the parts that were found; NaN, NaN, 0 for those that were not.

    The last coordinate is the body's visibility. MediaPipe says of a hand or a face only that it
    was found: their keypoints have confidence 1.
    """
    keypoints = np.full((NUM_KEYPOINTS, 3), np.nan, np.float32)
    keypoints[:, 2] = 0.0
    if body is not None:
        keypoints[BODY.start : FEET.stop] = body[list(BODY_POINTS)]
    for part, points in ((LEFT_HAND, left_hand), (RIGHT_HAND, right_hand)):
        if points is not None:
            keypoints[part, :2], keypoints[part, 2] = points[:, :2], 1.0
    if face is not None:
        keypoints[FACE, :2], keypoints[FACE, 2] = face[list(FACE_MESH_POINTS), :2], 1.0
    return keypoints
