"""Shapes of a hand, and the rotations that turn it.

The hand's own axes: x to the thumb's side, y along the straight fingers, z out of the palm. Its
unit is the hand's length, wrist to tip of the middle finger. Joint order: COCO-WholeBody's (wrist,
then thumb to little finger with four joints each).
"""

import numpy as np
from jaxtyping import Float64

NUM_ANGLES = 20
"""Five fingers (thumb to little) x (spread, then the bend of its three joints), in degrees."""

_FINGERS: dict[str, tuple[float, float, float]] = {
    "straight": (4, 4, 4),
    "curved": (30, 40, 25),
    "bent": (75, 8, 5),
    "hooked": (12, 88, 55),
    "pinched": (52, 48, 30),
    "folded": (80, 98, 60),
}
"""Bend at the knuckle, the middle joint and the last joint."""

_THUMBS: dict[str, tuple[float, float, float, float]] = {
    "along": (22, 8, 10, 5),
    "out": (62, 12, 0, 0),
    "opposed": (38, 50, 18, 28),
    "across": (30, 42, 42, 40),
}
"""Spread from the fingers' direction, lift out of the palm, bend of the two last joints."""

_SPREADS: dict[str, tuple[float, float, float, float]] = {
    "close": (2, 0, -2, -4),
    "wide": (16, 2, -12, -24),
}
"""Sideways angle of the index to the little finger, towards the thumb."""

_SHAPES: dict[str, str] = {
    # name: thumb, index, middle, ring, little, spread
    "flat": "along straight straight straight straight close",
    "spread": "out straight straight straight straight wide",
    "fist": "across folded folded folded folded close",
    "point": "across straight folded folded folded close",
    "hook": "across hooked folded folded folded close",
    "vee": "across straight straight folded folded wide",
    "three": "across straight straight straight folded wide",
    "horns": "out folded folded folded straight wide",
    "thumb": "out folded folded folded folded close",
    "pinch": "opposed pinched straight straight straight wide",
    "bunch": "opposed pinched pinched pinched pinched close",
    "claw": "out hooked hooked hooked hooked wide",
    "cup": "opposed curved curved curved curved close",
    "bent": "along bent bent bent bent close",
    "relaxed": "along curved curved curved curved close",
}


def _angles(words: str) -> Float64[np.ndarray, "joint=20"]:
    thumb, *fingers, spread = words.split()
    rows = [
        (sideways, *_FINGERS[finger])
        for sideways, finger in zip(_SPREADS[spread], fingers, strict=True)
    ]
    return np.array([_THUMBS[thumb], *rows], dtype=np.float64).reshape(NUM_ANGLES)


HAND_SHAPES = {name: _angles(words) for name, words in _SHAPES.items()}
"""Shape name -> its 20 angles."""

_KNUCKLES = np.array(
    [(0.10, 0.10, 0.03), (0.14, 0.46, 0), (0.04, 0.48, 0), (-0.06, 0.455, 0), (-0.15, 0.41, 0)]
)
_BONES = np.array(
    [
        (0.21, 0.18, 0.14),
        (0.23, 0.14, 0.11),
        (0.25, 0.16, 0.11),
        (0.23, 0.15, 0.11),
        (0.18, 0.11, 0.10),
    ]
)
_THUMB, _OTHERS = slice(0, 1), slice(1, 5)


def hand_joints(
    angles: Float64[np.ndarray, "frame joint=20"],
) -> Float64[np.ndarray, "frame joint=21 coordinate=3"]:
    """The joints of every frame's hand in the hand's own axes (see the module)."""
    fingers = np.radians(angles).reshape(-1, 5, 4)
    directions = np.concatenate(
        [_thumb_directions(fingers[:, _THUMB]), _finger_directions(fingers[:, _OTHERS])], axis=1
    )
    offsets = np.cumsum(directions * _BONES[None, :, :, None], axis=2)
    joints = np.zeros((len(angles), 21, 3))
    chains = joints[:, 1:].reshape(-1, 5, 4, 3)  # a view: filled in place
    chains[:, :, 0] = _KNUCKLES
    chains[:, :, 1:] = _KNUCKLES[None, :, None] + offsets
    return joints


def _finger_directions(
    fingers: Float64[np.ndarray, "frame 4 4"],
) -> Float64[np.ndarray, "frame 4 3 coordinate=3"]:
    """Bones turn from their sideways direction towards the palm by the bends so far."""
    sideways, bend = fingers[..., :1], np.cumsum(fingers[..., 1:], axis=-1)
    along = np.cos(bend)
    return np.stack([along * np.sin(sideways), along * np.cos(sideways), np.sin(bend)], axis=-1)


def _thumb_directions(
    thumb: Float64[np.ndarray, "frame 1 4"],
) -> Float64[np.ndarray, "frame 1 3 coordinate=3"]:
    """Lifted out of the palm by its second angle, then bent across the palm by the others."""
    spread, lift = thumb[..., 0], thumb[..., 1]
    bend = np.cumsum(np.concatenate([np.zeros_like(thumb[..., :1]), thumb[..., 2:]], -1), -1)
    start = np.stack(
        [np.cos(lift) * np.sin(spread), np.cos(lift) * np.cos(spread), np.sin(lift)], axis=-1
    )
    across = np.stack([-np.cos(spread), np.sin(spread), np.zeros_like(spread)], axis=-1)
    return np.cos(bend)[..., None] * start[..., None, :] + (
        np.sin(bend)[..., None] * across[..., None, :]
    )


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
    matrix = np.stack([np.cross(along, normal), along, normal], axis=1)
    # The eigenvector of Bar-Itzhack's symmetric matrix (J. Guidance 23(6), 2000).
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
