"""Draws torso, head and arms of one frame."""

import numpy as np
from jaxtyping import Float64

from extract.synthetic import face as parts
from extract.synthetic.drawing import (
    Image,
    Outline,
    Point,
    capsules,
    ellipse,
    fill,
    fill_convex,
    shaded,
    stroke,
)
from extract.synthetic.signer import Colour, Look, Proportions
from extract.synthetic.skeleton import CLOTHES_BELOW_HIPS

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
        for share in np.linspace(0.3, 0.95, 4):
            button = neck + share * (middle - neck)
            fill_convex(image, ellipse(button, 0.025 * unit, 0.025 * unit), look.cloth_detail)
    elif look.pattern == "print":
        place = neck + 0.5 * (middle - neck)
        fill_convex(image, ellipse(place, 0.24 * unit, 0.18 * unit), look.cloth_detail)


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
        _draw_beard(image, face, look)
    _draw_features(image, face, width, look)
    if look.hair_style != "none":
        _draw_fringe(image, face, skull, look)


def _draw_beard(image: Image, face: Outline, look: Look) -> None:
    jaw = face[parts.JAW][2:15]
    nose, mouth = face[33], face[parts.OUTER_LIPS].mean(axis=0)
    upper = mouth + 0.72 * (jaw[::-1] - mouth) * (1, 0.35) + 0.3 * (nose - mouth)
    fill(image, np.concatenate([jaw, upper]), shaded(look.hair, 1.1))


def _draw_features(image: Image, face: Outline, width: float, look: Look) -> None:
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


def _draw_fringe(image: Image, face: Outline, skull: Outline, look: Look) -> None:
    """Hair on the skull down to the forehead."""
    brows = 0.5 * (face[19] + face[24])
    top = skull[len(skull) // 2]
    hairline = skull[::-1] + 0.55 * (brows - skull[::-1]) * (0.35, 1.0)
    hairline[:, 1] = np.maximum(hairline[:, 1], top[1] + 0.3 * (brows - top)[1])
    grown = skull + 0.06 * (skull - brows)
    fill(image, np.concatenate([grown, hairline[1:-1]]), look.hair)


def draw_arm_bone(
    image: Image,
    arm: Float64[np.ndarray, "joint=3 coordinate=3"],
    bone: int,
    unit: float,
    thickness: float,
    look: Look,
) -> None:
    """Upper arm (bone 0) or forearm (1) of shoulder, elbow, wrist; clothed as the sleeve goes."""
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
    """The part of a bone between two shares of its length, widened by ``extra`` pixels."""
    shares = np.array(part)
    middle = points[bone] + shares[:, None] * (points[bone + 1] - points[bone])
    size = radii[bone] + shares * (radii[bone + 1] - radii[bone]) + extra
    return capsules(middle[:1], middle[1:], size[:1], size[1:])[0]


def _outlined(image: Image, shape: Outline, around: Outline, colour: Colour) -> None:
    fill_convex(image, around, shaded(colour, _OUTLINE_SHADE))
    fill_convex(image, shape, colour)
