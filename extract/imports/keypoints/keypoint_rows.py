"""Keypoints of a whole video as the rows of a pose store."""

import numpy as np
from jaxtyping import Float32

from seds_core.keypoints import NUM_KEYPOINTS


def keypoint_rows(
    keypoints: Float32[np.ndarray, "frame keypoint=133 coordinate=3"],
) -> dict[str, np.ndarray]:
    """The row arrays of a video of whose every frame there are keypoints, bit for bit.

    Somebody was found where any point has a confidence above 0; the region that the detector was
    given is not known.
    """
    num_frames = len(keypoints)
    return {
        "keypoints": keypoints,
        "person_found": np.asarray((keypoints[..., 2] > 0).any(axis=1)),
        "person_box": np.full((num_frames, 4), np.nan, np.float32),
        "frame": np.arange(num_frames, dtype=np.int32),
    }


def nobody_found(num_frames: int) -> Float32[np.ndarray, "frame keypoint=133 coordinate=3"]:
    """Frames without anybody: (NaN, NaN, 0) everywhere, as a store has them."""
    keypoints = np.full((num_frames, NUM_KEYPOINTS, 3), np.nan, np.float32)
    keypoints[..., 2] = 0
    return keypoints
