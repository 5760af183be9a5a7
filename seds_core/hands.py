"""In which frames of a video each hand can be used, and the square around it.

SEDS (arXiv 2407.16394), as its published code has it, leaves out the frames in which neither hand
can be used, so both stages must agree on them. A hand's own points decide its square where enough
of them are seen; otherwise the arm, prolonged beyond its wrist. Confidences are those of the
keypoint detector, 0 to 1; lengths are pixels of the video.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64

from seds_core.keypoints import LEFT_HAND, RIGHT_HAND
from seds_core.store.provenance import HandRules

LEFT_ARM = (5, 7, 9)
"""Left shoulder, elbow and wrist."""

RIGHT_ARM = (6, 8, 10)
"""Right shoulder, elbow and wrist."""

MIN_BOX_POINTS = 10
"""Points of a hand that its box can be drawn around; with fewer, the arm tells where it is."""

BOX_POINT_CONFIDENCE = 0.1
"""A point with more than this counts for the box."""

ARM_CONFIDENCE = 0.5
"""An arm whose three points have at least this tells where its hand is."""

_WRIST_MARGIN: Mapping[HandRules, float | None] = {
    "phoenix-2014t": None,
    "csl-daily": 50.0,
    "how2sign": 50.0,
    "custom": None,
    "seen": float("inf"),
}


def lowest_wrist(rules: HandRules, image_height: int) -> float:
    """The y that a wrist must stay above (in the image) for the arm to tell where its hand is.

    In some data sets resting hands are cut off by the lower edge of the image. By the rules
    ``seen``, which are not published, arms tell nothing: a hand must show points of its own.

    >>> lowest_wrist("how2sign", 256), lowest_wrist("custom", 256), lowest_wrist("seen", 256)
    (206.0, inf, -inf)
    """
    margin = _WRIST_MARGIN[rules]
    return float("inf") if margin is None else image_height - margin


_POINTS_SCALE = 2.2  # side of the box, in units of the points' larger extent
_BEYOND_WRIST = 0.33  # of the forearm's length
_ARM_SCALE = 1.1
_UPPER_ARM_FRACTION = 0.9


@dataclass(frozen=True)
class HandBoxes:
    """One square a frame, in whole pixels of the video; side 1 at (0, 0) where there is none."""

    origin: Float64[np.ndarray, "frame coordinate=2"]
    """Left and top."""
    side: Float64[np.ndarray, " frame"]
    is_usable: Bool[np.ndarray, " frame"]
    """Where the hand can be used at all."""

    def part(self, frames: slice) -> "HandBoxes":
        """The boxes of some frames."""
        return HandBoxes(self.origin[frames], self.side[frames], self.is_usable[frames])


def hand_boxes(
    hand: Float64[np.ndarray, "frame joint=21 coordinate=3"],
    arm: Float64[np.ndarray, "frame joint=3 coordinate=3"],
    image_size: tuple[int, int],
    lowest_wrist: float,
) -> HandBoxes:
    """The boxes of one hand.

    ``arm`` is the shoulder, elbow and wrist of the same side; ``image_size`` is width and height.
    All coordinates must be finite.
    """
    own, arms = boxes_around_points(hand, image_size), boxes_beyond_arm(arm, image_size)
    # y grows downward, so a wrist above the limit in the image has a smaller y.
    arm_helps = ~own.is_usable & arms.is_usable & (arm[:, 2, 1] < lowest_wrist)
    is_usable = own.is_usable | arm_helps
    origin = np.where(arm_helps[:, None], arms.origin, own.origin)
    side = np.where(arm_helps, arms.side, own.side)
    # Side 1 and not 0 where there is no box: points are divided by it later.
    return HandBoxes(
        np.where(is_usable[:, None], origin, 0), np.where(is_usable, side, 1), is_usable
    )


def shows_hand(
    hand: Float64[np.ndarray, "frame joint=21 coordinate=3"],
) -> Bool[np.ndarray, " frame"]:
    """Whether each frame shows enough points of a hand to draw its box around them."""
    return (hand[..., 2] > BOX_POINT_CONFIDENCE).sum(axis=1) >= MIN_BOX_POINTS


def boxes_around_points(
    hand: Float64[np.ndarray, "frame joint=21 coordinate=3"], image_size: tuple[int, int]
) -> HandBoxes:
    """Boxes centred on a hand's points, moved into the image; usable where enough are seen."""
    counts, is_usable = hand[..., 2] > BOX_POINT_CONFIDENCE, shows_hand(hand)
    counts |= ~is_usable[:, None]  # so that every frame has points; these boxes are not used
    counts = counts[..., None]
    # Faster than the argument ``where`` of min and max.
    low = np.where(counts, hand[..., :2], np.inf).min(axis=1)
    high = np.where(counts, hand[..., :2], -np.inf).max(axis=1)
    limits = np.array(image_size) - 1
    side = np.round(_POINTS_SCALE * (high - low).max(axis=1))
    # All points may lie in one place, and an image may be one pixel wide.
    side = np.clip(side, 1, max(1, limits.min()))
    origin = np.round((low + high) / 2 - side[:, None] / 2)
    origin = np.clip(origin, 0, np.maximum(limits - side[:, None], 0))
    return HandBoxes(origin, side, is_usable)


def boxes_beyond_arm(
    arm: Float64[np.ndarray, "frame joint=3 coordinate=3"], image_size: tuple[int, int]
) -> HandBoxes:
    """Boxes where an arm's hand should be, cut at the image's edges.

    Usable where the whole arm is seen and at least a pixel of the box lies inside the image.
    """
    shoulder, elbow, wrist = np.moveaxis(arm[..., :2], 1, 0)
    forearm = np.sqrt(((wrist - elbow) ** 2).sum(axis=1))
    upper_arm = np.sqrt(((elbow - shoulder) ** 2).sum(axis=1))
    side = _ARM_SCALE * np.maximum(forearm, _UPPER_ARM_FRACTION * upper_arm)
    centre = wrist + _BEYOND_WRIST * (wrist - elbow)
    # The left and upper edges move the box, the right and lower ones cut it.
    origin = np.maximum(centre - side[:, None] / 2, 0)
    side = np.minimum(side, (np.array(image_size) - origin).min(axis=1))
    is_usable = (arm[..., 2] >= ARM_CONFIDENCE).all(axis=1) & (side >= 1)
    return HandBoxes(np.trunc(origin), np.trunc(side), is_usable)


_LOOKED_AT = np.r_[0, LEFT_ARM, RIGHT_ARM, LEFT_HAND, RIGHT_HAND]
# Where the points stand once they are picked: the nose, then arms and hands, left before right.
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
