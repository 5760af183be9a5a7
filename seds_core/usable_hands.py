"""In which frames of a video each hand can be used, and the square around it.

The publication leaves out the frames in which neither hand can (SEDS, arXiv 2407.16394), so both
stages must say the same.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64

from seds_core.hand_boxes import HandBoxes, hand_boxes
from seds_core.hand_rules import LEFT_ARM, RIGHT_ARM, HandRules, lowest_wrist
from seds_core.keypoints import LEFT_HAND, RIGHT_HAND


@dataclass(frozen=True)
class UsableHands:
    """Both hands in every frame of a video."""

    right: HandBoxes
    left: HandBoxes

    @property
    def has_hand(self) -> Bool[np.ndarray, " frame"]:
        """Frames in which at least one hand can be used."""
        return self.right.is_usable | self.left.is_usable


def usable_hands(
    keypoints: Float[np.ndarray, "frame keypoint=133 coordinate=3"],
    image_size: tuple[int, int],
    rules: HandRules,
) -> UsableHands:
    """Looks at every frame by itself.

    ``keypoints`` are pixels of an image of ``image_size`` (width, height); points that are not
    finite count as not seen.
    """
    points = only_finite(keypoints)
    limit = lowest_wrist(rules, image_size[1])
    return UsableHands(
        right=hand_boxes(points[:, RIGHT_HAND], points[:, RIGHT_ARM], image_size, limit),
        left=hand_boxes(points[:, LEFT_HAND], points[:, LEFT_ARM], image_size, limit),
    )


def only_finite(
    keypoints: Float[np.ndarray, "frame keypoint=133 coordinate=3"],
) -> Float64[np.ndarray, "frame keypoint=133 coordinate=3"]:
    """Points with any number that is not finite become (0, 0) with confidence 0."""
    is_finite = np.isfinite(keypoints).all(axis=-1, keepdims=True)
    return np.where(is_finite, keypoints, 0).astype(np.float64)
