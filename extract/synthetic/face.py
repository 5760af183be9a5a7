"""The drawn head: 68 facial points in iBUG order and the outline of the skull.

Head axes: u from the picture's left to its right in half head widths, v from the top (-1) to the
chin (1) in half head heights, w towards the camera in half head widths. Source of the order:
https://ibug.doc.ic.ac.uk/resources/facial-point-annotations/ (jaw 17, brows 2 x 5, nose 9,
eyes 2 x 6, mouth 20; each part begins on the picture's left).
"""

import numpy as np
from jaxtyping import Float64

JAW, RIGHT_BROW, LEFT_BROW = slice(0, 17), slice(17, 22), slice(22, 27)
NOSE_BRIDGE, NOSTRILS = slice(27, 31), slice(31, 36)
RIGHT_EYE, LEFT_EYE = slice(36, 42), slice(42, 48)
OUTER_LIPS, INNER_LIPS = slice(48, 60), slice(60, 68)
NOSE_TIP = 30

NUM_SKULL_POINTS = 15
"""From the ear on the picture's right over the top to the other ear."""

_EYE_CORNERS = np.array([(-1, 0), (-0.4, -1), (0.4, -1), (1, 0), (0.4, 1), (-0.4, 1)])
_OUTER_LIPS = np.array(
    [(-1, 0), (-0.62, -0.7), (-0.25, -1), (0, -0.85), (0.25, -1), (0.62, -0.7),
     (1, 0), (0.62, 0.75), (0.25, 1), (0, 1.05), (-0.25, 1), (-0.62, 0.75)]
)  # fmt: skip
_INNER_LIPS = np.array(
    [(-0.85, 0), (-0.3, -1), (0, -1), (0.3, -1), (0.85, 0), (0.3, 1), (0, 1), (-0.3, 1)]
)


def face_points(
    mouth_open: Float64[np.ndarray, " frame"],
    eye_open: Float64[np.ndarray, " frame"],
    brow_raise: Float64[np.ndarray, " frame"],
) -> Float64[np.ndarray, "frame joint=68 coordinate=3"]:
    """Facial points of every frame in the head's own axes; the chin follows the mouth."""
    points = np.empty((len(mouth_open), 68, 3))
    points[:, JAW] = _jaw(mouth_open)
    points[:, RIGHT_BROW] = _brow(brow_raise)
    points[:, LEFT_BROW] = points[:, RIGHT_BROW][:, ::-1] * (-1, 1, 1)
    points[:, NOSE_BRIDGE] = np.column_stack(
        [np.zeros(4), np.linspace(-0.12, 0.24, 4), np.linspace(0.95, 1.28, 4)]
    )
    points[:, NOSTRILS] = np.column_stack(
        [np.linspace(-0.2, 0.2, 5), (0.31, 0.34, 0.36, 0.34, 0.31), (0.95, 1.02, 1.08, 1.02, 0.95)]
    )
    for eye, centre in ((RIGHT_EYE, -0.42), (LEFT_EYE, 0.42)):
        points[:, eye, 0] = centre + 0.18 * _EYE_CORNERS[:, 0]
        points[:, eye, 1] = -0.06 + 0.085 * eye_open[:, None] * _EYE_CORNERS[:, 1]
        points[:, eye, 2] = 0.88
    points[:, OUTER_LIPS] = _lips(_OUTER_LIPS, 0.32, 0.075 + 0.11 * mouth_open, mouth_open)
    points[:, INNER_LIPS] = _lips(_INNER_LIPS, 0.30, 0.012 + 0.11 * mouth_open, mouth_open)
    return points


def skull_points() -> Float64[np.ndarray, "joint=15 coordinate=3"]:
    """The outline of the head above the ears."""
    angle = np.linspace(0, np.pi, NUM_SKULL_POINTS)
    return np.column_stack(
        [np.cos(angle), -0.06 - 0.94 * np.sin(angle) ** 0.8, np.zeros(NUM_SKULL_POINTS)]
    )


def _jaw(mouth_open: Float64[np.ndarray, " frame"]) -> Float64[np.ndarray, "frame 17 3"]:
    angle = np.linspace(0, np.pi, 17)
    across = -np.cos(angle) * (1 - 0.12 * np.sin(angle) ** 2)
    height = np.sin(angle) ** 0.85
    drop = 1.0 + 0.05 * mouth_open[:, None]
    return np.stack(
        [
            np.broadcast_to(across, (len(mouth_open), 17)),
            -0.02 + (drop - 0.02) * height,
            np.broadcast_to(0.1 + 0.5 * height, (len(mouth_open), 17)),
        ],
        axis=-1,
    )


def _brow(brow_raise: Float64[np.ndarray, " frame"]) -> Float64[np.ndarray, "frame 5 3"]:
    brow = np.empty((len(brow_raise), 5, 3))
    brow[..., 0] = np.linspace(-0.72, -0.17, 5)
    brow[..., 1] = np.array([-0.22, -0.30, -0.33, -0.31, -0.27]) - 0.05 * brow_raise[:, None]
    brow[..., 2] = (0.7, 0.85, 0.95, 1.0, 1.0)
    return brow


def _lips(
    outline: Float64[np.ndarray, "joint 2"],
    half_width: float,
    half_height: Float64[np.ndarray, " frame"],
    mouth_open: Float64[np.ndarray, " frame"],
) -> Float64[np.ndarray, "frame joint coordinate=3"]:
    """Lips around the mouth's middle, narrower when it is open."""
    lips = np.empty((len(half_height), len(outline), 3))
    lips[..., 0] = half_width * (1 - 0.2 * mouth_open[:, None]) * outline[:, 0]
    lips[..., 1] = 0.6 + half_height[:, None] * outline[:, 1]
    lips[..., 2] = 1.0 - 0.35 * outline[:, 0] ** 2
    return lips
