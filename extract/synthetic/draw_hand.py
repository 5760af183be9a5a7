"""Draws a hand: palm and finger bones from far to near, outlined so that fingers stay apart."""

import cv2
import numpy as np
from jaxtyping import Float64

from extract.synthetic.drawing import Image, Outline, capsules, ellipse, fill_convex, shaded
from extract.synthetic.signer import Colour

_PALM_JOINTS = [0, 1, 2, 5, 9, 13, 17]
_BEGINS = np.array([4 * finger + joint for finger in range(5) for joint in (1, 2, 3)])
_ENDS = _BEGINS + 1
_LAST_BONES = (2, 5, 8, 11, 14)

_BEGIN_RADII = np.array([(1.3, 1.15, 1.05)] + 4 * [(1.0, 0.92, 0.86)]).reshape(-1)
_END_RADII = np.array([(1.15, 1.05, 0.85)] + 4 * [(0.92, 0.86, 0.7)]).reshape(-1)
_FINGER_RADIUS = 0.05
"""Of a finger at its knuckle, in hand lengths."""

_OUTLINE_PIXELS = 1.0
_HAND_OUTLINE_SHADE = 0.5
_PALM_SHADE, _BACK_SHADE, _NAIL_SHADE = 1.08, 0.92, 1.3


def draw_hand(
    image: Image,
    hand: Float64[np.ndarray, "joint=21 coordinate=3"],
    length: float,
    thickness: float,
    skin: Colour,
    *,
    shows_palm: bool,
) -> None:
    """Draws one hand of ``length`` pixels; the back is darker than the palm and shows nails."""
    skin = shaded(skin, _PALM_SHADE if shows_palm else _BACK_SHADE)
    radius = max(_FINGER_RADIUS * length * thickness, 0.7)
    points, depths = hand[:, :2], hand[:, 2]
    fillings = _bones(points, radius, 0.0)
    outlines = _bones(points, radius, _OUTLINE_PIXELS)
    bone_depths = 0.5 * (depths[_BEGINS] + depths[_ENDS])
    palm_depth = depths[_PALM_JOINTS].mean()
    order = np.argsort(bone_depths)
    num_behind = int(np.searchsorted(bone_depths[order], palm_depth - 1e-6))
    for place, bone in enumerate(order):
        if place == num_behind:
            _draw_palm(image, points, radius, skin)
        shade = 1 + 0.45 * float(np.clip(bone_depths[bone] - palm_depth, -0.25, 0.2))
        fill_convex(image, outlines[bone], shaded(skin, _HAND_OUTLINE_SHADE))
        fill_convex(image, fillings[bone], shaded(skin, shade))
        if bone in _LAST_BONES and not shows_palm:
            nail = ellipse(points[_ENDS[bone]], 0.42 * radius, 0.42 * radius)
            fill_convex(image, nail, shaded(skin, _NAIL_SHADE))
    if num_behind == len(order):
        _draw_palm(image, points, radius, skin)


def _bones(points: Outline, radius: float, extra: float) -> Float64[np.ndarray, "joint 14 2"]:
    return capsules(
        points[_BEGINS], points[_ENDS], radius * _BEGIN_RADII + extra, radius * _END_RADII + extra
    )


def _draw_palm(image: Image, points: Outline, radius: float, skin: Colour) -> None:
    """The hull of discs around wrist and knuckles."""
    outline = _OUTLINE_PIXELS
    for extra, shade in ((outline, _HAND_OUTLINE_SHADE), (0.0, 0.97)):
        corners = np.concatenate(
            [ellipse(points[joint], size, size)
             for joint, size in ((joint, 0.95 * radius + extra) for joint in _PALM_JOINTS)]
        )  # fmt: skip
        hull = cv2.convexHull(corners.astype(np.float32))[:, 0].astype(np.float64)
        fill_convex(image, hull, shaded(skin, shade))
