"""Finds the square around a hand in every frame of a video.

A hand's own points decide where enough of them are seen; otherwise the arm, prolonged beyond its
wrist. The published rules: SEDS (arXiv 2407.16394).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from seds_core.hand_rules import (
    ARM_CONFIDENCE,
    BOX_POINT_CONFIDENCE,
    MIN_BOX_POINTS,
)

_POINTS_SCALE = 2.2  # side of the box, in units of the points' larger extent
_BEYOND_WRIST = 0.33  # of the forearm's length
_ARM_SCALE = 1.1
_UPPER_ARM_SHARE = 0.9


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
    arm_helps = ~own.is_usable & arms.is_usable & (arm[:, 2, 1] < lowest_wrist)
    is_usable = own.is_usable | arm_helps
    origin = np.where(arm_helps[:, None], arms.origin, own.origin)
    side = np.where(arm_helps, arms.side, own.side)
    return HandBoxes(
        np.where(is_usable[:, None], origin, 0), np.where(is_usable, side, 1), is_usable
    )


def boxes_around_points(
    hand: Float64[np.ndarray, "frame joint=21 coordinate=3"], image_size: tuple[int, int]
) -> HandBoxes:
    """Boxes centred on a hand's points, moved into the image; usable where enough are seen."""
    counts = hand[..., 2] > BOX_POINT_CONFIDENCE
    is_usable = counts.sum(axis=1) >= MIN_BOX_POINTS
    counts |= ~is_usable[:, None]  # so that every frame has points; these boxes are not used
    counts = counts[..., None]
    # Faster than the argument ``where`` of min and max.
    low = np.where(counts, hand[..., :2], np.inf).min(axis=1)
    high = np.where(counts, hand[..., :2], -np.inf).max(axis=1)
    limits = np.array(image_size) - 1
    side = np.round(_POINTS_SCALE * (high - low).max(axis=1))
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
    side = _ARM_SCALE * np.maximum(forearm, _UPPER_ARM_SHARE * upper_arm)
    centre = wrist + _BEYOND_WRIST * (wrist - elbow)
    origin = np.maximum(centre - side[:, None] / 2, 0)
    side = np.minimum(side, (np.array(image_size) - origin).min(axis=1))
    is_usable = (arm[..., 2] >= ARM_CONFIDENCE).all(axis=1) & (side >= 1)
    return HandBoxes(np.trunc(origin), np.trunc(side), is_usable)
