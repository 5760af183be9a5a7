"""How a signer signs a sentence, frame by frame: shapes of the hands, and their ways.

The hand's own axes: x to the thumb's side, y along the straight fingers, z out of the palm. Its
unit is the hand's length, wrist to tip of the middle finger. Joint order: COCO-WholeBody's (wrist,
then thumb to little finger with four joints each). Positions of hands are in shoulder widths from
the middle of the shoulders: x out to the hand's own side, y down, z to the camera. Mirroring for
the left or right side is :mod:`extract.demo.skeleton`'s.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from extract.demo.language import GLOSS_BY_NAME, PLACES, Gloss, HandForm
from extract.demo.signer import Signer, head_centre_height

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
    # Five fingers of four angles each: the thumb moves otherwise than the rest.
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
    # Each joint bends on from the one before it.
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
    # eigh sorts eigenvalues upwards: the last eigenvector is that of the largest, the rotation.
    return np.linalg.eigh(symmetric)[1][:, -1]


def align_signs(
    quaternions: Float64[np.ndarray, "frame coordinate=4"],
) -> Float64[np.ndarray, "frame coordinate=4"]:
    """The same orientations, each written so that blending with the one before is the short way."""
    aligned = quaternions.copy()
    for later in range(1, len(aligned)):
        # A quaternion and its negative are the same rotation.
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


MOVE_SECONDS = 0.25
"""From one gloss to the next."""

RETURN_SECONDS = 1.3 * MOVE_SECONDS
"""From the last gloss to rest."""

_TAP_LENGTH = 0.24
_SHAKE_WIDTH = 0.2
_CIRCLE_RADIUS = 0.2
_ARC_BULGE = 0.26

_REST_FORM = HandForm("relaxed", "down+in", "in+back")


@dataclass(frozen=True)
class Stroke:
    """When a gloss is signed, in seconds."""

    gloss: Gloss
    begin: float
    end: float

    def phase(self, times: Float64[np.ndarray, " frame"]) -> Float64[np.ndarray, " frame"]:
        """How much of the gloss is done at each time: 0 before it, 1 after it."""
        return np.clip((times - self.begin) / (self.end - self.begin), 0, 1)


@dataclass(frozen=True)
class HandTrack:
    """One hand over time: centre of the palm, orientation (quaternion) and finger angles."""

    centre: Float64[np.ndarray, "frame coordinate=3"]
    turn: Float64[np.ndarray, "frame coordinate=4"]
    angles: Float64[np.ndarray, "frame joint=20"]


@dataclass(frozen=True)
class _Key:
    """A hand at one moment."""

    centre: Float64[np.ndarray, "coordinate=3"]
    form: HandForm


def hand_track(
    strokes: list[Stroke],
    times: Float64[np.ndarray, " frame"],
    signer: Signer,
    amplitude: float,
    jitter: Float64[np.ndarray, "coordinate=3"],
    *,
    is_signing_hand: bool,
) -> HandTrack:
    """The track of the signing hand or of the other one, from rest to rest.

    ``jitter`` shifts the positions of all glosses, ``amplitude`` scales them.
    """
    habits = signer.habits
    rest = _Key(np.array([habits.rest_out, habits.rest_down, 0.36]), _REST_FORM)
    # Two keys a gloss, its begin and its end; the hand eases from one key to the next, except
    # within strokes, which have a pace of their own.
    keys, moments = [rest, rest], [-1.0, max(strokes[0].begin - MOVE_SECONDS, 0.0)]
    offset = np.zeros((len(times), 3))
    progress_of: dict[int, Float64[np.ndarray, " frame"]] = {}
    for stroke in strokes:
        pair = _keys(stroke.gloss, signer, rest, amplitude, is_signing_hand=is_signing_hand)
        phase = stroke.phase(times)
        if is_signing_hand or stroke.gloss.other == "mirror":
            # Under the index that the first of the stroke's keys is about to get.
            progress_of[len(keys)] = _progress(stroke.gloss, phase)
            offset += amplitude * _path_offset(stroke.gloss, phase)
        keys += [_Key(key.centre + jitter, key.form) for key in pair]
        moments += [stroke.begin, stroke.end]
    keys.append(rest)
    moments.append(strokes[-1].end + RETURN_SECONDS)
    return _interpolate(keys, np.array(moments), times, offset, progress_of)


def _keys(
    gloss: Gloss, signer: Signer, rest: _Key, amplitude: float, *, is_signing_hand: bool
) -> tuple[_Key, _Key]:
    """Where one hand is at the begin and the end of a gloss."""
    # The other hand rests, holds a base, or mirrors the signing hand.
    if not is_signing_hand and gloss.other == "rest":
        return rest, rest
    if not is_signing_hand and gloss.base is not None:
        base = _Key(_place(gloss.base_at, signer, amplitude), gloss.base)
        return base, base
    begin = _Key(_place(gloss.at, signer, amplitude), gloss.start)
    end = _Key(_place(gloss.to or gloss.at, signer, amplitude), gloss.end or gloss.start)
    return begin, end


def _place(name: str, signer: Signer, amplitude: float) -> Float64[np.ndarray, "coordinate=3"]:
    part, *offset = PLACES[name]
    if part == "head":
        return np.array(offset) - (0, head_centre_height(signer.proportions), 0)
    out, down, forward = offset
    return np.array([out * amplitude, down + signer.habits.lift, forward * amplitude])


def _progress(gloss: Gloss, phase: Float64[np.ndarray, " frame"]) -> Float64[np.ndarray, " frame"]:
    """How far a hand is between its two keys; a repeated path goes back and comes again."""
    if gloss.path == "shake":
        return 0.5 - 0.5 * np.cos(2 * np.pi * gloss.repeats * phase)
    if gloss.path in ("straight", "arc"):
        return 0.5 - 0.5 * np.cos(np.pi * (2 * gloss.repeats - 1) * phase)
    return _ease(phase)


def _path_offset(
    gloss: Gloss, phase: Float64[np.ndarray, " frame"]
) -> Float64[np.ndarray, "frame coordinate=3"]:
    """What the path adds to the straight line between its keys; fades in and out at its ends."""
    angle = np.pi * gloss.repeats * phase
    # The offset vanishes at both ends, where the next movement takes over.
    fade = np.minimum(1, 8 * np.minimum(phase, 1 - phase))[:, None]
    zero = np.zeros_like(phase)
    if gloss.path == "tap":
        return -_TAP_LENGTH * fade * np.cos(angle)[:, None] ** 2 * direction(gloss.start.palm)
    if gloss.path == "shake":
        return _SHAKE_WIDTH * fade * np.stack([np.sin(2 * angle), zero, zero], axis=1)
    if gloss.path == "circle":
        return _CIRCLE_RADIUS * fade * np.stack([1 - np.cos(2 * angle), np.sin(2 * angle), zero], 1)
    if gloss.path == "arc":
        return _ARC_BULGE * np.sin(np.pi * _progress(gloss, phase))[:, None] * direction("up+out")
    return np.zeros((len(phase), 3))


def _interpolate(
    keys: list[_Key],
    moments: Float64[np.ndarray, " _"],
    times: Float64[np.ndarray, " frame"],
    offset: Float64[np.ndarray, "frame coordinate=3"],
    progress_of: dict[int, Float64[np.ndarray, " frame"]],
) -> HandTrack:
    """Blends between the keys around each time; a stroke (by its first key) has its own pace."""
    # Which two keys each frame lies between, and how far it has come from the first.
    before = np.clip(np.searchsorted(moments, times, side="right") - 1, 0, len(keys) - 2)
    # The bound from below is for two keys at one moment.
    blend = _ease((times - moments[before]) / np.maximum(np.diff(moments)[before], 1e-6))
    for first_key, progress in progress_of.items():
        blend = np.where(before == first_key, progress, blend)
    turns = np.stack([orientation(key.form.fingers, key.form.palm) for key in keys])
    return HandTrack(
        centre=_blend(np.stack([key.centre for key in keys]), before, blend) + offset,
        turn=_blend(align_signs(turns), before, blend),
        angles=_blend(np.stack([HAND_SHAPES[key.form.shape] for key in keys]), before, blend),
    )


def _blend(
    values: Float64[np.ndarray, "_ _"],
    before: Int64[np.ndarray, " frame"],
    blend: Float64[np.ndarray, " frame"],
) -> Float64[np.ndarray, "frame _"]:
    return values[before] + blend[:, None] * (values[before + 1] - values[before])


def _ease(phase: Float64[np.ndarray, " frame"]) -> Float64[np.ndarray, " frame"]:
    """Starts and ends at rest."""
    phase = np.clip(phase, 0, 1)
    return phase * phase * (3 - 2 * phase)


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
    # The mouth opens once for each syllable of a gloss.
    opening = np.zeros_like(times)
    for stroke in strokes:
        opening += np.sin(np.pi * stroke.gloss.mouthings * stroke.phase(times)) ** 2
    # The draws follow one another as the fields do: their order decides the motion.
    return Motion(
        signing_hand=tracks[0],
        other_hand=tracks[1],
        sway=_wander(times, 2, habits.sway, rng),
        head_turn=_wander(times, 3, habits.head_motion, rng),
        mouth_open=opening * habits.mouthing,
        eye_open=1 - np.exp(-(((times - rng.uniform(0, 3)) / 0.09) ** 2)),  # one blink
        brow_raise=_wander(times, 1, 0.5, rng)[:, 0],
    )


def _schedule(
    glosses: list[Gloss], signer: Signer, rng: np.random.Generator
) -> tuple[list[Stroke], float]:
    """When each gloss is signed, and how long the video is."""
    pace = rng.uniform(0.94, 1.06) / signer.habits.pace
    # Seconds since the video began; every gloss moves it on.
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
    # Three slow sines of random rates and phases never look like a rhythm.
    rates = rng.uniform(0.15, 0.9, (channels, 3))
    starts = rng.uniform(0, 2 * np.pi, (channels, 3))
    waves = np.sin(2 * np.pi * rates * times[:, None, None] + starts)
    return amount * waves.mean(axis=-1) * 1.7
