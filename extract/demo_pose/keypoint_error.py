"""How far predicted keypoints are from the truth, in percent of the signer's height."""

import numpy as np
from jaxtyping import Bool, Float64

from seds_core.keypoints import BODY, FACE, LEFT_HAND, RIGHT_HAND

PARTS: dict[str, tuple[slice, ...]] = {
    "all": (slice(None),),
    "body": (BODY,),
    "face": (FACE,),
    "hands": (LEFT_HAND, RIGHT_HAND),
}


def median_errors(
    errors: Float64[np.ndarray, "frame keypoint=133"],
    is_visible: Bool[np.ndarray, "frame keypoint=133"],
) -> dict[str, float]:
    """The median error over the visible points of each part; NaN where none is visible."""
    medians = {}
    for part, slices in PARTS.items():
        values = np.concatenate([errors[:, piece][is_visible[:, piece]] for piece in slices])
        medians[part] = float(np.median(values)) if len(values) else float("nan")
    return medians
