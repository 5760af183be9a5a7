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

_LOOKED_AT = np.r_[0, LEFT_ARM, RIGHT_ARM, LEFT_HAND, RIGHT_HAND]
_BODY, _LEFT_ARM, _RIGHT_ARM = slice(0, 7), slice(1, 4), slice(4, 7)
_LEFT_HAND, _RIGHT_HAND = slice(7, 28), slice(28, 49)


@dataclass(frozen=True)
class SigningPoints:
    """The points of a video that the rules look at; all numbers are finite.

    Hands and arms are those of the right side in every frame, then of the left one in every frame,
    so that one pass serves both.
    """

    body: Float64[np.ndarray, "frame joint=7 coordinate=3"]
    """Nose, then shoulder, elbow and wrist of the left and of the right arm."""
    hands: Float64[np.ndarray, "_ joint=21 coordinate=3"]
    arms: Float64[np.ndarray, "_ joint=3 coordinate=3"]


@dataclass(frozen=True)
class UsableHands:
    """Both hands in every frame of a video."""

    both: HandBoxes
    """The right hand in every frame, then the left one in every frame."""

    @property
    def right(self) -> HandBoxes:
        """The right hand in every frame."""
        return self.both.part(slice(0, len(self.both.side) // 2))

    @property
    def left(self) -> HandBoxes:
        """The left hand in every frame."""
        return self.both.part(slice(len(self.both.side) // 2, None))

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
    return hands_of(signing_points(keypoints), image_size, rules)


def signing_points(
    keypoints: Float[np.ndarray, "frame keypoint=133 coordinate=3"],
) -> SigningPoints:
    """Picks the points; those that are not finite become (0, 0) with confidence 0."""
    points = only_finite(np.take(keypoints, _LOOKED_AT, axis=1))
    return SigningPoints(
        body=points[:, _BODY],
        hands=_one_after_the_other(points[:, _RIGHT_HAND], points[:, _LEFT_HAND]),
        arms=_one_after_the_other(points[:, _RIGHT_ARM], points[:, _LEFT_ARM]),
    )


def hands_of(points: SigningPoints, image_size: tuple[int, int], rules: HandRules) -> UsableHands:
    """Looks at every frame of points that were picked already."""
    limit = lowest_wrist(rules, image_size[1])
    return UsableHands(hand_boxes(points.hands, points.arms, image_size, limit))


def only_finite(
    keypoints: Float[np.ndarray, "frame keypoint coordinate=3"],
) -> Float64[np.ndarray, "frame keypoint coordinate=3"]:
    """Points with any number that is not finite become (0, 0) with confidence 0.

    In memory the frames of one coordinate of one point follow each other. What is computed from
    the result keeps that order, in which a minimum over the points of a hand, say, is taken for
    many frames at a time: several times faster than for one frame after the other.
    """
    numbers = np.ascontiguousarray(keypoints.T, np.float64)
    return np.where(np.isfinite(numbers).all(axis=0), numbers, 0).T


def _one_after_the_other(
    right: Float64[np.ndarray, "frame joint coordinate=3"],
    left: Float64[np.ndarray, "frame joint coordinate=3"],
) -> Float64[np.ndarray, "_ joint coordinate=3"]:
    return np.concatenate([right.T, left.T], axis=-1).T  # transposed, to keep the order in memory
