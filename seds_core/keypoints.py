"""Names and positions of the 133 COCO-WholeBody keypoints, the only order that a store holds.

Source: Jin et al., Whole-Body Human Pose Estimation in the Wild, ECCV 2020
(https://github.com/jin-s13/COCO-WholeBody). "Left" is the signer's own left.
"""

import numpy as np
from jaxtyping import Float32

NUM_KEYPOINTS = 133

BODY_NAMES = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip
FOOT_NAMES = (
    "left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel",
)  # fmt: skip

BODY = slice(0, 17)
FEET = slice(17, 23)
FACE = slice(23, 91)
LEFT_HAND = slice(91, 112)
RIGHT_HAND = slice(112, 133)

UPPER_BODY_LINES = ((5, 6), (5, 7), (7, 9), (6, 8), (8, 10), (0, 5), (0, 6))
"""Pairs of body keypoints that a drawing joins: shoulders, arms, and the head to the shoulders."""

HAND_LINES = tuple(
    (0 if joint == 0 else 4 * finger + joint, 4 * finger + joint + 1)
    for finger in range(5)
    for joint in range(4)
)
"""Pairs of hand keypoints (0 is the wrist) that a drawing joins, finger by finger."""


def missing_keypoints(num_frames: int) -> Float32[np.ndarray, "frame keypoint=133 coordinate=3"]:
    """Keypoints of frames in which no person was found: NaN, NaN, confidence 0."""
    keypoints = np.full((num_frames, NUM_KEYPOINTS, 3), np.nan, np.float32)
    keypoints[..., 2] = 0
    return keypoints
