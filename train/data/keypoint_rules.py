"""The published rules by which stored keypoints become encoder input, as names and numbers.

SEDS (arXiv 2407.16394), as its published code has it. Confidences are those of the
keypoint detector, 0 to 1; lengths are pixels of the video.
"""

from collections.abc import Mapping

BODY_POINTS = (0, 5, 7, 9, 6, 8, 10)
"""Nose, then shoulder, elbow and wrist of the left and of the right arm."""

LEFT_ARM = (5, 7, 9)
"""Left shoulder, elbow and wrist."""

RIGHT_ARM = (6, 8, 10)
"""Right shoulder, elbow and wrist."""

ENCODER_SIZE = 256.0
"""Side of the square that a hand's box, or the whole image, is stretched to."""

MIN_BOX_POINTS = 10
"""Points of a hand that its box can be drawn around; with fewer, the arm tells where it is."""

BOX_POINT_CONFIDENCE = 0.1
"""A point with more than this counts for the box."""

SHOWN_POINT_CONFIDENCE = 0.4
"""A hand's point with more than this is shown to the encoder; another one is (0, 0)."""

ARM_CONFIDENCE = 0.5
"""An arm whose three points have at least this tells where its hand is."""

_WRIST_MARGIN: Mapping[str, float | None] = {
    "phoenix-2014t": None,
    "csl-daily": 50.0,
    "how2sign": 50.0,
    "custom": None,
}


def lowest_wrist(rules: str, image_height: int) -> float:
    """The y that a wrist must stay above (in the image) for the arm to tell where its hand is.

    In some data sets resting hands are cut off by the lower edge of the image.

    >>> lowest_wrist("how2sign", 256), lowest_wrist("custom", 256)
    (206.0, inf)
    """
    margin = _WRIST_MARGIN[rules]
    return float("inf") if margin is None else image_height - margin
