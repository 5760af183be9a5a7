"""Turns a sequence of glosses into how a signer's hands, head and mouth move, frame by frame."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from extract.synthetic.hand_motion import (
    MOVE_SECONDS,
    RETURN_SECONDS,
    HandTrack,
    Stroke,
    hand_track,
)
from extract.synthetic.lexicon import GLOSS_BY_NAME, Gloss
from extract.synthetic.signer import Signer

FRAME_RATE = 12.5
"""Frames a second."""

_REST_SECONDS = 0.2
_STROKE_SECONDS = 0.28
_REPEAT_SECONDS = 0.14


@dataclass(frozen=True)
class Motion:
    """A signed sentence; angles in radians, openings from 0 (closed) to 1."""

    signing_hand: HandTrack
    other_hand: HandTrack
    sway: Float64[np.ndarray, "frame coordinate=2"]
    head_turn: Float64[np.ndarray, "frame coordinate=3"]
    mouth_open: Float64[np.ndarray, " frame"]
    eye_open: Float64[np.ndarray, " frame"]
    brow_raise: Float64[np.ndarray, " frame"]


def sign(glosses: tuple[str, ...], signer: Signer, take_seed: int) -> Motion:
    """The motion of one take: the same arguments give the same motion, another seed varies it."""
    rng = np.random.Generator(np.random.PCG64([signer.seed, take_seed, 2]))
    strokes, seconds = _schedule([GLOSS_BY_NAME[name] for name in glosses], signer, rng)
    times = np.arange(int(np.ceil(seconds * FRAME_RATE))) / FRAME_RATE
    amplitude = signer.habits.amplitude * rng.uniform(0.93, 1.07)
    jitter = rng.normal(0, 0.02, (2, 3))
    tracks = [
        hand_track(strokes, times, signer, amplitude, jitter[hand], is_signing_hand=hand == 0)
        for hand in (0, 1)
    ]
    habits = signer.habits
    return Motion(
        signing_hand=tracks[0],
        other_hand=tracks[1],
        sway=_wander(times, 2, habits.sway, rng),
        head_turn=_wander(times, 3, habits.head_motion, rng),
        mouth_open=_mouthing(strokes, times) * habits.mouthing,
        eye_open=_blinking(times, rng),
        brow_raise=_wander(times, 1, 0.5, rng)[:, 0],
    )


def _schedule(
    glosses: list[Gloss], signer: Signer, rng: np.random.Generator
) -> tuple[list[Stroke], float]:
    """When each gloss is signed, and how long the video is."""
    pace = rng.uniform(0.94, 1.06) / signer.habits.pace
    now = _REST_SECONDS * rng.uniform(0.6, 1.4)
    strokes = []
    for gloss in glosses:
        begin = now + pace * MOVE_SECONDS * rng.uniform(0.9, 1.15)
        stroke = _STROKE_SECONDS + _REPEAT_SECONDS * (gloss.repeats - 1)
        now = begin + pace * stroke * rng.uniform(0.9, 1.12)
        strokes.append(Stroke(gloss, begin, now))
    return strokes, now + pace * RETURN_SECONDS + _REST_SECONDS * rng.uniform(0.6, 1.4)


def _wander(
    times: Float64[np.ndarray, " frame"], channels: int, amount: float, rng: np.random.Generator
) -> Float64[np.ndarray, "frame _"]:
    """A slow, smooth, random to and fro: three sines for each channel."""
    rates = rng.uniform(0.15, 0.9, (channels, 3))
    starts = rng.uniform(0, 2 * np.pi, (channels, 3))
    waves = np.sin(2 * np.pi * rates * times[:, None, None] + starts)
    return amount * waves.mean(axis=-1) * 1.7


def _mouthing(
    strokes: list[Stroke], times: Float64[np.ndarray, " frame"]
) -> Float64[np.ndarray, " frame"]:
    """The mouth opens once for each syllable of a gloss."""
    opening = np.zeros_like(times)
    for stroke in strokes:
        opening += np.sin(np.pi * stroke.gloss.mouthings * stroke.phase(times)) ** 2
    return opening


def _blinking(
    times: Float64[np.ndarray, " frame"], rng: np.random.Generator
) -> Float64[np.ndarray, " frame"]:
    moment = rng.uniform(0, 3)
    return 1 - np.exp(-(((times - moment) / 0.09) ** 2))
