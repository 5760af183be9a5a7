"""Draws a signer's body, face and hands."""

import cv2
import numpy as np
from jaxtyping import Float64, UInt8

from extract.demo import signer as parts
from extract.demo.signer import Colour, Look, Proportions
from extract.demo.skeleton import CLOTHES_BELOW_HIPS

# OpenCV's fixed-point positions: sixteenths of a pixel, so that slow motion does not jump.
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
    # All bones at once: half circles around both ends, turned by each bone's direction.
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


_X, _Y = np.eye(2)
"""To the picture's right, and down."""

_OUTLINE_SHADE = 0.6
_EYE_WHITE: Colour = (238.0, 236.0, 232.0)
_ARM_RADII = np.array([0.125, 0.1, 0.066])
"""At shoulder, elbow and wrist, in shoulder widths."""

_MOUTH: Colour = (70.0, 30.0, 30.0)
_DARK: Colour = (40.0, 30.0, 28.0)


def draw_torso(
    image: Image, body: Outline, skull: Outline, unit: float, proportions: Proportions, look: Look
) -> None:
    """The clothed trunk down to the picture's edge, and the bare neck with the neckline."""
    left, right, left_hip, right_hip = body[[5, 6, 11, 12]]
    neck = 0.5 * (left + right) - 0.1 * unit * _Y
    width = 0.12 * unit * proportions.arm_thickness
    below = CLOTHES_BELOW_HIPS * unit * _Y
    trunk = np.array(
        [
            neck - 0.2 * unit * _X, right - width * (0.2 * _X + 0.95 * _Y), right - width * _X,
            right + width * (2.8 * _Y - 0.3 * _X), right_hip - 0.16 * unit * _X,
            right_hip - 0.2 * unit * _X + below, left_hip + 0.2 * unit * _X + below,
            left_hip + 0.16 * unit * _X, left + width * (2.8 * _Y + 0.3 * _X), left + width * _X,
            left + width * (0.2 * _X - 0.95 * _Y), neck + 0.2 * unit * _X,
        ]
    )  # fmt: skip
    fill(image, trunk, look.cloth)
    stroke(image, trunk, shaded(look.cloth, _OUTLINE_SHADE), 1, is_closed=True)
    _draw_pattern(image, neck, left_hip, right_hip, unit, look)
    _draw_neck(image, neck, skull, unit, look)


def _draw_neck(image: Image, neck: Point, skull: Outline, unit: float, look: Look) -> None:
    """The bare neck, and as much below it as the neckline shows."""
    skin = shaded(look.skin, 0.86)
    opening = ellipse(neck + 0.03 * unit * _Y, 0.19 * unit, look.neckline * unit)
    fill_convex(image, opening, skin)
    stroke(image, opening, shaded(look.cloth, _OUTLINE_SHADE), 1, is_closed=True)
    side = 0.32 * (skull[0] - skull[-1])
    middle = 0.5 * (skull[0] + skull[-1])
    half = 0.18 * unit * _X
    throat = np.array([middle - side, middle + side, neck + half, neck - half])
    fill(image, throat, skin)
    stroke(image, throat[[1, 2]], shaded(skin, _OUTLINE_SHADE), 1)
    stroke(image, throat[[0, 3]], shaded(skin, _OUTLINE_SHADE), 1)


def _draw_pattern(
    image: Image, neck: Point, left_hip: Point, right_hip: Point, unit: float, look: Look
) -> None:
    middle = 0.5 * (left_hip + right_hip)
    if look.pattern == "stripes":
        half = 0.42 * unit * _X
        for down in np.arange(0.35, 1.5, 0.17) * unit:
            ends = neck + down * _Y + np.array([-half, half])
            stroke(image, ends, look.cloth_detail, max(1, round(0.035 * unit)))
    elif look.pattern == "buttons":
        stroke(image, np.array([neck, middle]), shaded(look.cloth, 0.75), 1)
        for fraction in np.linspace(0.3, 0.95, 4):
            button = neck + fraction * (middle - neck)
            fill_convex(image, ellipse(button, 0.025 * unit, 0.025 * unit), look.cloth_detail)
    elif look.pattern == "print":
        chest = neck + 0.5 * (middle - neck)
        fill_convex(image, ellipse(chest, 0.24 * unit, 0.18 * unit), look.cloth_detail)


def draw_hair_behind(image: Image, skull: Outline, face: Outline, look: Look) -> None:
    """What of the hair lies behind the head."""
    if look.hair_style not in ("long", "bun"):
        return
    middle, chin = 0.5 * (skull[0] + skull[-1]), face[8]
    width = 0.5 * float(np.linalg.norm(skull[0] - skull[-1]))
    down = chin - middle
    if look.hair_style == "bun":
        bun = ellipse(middle - 1.15 * down, 0.5 * width, 0.42 * width)
        fill_convex(image, bun, shaded(look.hair, 0.9))
        return
    sides = np.array([(1.18, 0.0), (1.25, 1.25), (-1.25, 1.25), (-1.18, 0.0)])
    curtain = middle + np.column_stack([sides[:, 0] * width, sides[:, 1] * down[1]])
    fill(image, curtain, shaded(look.hair, 0.85))


def draw_head(image: Image, face: Outline, skull: Outline, look: Look) -> None:
    """Head with ears, hair and the features of the face."""
    width = 0.5 * float(np.linalg.norm(skull[0] - skull[-1]))
    for ear in (skull[0], skull[-1]):
        fill_convex(image, ellipse(ear, 0.13 * width, 0.24 * width), shaded(look.skin, 0.88))
    outline = np.concatenate([face[parts.JAW], skull])
    fill(image, outline, look.skin)
    stroke(image, outline, shaded(look.skin, _OUTLINE_SHADE), 1, is_closed=True)
    if look.has_beard:
        jaw = face[parts.JAW][2:15]
        nose, mouth = face[33], face[parts.OUTER_LIPS].mean(axis=0)
        upper = mouth + 0.72 * (jaw[::-1] - mouth) * (1, 0.35) + 0.3 * (nose - mouth)
        fill(image, np.concatenate([jaw, upper]), shaded(look.hair, 1.1))
    _draw_features(image, face, width, look)
    if look.hair_style != "none":
        # Hair on the skull down to the forehead.
        brows = 0.5 * (face[19] + face[24])
        top = skull[len(skull) // 2]
        hairline = skull[::-1] + 0.55 * (brows - skull[::-1]) * (0.35, 1.0)
        hairline[:, 1] = np.maximum(hairline[:, 1], top[1] + 0.3 * (brows - top)[1])
        grown = skull + 0.06 * (skull - brows)
        fill(image, np.concatenate([grown, hairline[1:-1]]), look.hair)


def _draw_features(image: Image, face: Outline, width: float, look: Look) -> None:
    # Lines are at least a pixel wide, however small the head is.
    thin = max(1, round(0.05 * width))
    for eye in (parts.RIGHT_EYE, parts.LEFT_EYE):
        fill_convex(image, face[eye], _EYE_WHITE)
        height = 0.5 * float(face[eye][4:, 1].mean() - face[eye][1:3, 1].mean())
        iris = ellipse(face[eye].mean(axis=0), 0.075 * width, min(height, 0.075 * width))
        fill_convex(image, iris, _DARK)
        stroke(image, face[eye][:4], _DARK, 1)
    for brow in (parts.RIGHT_BROW, parts.LEFT_BROW):
        stroke(image, face[brow], shaded(look.hair, 0.9), max(1, round(thin * look.brow_thickness)))
    shadow = shaded(look.skin, 0.68)
    stroke(image, face[parts.NOSE_BRIDGE], shaded(look.skin, 0.82), 1)
    stroke(image, face[parts.NOSTRILS], shadow, 1)
    fill(image, face[parts.OUTER_LIPS], look.lips)
    fill(image, face[parts.INNER_LIPS], _MOUTH)
    if look.has_glasses:
        for eye in (parts.RIGHT_EYE, parts.LEFT_EYE):
            rim = ellipse(face[eye].mean(axis=0), 0.3 * width, 0.24 * width)
            stroke(image, rim, _DARK, 1, is_closed=True)


def draw_arm_bone(
    image: Image,
    arm: Float64[np.ndarray, "joint=3 coordinate=3"],
    bone: int,
    unit: float,
    thickness: float,
    look: Look,
) -> None:
    """Upper arm (bone 0) or forearm (1) of shoulder, elbow, wrist; clothed as the sleeve goes."""
    # The sleeve covers a fraction of the two bones, counted from the shoulder.
    points = arm[:, :2]
    radii = unit * thickness * _ARM_RADII
    covered = float(np.clip(look.sleeve - bone, 0, 1))
    if covered < 1:
        bare = [_tapered(points, radii, bone, (0.0, 1.0), extra) for extra in (0.0, 1.0)]
        _outlined(image, bare[0], bare[1], look.skin)
    if covered > 0:
        loose = 0.02 * unit
        sleeve = [
            _tapered(points, radii, bone, (0.0, covered), loose + extra) for extra in (0.0, 1.0)
        ]
        _outlined(image, sleeve[0], sleeve[1], shaded(look.cloth, 1.06 if bone else 0.96))


def _tapered(
    points: Outline,
    radii: Float64[np.ndarray, "joint=3"],
    bone: int,
    part: tuple[float, float],
    extra: float,
) -> Outline:
    """The part of a bone between two fractions of its length, widened by ``extra`` pixels."""
    fractions = np.array(part)
    middle = points[bone] + fractions[:, None] * (points[bone + 1] - points[bone])
    size = radii[bone] + fractions * (radii[bone + 1] - radii[bone]) + extra
    return capsules(middle[:1], middle[1:], size[:1], size[1:])[0]


def _outlined(image: Image, shape: Outline, around: Outline, colour: Colour) -> None:
    fill_convex(image, around, shaded(colour, _OUTLINE_SHADE))
    fill_convex(image, shape, colour)


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
    # The two sides of a hand must be told apart by more than the nails.
    skin = shaded(skin, _PALM_SHADE if shows_palm else _BACK_SHADE)
    radius = max(_FINGER_RADIUS * length * thickness, 0.7)
    points, depths = hand[:, :2], hand[:, 2]
    fillings = _bones(points, radius, 0.0)
    outlines = _bones(points, radius, _OUTLINE_PIXELS)
    bone_depths = 0.5 * (depths[_BEGINS] + depths[_ENDS])
    palm_depth = depths[_PALM_JOINTS].mean()
    # Far bones first; the palm is drawn between those behind it and those before it.
    order = np.argsort(bone_depths)
    num_behind = int(np.searchsorted(bone_depths[order], palm_depth - 1e-6))
    for num_drawn, bone in enumerate(order):
        if num_drawn == num_behind:
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
