"""Who signs: body, look, habits and place in the picture, all drawn from one integer seed.

Lengths are in units of the average distance between the shoulder joints; colours are RGB 0..255.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

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


@dataclass(frozen=True)
class Habits:
    """How somebody signs; ``pace`` and ``amplitude`` are factors, angles are radians."""

    is_left_handed: bool
    pace: float
    amplitude: float
    lift: float
    sway: float
    head_motion: float
    mouthing: float
    rest_out: float
    rest_down: float


@dataclass(frozen=True)
class Framing:
    """Where the body is in the picture, in fractions of the picture's height."""

    unit: float
    centre_offset: float
    top_margin: float


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
    proportions = _sample_proportions(rng)
    return Signer(
        seed=seed,
        proportions=proportions,
        look=_sample_look(rng),
        habits=_sample_habits(rng),
        framing=_sample_framing(rng, proportions),
    )


def head_centre_height(proportions: Proportions) -> float:
    """Height of the head's centre over the shoulder line."""
    return proportions.neck + 0.5 * proportions.head_height


def _sample_proportions(rng: np.random.Generator) -> Proportions:
    return Proportions(
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


def _sample_look(rng: np.random.Generator) -> Look:
    skin = _near(_SKIN_TONES[rng.integers(len(_SKIN_TONES))], 10.0, rng)
    red, green, blue = skin
    return Look(
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


def _sample_habits(rng: np.random.Generator) -> Habits:
    return Habits(
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


def _sample_framing(rng: np.random.Generator, proportions: Proportions) -> Framing:
    """Most pictures end near the hips; some are wider or closer."""
    top_margin = rng.uniform(0.06, 0.18)
    head_and_torso = proportions.neck + proportions.head_height + proportions.torso
    shown = head_and_torso * rng.uniform(0.93, 1.2)
    return Framing(
        unit=(1 - top_margin) / shown,
        centre_offset=rng.uniform(-0.07, 0.07),
        top_margin=top_margin,
    )


def _near(colour: Colour, spread: float, rng: np.random.Generator) -> Colour:
    red, green, blue = np.clip(np.array(colour) + rng.uniform(-spread, spread, 3), 8, 250)
    return float(red), float(green), float(blue)


def _any_colour(rng: np.random.Generator) -> Colour:
    """Any colour, dark and muted ones more often, as clothes are."""
    grey = rng.uniform(20, 235)
    return _near((grey, grey, grey), rng.uniform(5, 90), rng)
