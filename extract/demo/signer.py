"""A drawn signer: body, look, habits and framing, all drawn from one integer seed.

Lengths are in units of the average distance between the shoulder joints; colours are RGB 0..255.
Below them the two shapes that every signer shares: the arm that reaches a point, and the face.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64

Colour = tuple[float, float, float]
HairStyle = Literal["none", "short", "long", "bun"]
ClothPattern = Literal["plain", "stripes", "buttons", "print"]

_SKIN_TONES: tuple[Colour, ...] = (
    (246.0, 214.0, 190.0), (234.0, 192.0, 160.0), (222.0, 172.0, 134.0), (198.0, 144.0, 104.0),
    (164.0, 112.0, 76.0), (128.0, 84.0, 56.0), (94.0, 62.0, 44.0), (240.0, 200.0, 178.0),
)  # fmt: skip
_HAIR_COLOURS: tuple[Colour, ...] = (
    (28.0, 22.0, 20.0), (62.0, 40.0, 26.0), (104.0, 66.0, 36.0), (168.0, 124.0, 66.0),
    (206.0, 176.0, 112.0), (140.0, 138.0, 136.0),
)  # fmt: skip


@dataclass(frozen=True)
class Proportions:
    """Lengths and thickness factors of a body."""

    shoulders: float
    torso: float
    hips: float
    upper_arm: float
    forearm: float
    hand: float
    neck: float
    head_width: float
    head_height: float
    arm_thickness: float
    finger_thickness: float

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Proportions":
        """Draws one; the order of the draws decides who is drawn."""
        return cls(
            shoulders=rng.uniform(0.88, 1.1),
            torso=rng.uniform(1.22, 1.45),
            hips=rng.uniform(0.62, 0.9),
            upper_arm=rng.uniform(0.76, 0.9),
            forearm=rng.uniform(0.66, 0.78),
            hand=rng.uniform(0.5, 0.6),
            neck=rng.uniform(0.14, 0.22),
            head_width=rng.uniform(0.48, 0.57),
            head_height=rng.uniform(0.66, 0.76),
            arm_thickness=rng.uniform(0.85, 1.2),
            finger_thickness=rng.uniform(0.88, 1.15),
        )


@dataclass(frozen=True)
class Look:
    """Colours and clothing; ``sleeve`` counts from the shoulder: 1 the elbow, 2 the wrist."""

    skin: Colour
    hair: Colour
    hair_style: HairStyle
    cloth: Colour
    cloth_detail: Colour
    pattern: ClothPattern
    sleeve: float
    neckline: float
    lips: Colour
    brow_thickness: float
    has_glasses: bool
    has_beard: bool

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Look":
        """Draws one; the order of the draws decides who is drawn."""
        skin = _near(_SKIN_TONES[rng.integers(len(_SKIN_TONES))], 10.0, rng)
        red, green, blue = skin
        return cls(
            skin=skin,
            hair=_near(_HAIR_COLOURS[rng.integers(len(_HAIR_COLOURS))], 12.0, rng),
            hair_style=("none", "short", "short", "long", "long", "bun")[rng.integers(6)],
            cloth=_any_colour(rng),
            cloth_detail=_any_colour(rng),
            pattern=("plain", "plain", "stripes", "buttons", "print")[rng.integers(5)],
            sleeve=(0.45, 0.65, 1.1, 1.95, 1.95, 1.95)[rng.integers(6)] + rng.uniform(-0.1, 0.04),
            neckline=rng.uniform(0.06, 0.3),
            lips=(min(red * 0.9 + 12, 255), green * 0.62, blue * 0.64),
            brow_thickness=rng.uniform(0.8, 1.6),
            has_glasses=bool(rng.random() < 0.2),
            has_beard=bool(rng.random() < 0.15),
        )


@dataclass(frozen=True)
class Habits:
    """How a person signs; ``pace`` and ``amplitude`` are factors, angles are radians."""

    is_left_handed: bool
    pace: float
    amplitude: float
    lift: float
    sway: float
    head_motion: float
    mouthing: float
    rest_out: float
    rest_down: float

    @classmethod
    def sample(cls, rng: np.random.Generator) -> "Habits":
        """Draws one; the order of the draws decides who is drawn."""
        return cls(
            is_left_handed=bool(rng.random() < 0.2),
            pace=rng.uniform(0.85, 1.2),
            amplitude=rng.uniform(0.85, 1.15),
            lift=rng.uniform(-0.06, 0.06),
            sway=rng.uniform(0.01, 0.045),
            head_motion=rng.uniform(0.03, 0.14),
            mouthing=rng.uniform(0.4, 1.0),
            rest_out=rng.uniform(0.1, 0.5),
            rest_down=rng.uniform(0.98, 1.18),
        )


@dataclass(frozen=True)
class Framing:
    """Where the body is in the picture, in fractions of the picture's height."""

    unit: float
    centre_offset: float
    top_margin: float

    @classmethod
    def sample(cls, rng: np.random.Generator, proportions: Proportions) -> "Framing":
        """Most pictures end near the hips; some are wider or closer."""
        top_margin = rng.uniform(0.06, 0.18)
        head_and_torso = proportions.neck + proportions.head_height + proportions.torso
        shown = head_and_torso * rng.uniform(0.93, 1.2)
        return cls(
            unit=(1 - top_margin) / shown,
            centre_offset=rng.uniform(-0.07, 0.07),
            top_margin=top_margin,
        )


@dataclass(frozen=True)
class Signer:
    """Everything that stays the same over a signer's videos."""

    seed: int
    proportions: Proportions
    look: Look
    habits: Habits
    framing: Framing


def sample_signer(seed: int) -> Signer:
    """The signer of this seed; the same seed always gives the same person."""
    rng = np.random.Generator(np.random.PCG64([seed, 1]))
    proportions = Proportions.sample(rng)
    return Signer(
        seed=seed,
        proportions=proportions,
        look=Look.sample(rng),
        habits=Habits.sample(rng),
        framing=Framing.sample(rng, proportions),
    )


def head_centre_height(proportions: Proportions) -> float:
    """Height of the head's centre over the shoulder line."""
    return proportions.neck + 0.5 * proportions.head_height


def _near(colour: Colour, spread: float, rng: np.random.Generator) -> Colour:
    red, green, blue = np.clip(np.array(colour) + rng.uniform(-spread, spread, 3), 8, 250)
    return float(red), float(green), float(blue)


def _any_colour(rng: np.random.Generator) -> Colour:
    """Any colour, dark and muted ones more often, as clothes are."""
    grey = rng.uniform(20, 235)
    return _near((grey, grey, grey), rng.uniform(5, 90), rng)


_POLE = np.array([0.45, 1.0, -0.45])
"""The direction that an elbow prefers: down, outward and a little to the back."""

_LONGEST_REACH = 0.995
"""Fraction of the arm's length that it stretches to at most."""


def bend_arm(
    shoulder: Float64[np.ndarray, "frame coordinate=3"],
    wrist: Float64[np.ndarray, "frame coordinate=3"],
    upper: float,
    lower: float,
) -> tuple[Float64[np.ndarray, "frame coordinate=3"], Float64[np.ndarray, "frame coordinate=3"]]:
    """The elbow, and the wrist as near to the target as the arm reaches; x points outward.

    ``upper`` and ``lower`` are the lengths of the two bones, kept exactly.
    """
    # Two bones of fixed length: the elbow lies on a circle around the line to the wrist.
    towards = wrist - shoulder
    distance = np.linalg.norm(towards, axis=1, keepdims=True)
    axis = towards / np.maximum(distance, 1e-9)
    shortest = abs(upper - lower) * 1.05 + 1e-6
    reach = np.clip(distance, shortest, _LONGEST_REACH * (upper + lower))
    along = (upper**2 - lower**2 + reach**2) / (2 * reach)
    height = np.sqrt(np.maximum(upper**2 - along**2, 0))
    # Of all elbows at these distances, the one that lies most in the preferred direction.
    sideways = _POLE - (axis @ _POLE)[:, None] * axis
    sideways /= np.maximum(np.linalg.norm(sideways, axis=1, keepdims=True), 1e-9)
    return shoulder + along * axis + height * sideways, shoulder + reach * axis


# The 68 facial points are in iBUG order (ibug.doc.ic.ac.uk/resources/facial-point-annotations):
# jaw 17, brows 2 x 5, nose 9, eyes 2 x 6, mouth 20; each part begins on the picture's left. Head
# axes: u from the picture's left to its right in half head widths, v from the top (-1) to the chin
# (1) in half head heights, w towards the camera in half head widths.
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
    # The jaw is a half ellipse from ear to ear; the chin drops as the mouth opens.
    angle = np.linspace(0, np.pi, 17)
    height = np.sin(angle) ** 0.85
    points[:, JAW, 0] = -np.cos(angle) * (1 - 0.12 * np.sin(angle) ** 2)
    points[:, JAW, 1] = -0.02 + (1.0 + 0.05 * mouth_open[:, None] - 0.02) * height
    points[:, JAW, 2] = 0.1 + 0.5 * height
    # One brow mirrors the other.
    points[:, RIGHT_BROW, 0] = np.linspace(-0.72, -0.17, 5)
    points[:, RIGHT_BROW, 1] = (
        np.array([-0.22, -0.30, -0.33, -0.31, -0.27]) - 0.05 * brow_raise[:, None]
    )
    points[:, RIGHT_BROW, 2] = (0.7, 0.85, 0.95, 1.0, 1.0)
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
    # The mouth narrows as it opens.
    points[:, OUTER_LIPS] = _lips(_OUTER_LIPS, 0.32, 0.075 + 0.11 * mouth_open, mouth_open)
    points[:, INNER_LIPS] = _lips(_INNER_LIPS, 0.30, 0.012 + 0.11 * mouth_open, mouth_open)
    return points


def skull_points() -> Float64[np.ndarray, "joint=15 coordinate=3"]:
    """The outline of the head above the ears."""
    angle = np.linspace(0, np.pi, NUM_SKULL_POINTS)
    return np.column_stack(
        [np.cos(angle), -0.06 - 0.94 * np.sin(angle) ** 0.8, np.zeros(NUM_SKULL_POINTS)]
    )


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
