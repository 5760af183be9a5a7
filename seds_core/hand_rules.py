"""The published rules that say whether a hand can be used in a frame, as names and numbers.

SEDS (arXiv 2407.16394), as its published code has it. Confidences are those of the
keypoint detector, 0 to 1; lengths are pixels of the video.
"""

from collections.abc import Mapping
from typing import Literal

HandRules = Literal["phoenix-2014t", "csl-daily", "how2sign", "custom"]
"""The rules of each published data set; ``custom`` asks nothing of a wrist's place."""

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
}


def lowest_wrist(rules: HandRules, image_height: int) -> float:
    """The y that a wrist must stay above (in the image) for the arm to tell where its hand is.

    In some data sets resting hands are cut off by the lower edge of the image.

    >>> lowest_wrist("how2sign", 256), lowest_wrist("custom", 256)
    (206.0, inf)
    """
    margin = _WRIST_MARGIN[rules]
    return float("inf") if margin is None else image_height - margin
