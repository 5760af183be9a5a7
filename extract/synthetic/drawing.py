"""Anti-aliased shapes on an image, placed to a sixteenth of a pixel."""

import cv2
import numpy as np
from jaxtyping import Float64, UInt8

from extract.synthetic.signer import Colour

_SHIFT_BITS = 4
_HALF_CIRCLE = np.linspace(-np.pi / 2, np.pi / 2, 7)
_CIRCLE_ANGLES = np.linspace(0, 2 * np.pi, 20, endpoint=False)
_CIRCLE = np.column_stack([np.cos(_CIRCLE_ANGLES), np.sin(_CIRCLE_ANGLES)])

Image = UInt8[np.ndarray, "height width channel=3"]
Point = Float64[np.ndarray, "coordinate=2"]
Outline = Float64[np.ndarray, "_ coordinate=2"]


def fill(image: Image, outline: Outline, colour: Colour) -> None:
    """Fills any simple polygon."""
    cv2.fillPoly(image, [_fixed_point(outline)], colour, cv2.LINE_AA, _SHIFT_BITS)


def fill_convex(image: Image, outline: Outline, colour: Colour) -> None:
    """Fills a convex polygon, several times faster than :func:`fill`."""
    cv2.fillConvexPoly(image, _fixed_point(outline), colour, cv2.LINE_AA, _SHIFT_BITS)


def stroke(
    image: Image, line: Outline, colour: Colour, thickness: int, *, is_closed: bool = False
) -> None:
    """Draws a line through the points."""
    points = [_fixed_point(line)]
    cv2.polylines(image, points, is_closed, colour, thickness, cv2.LINE_AA, _SHIFT_BITS)


def ellipse(centre: Point, across: float, down: float) -> Outline:
    """The outline of an upright ellipse."""
    return centre + _CIRCLE * (across, down)


def capsules(
    begins: Outline,
    ends: Outline,
    begin_radii: Float64[np.ndarray, " joint"],
    end_radii: Float64[np.ndarray, " joint"],
) -> Float64[np.ndarray, "joint 14 coordinate=2"]:
    """Outlines of bones: a half circle around each end, joined by straight sides."""
    along = ends - begins
    angle = np.arctan2(along[:, 1], along[:, 0])[:, None]
    far, near = angle + _HALF_CIRCLE, angle + np.pi + _HALF_CIRCLE
    return np.concatenate(
        [_arc(ends, end_radii, far), _arc(begins, begin_radii, near)],
        axis=1,
    )


def shaded(colour: Colour, factor: float) -> Colour:
    """A darker (< 1) or lighter (> 1) colour."""
    red, green, blue = colour
    return min(red * factor, 255.0), min(green * factor, 255.0), min(blue * factor, 255.0)


def _arc(
    centres: Outline, radii: Float64[np.ndarray, " joint"], angles: Float64[np.ndarray, "joint 7"]
) -> Float64[np.ndarray, "joint 7 coordinate=2"]:
    spokes = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    return centres[:, None] + radii[:, None, None] * spokes


def _fixed_point(points: Outline) -> np.ndarray:
    return np.round(points * (1 << _SHIFT_BITS)).astype(np.int32)
