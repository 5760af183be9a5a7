"""Orientations of a hand as unit quaternions, made from finger and palm directions."""

import numpy as np
from jaxtyping import Float64

_WORDS: dict[str, tuple[float, float, float]] = {
    "out": (1, 0, 0),
    "in": (-1, 0, 0),
    "down": (0, 1, 0),
    "up": (0, -1, 0),
    "forward": (0, 0, 1),
    "back": (0, 0, -1),
}


def direction(words: str) -> Float64[np.ndarray, "coordinate=3"]:
    """The unit vector that ``"up+in"`` names, in the signing hand's own side (x points out)."""
    total = np.array([_WORDS[word] for word in words.split("+")], dtype=np.float64).sum(axis=0)
    return np.asarray(total / np.linalg.norm(total))


def orientation(fingers: str, palm: str) -> Float64[np.ndarray, "coordinate=4"]:
    """The quaternion (w, x, y, z) that turns a hand's own axes to where the words point.

    The palm's direction gives way where it is not square to the fingers'.
    """
    along = direction(fingers)
    normal = direction(palm)
    normal = normal - (normal @ along) * along
    normal /= np.linalg.norm(normal)
    return _quaternion(np.stack([np.cross(along, normal), along, normal], axis=1))


def _quaternion(
    matrix: Float64[np.ndarray, "coordinate=3 coordinate=3"],
) -> Float64[np.ndarray, "coordinate=4"]:
    """The eigenvector of Bar-Itzhack's symmetric matrix (J. Guidance 23(6), 2000)."""
    (xx, xy, xz), (yx, yy, yz), (zx, zy, zz) = matrix
    symmetric = np.array(
        [
            [xx + yy + zz, zy - yz, xz - zx, yx - xy],
            [zy - yz, xx - yy - zz, xy + yx, xz + zx],
            [xz - zx, xy + yx, yy - xx - zz, yz + zy],
            [yx - xy, xz + zx, yz + zy, zz - xx - yy],
        ]
    )
    return np.linalg.eigh(symmetric)[1][:, -1]


def align_signs(
    quaternions: Float64[np.ndarray, "frame coordinate=4"],
) -> Float64[np.ndarray, "frame coordinate=4"]:
    """The same orientations, each written so that blending with the one before is the short way."""
    aligned = quaternions.copy()
    for later in range(1, len(aligned)):
        if aligned[later] @ aligned[later - 1] < 0:
            aligned[later] *= -1
    return aligned


def matrices(
    quaternions: Float64[np.ndarray, "frame coordinate=4"],
) -> Float64[np.ndarray, "frame coordinate=3 coordinate=3"]:
    """Rotation matrices of quaternions of any length but zero."""
    unit = quaternions / np.linalg.norm(quaternions, axis=-1, keepdims=True)
    w, x, y, z = unit.T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), -1, 0)
