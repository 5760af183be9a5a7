"""Augmentation of clips, keypoints and sentences."""

import re
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64

from train.data.encoder_input import ENCODER_SIZE, PoseInput, at_frames
from train.data.sign_reader import PoseExample, SignExample
from train.settings import AugmentationSettings


def drop_clips(
    example: SignExample, probability: float, generator: np.random.Generator
) -> SignExample:
    """The example without some of its clips; each goes with ``probability``, one always stays."""
    is_kept = generator.random(example.num_clips) >= probability
    is_kept[generator.integers(example.num_clips)] = True
    return example if is_kept.all() else keep_clips(example, is_kept)


def keep_clips(example: SignExample, is_kept: Bool[np.ndarray, " clip"]) -> SignExample:
    """Only some of the clips; the keypoints of the others stay, as neighbours of what is kept."""
    pose, rgb = example.pose, example.rgb
    return SignExample(
        pose=None if pose is None else PoseExample(pose.frames, pose.clip_starts[is_kept]),
        rgb=None if rgb is None else rgb[is_kept],
    )


def noisy_features(
    features: Float32[np.ndarray, "clip rgb"], share: float, generator: np.random.Generator
) -> Float32[np.ndarray, "clip rgb"]:
    """Features with normal noise whose expected length is ``share`` of each vector's own.

    >>> noisy_features(np.zeros((1, 2), np.float32), 0.5, np.random.default_rng(0)).tolist()
    [[0.0, 0.0]]
    """
    size = np.sqrt(np.mean(features**2, axis=-1, keepdims=True))
    return features + share * size * generator.standard_normal(features.shape, dtype=np.float32)


# FROM train/data/keypoint_augmentation.py
# Changes the keypoints of training videos at random, in the units of the encoder's 256-pixel box.
#
# Every change is made to the whole video alike, except for noise and lost frames. (0, 0) means that
# a point is not seen, and stays (0, 0).


TIME_KNOTS = 4
"""Moments of a video whose displacements in time are drawn; the frames between them follow."""

_MIRRORED_BODY = (0, 4, 5, 6, 1, 2, 3)
"""For each point of the body, the one in whose place it is seen in a mirror."""


def change_keypoints(
    pose: PoseInput, settings: AugmentationSettings, generator: np.random.Generator
) -> PoseInput:
    """The video with the changes that the settings ask for."""
    if generator.random() < settings.mirror:
        pose = mirror(pose)
    turned = np.deg2rad(settings.rotate_degrees) * generator.standard_normal()
    scaled = np.exp(settings.scale * generator.standard_normal())
    pose = transform(pose, turned, scaled)
    if settings.shift:
        pose = shift(pose, settings.shift * generator.standard_normal(2))
    if settings.warp_time:
        pose = warp_time(pose, settings.warp_time * generator.standard_normal(TIME_KNOTS))
    if settings.jitter:
        pose = _with_noise(pose, settings.jitter, generator)
    return lose_frames(pose, generator.random(pose.num_frames) < settings.drop_frames)


def mirror(pose: PoseInput) -> PoseInput:
    """The video as a mirror shows it.

    Left hands are held mirrored already, so that the mirrored signer's right hand is the left one
    as it stands, and the other way round.
    """
    flipped = np.stack([ENCODER_SIZE - pose.body[..., 0], pose.body[..., 1]], axis=-1)
    body = _where_seen(pose.body, flipped)[:, _MIRRORED_BODY]
    return PoseInput(
        right=pose.left,
        left=pose.right,
        body=body,
        right_is_usable=pose.left_is_usable,
        left_is_usable=pose.right_is_usable,
    )


def transform(pose: PoseInput, angle: float, size: float) -> PoseInput:
    """Turns the image by ``angle`` radians about the middle of each box, and makes it ``size``
    times as large."""
    if angle == 0 and size == 1:
        return pose
    return replace(
        pose,
        right=_turned(pose.right, angle, size),
        left=_turned(pose.left, -angle, size),  # It is held mirrored, and so is its turn.
        body=_turned(pose.body, angle, size),
    )


def shift(pose: PoseInput, displacement: Float64[np.ndarray, " coordinate=2"]) -> PoseInput:
    """The signer elsewhere in the image; hands keep their boxes, which follow them."""
    return replace(pose, body=_where_seen(pose.body, pose.body + displacement))


def warp_time(pose: PoseInput, displacements: Float64[np.ndarray, " _"]) -> PoseInput:
    """Every frame shows what was seen some frames earlier or later.

    ``displacements`` are frames at evenly spread moments of the video, linear in between. Clips
    stay where they are, so that both streams still show the same moments, roughly.
    """
    frames = np.arange(pose.num_frames)
    moments = np.linspace(0, pose.num_frames - 1, len(displacements))
    places = np.round(frames + np.interp(frames, moments, displacements)).astype(np.int64)
    return at_frames(pose, places.clip(0, pose.num_frames - 1))


def lose_frames(pose: PoseInput, is_lost: Bool[np.ndarray, " frame"]) -> PoseInput:
    """The video with all keypoints of some frames not seen."""
    if not is_lost.any():
        return pose
    kept = ~is_lost
    factors = kept.astype(np.float32)[:, None, None]
    return PoseInput(
        right=pose.right * factors,
        left=pose.left * factors,
        body=pose.body * factors,
        right_is_usable=pose.right_is_usable & kept,
        left_is_usable=pose.left_is_usable & kept,
    )


def _with_noise(pose: PoseInput, deviation: float, generator: np.random.Generator) -> PoseInput:
    noisy = {
        part: _where_seen(points, points + deviation * _noise(points, generator))
        for part, points in (("right", pose.right), ("left", pose.left), ("body", pose.body))
    }
    return replace(pose, **noisy)


def _noise(
    points: Float32[np.ndarray, "frame joint coordinate"], generator: np.random.Generator
) -> Float32[np.ndarray, "frame joint coordinate"]:
    return generator.standard_normal(points.shape, dtype=np.float32)


def _turned(
    points: Float32[np.ndarray, "frame joint coordinate=2"], angle: float, size: float
) -> Float32[np.ndarray, "frame joint coordinate=2"]:
    cosine, sine = np.cos(angle), np.sin(angle)
    rotation = size * np.array([[cosine, -sine], [sine, cosine]])
    middle = ENCODER_SIZE / 2
    return _where_seen(points, (points - middle) @ rotation.T + middle)


def _where_seen(
    points: Float32[np.ndarray, "frame joint coordinate=2"],
    changed: Float[np.ndarray, "frame joint coordinate=2"],
) -> Float32[np.ndarray, "frame joint coordinate=2"]:
    """The changed points; (0, 0) where the unchanged ones are."""
    is_seen = (points != 0).any(axis=-1, keepdims=True)
    return np.where(is_seen, changed, 0).astype(np.float32)


# Scripts written without blanks between words: Thai, Lao, Burmese and Khmer, Japanese, Chinese.
_WITHOUT_BLANKS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
# Vowels and tones that stand above or below the letter before them, or lengthen it.
_MARKS = (
    "\u0e30-\u0e3a\u0e45\u0e47-\u0e4e\u0eb0-\u0ebc\u0ec8-\u0ece\u102b-\u103e\u17b4-\u17d3"
    "\u3099\u309a\u30fc\uff9e\uff9f"
)
# Vowels of Thai and Lao that are written before their letter.
_LEADING = "\u0e40-\u0e44\u0ec0-\u0ec4"
_CHARACTER = re.compile(rf"[{_WITHOUT_BLANKS}]")
_UNIT = re.compile(rf"[{_LEADING}]?[{_WITHOUT_BLANKS}][{_MARKS}]*|[^\W{_WITHOUT_BLANKS}]+")


def swap_two_words(sentence: str, probability: float, generator: np.random.Generator) -> str:
    """The sentence with two of its words, chosen at random, in each other's place.

    Happens with ``probability``; a sentence of fewer than two words stays as it is. Where a
    script has no blanks between words (Chinese, Japanese, Thai), characters are words; numbers
    and words of other scripts among them stay whole, and punctuation stays in its place.
    SEDS (arXiv 2407.16394).
    """
    words = sentence.split()
    if len(words) >= 2:
        places = _two_places(len(words), probability, generator)
        return " ".join(_swapped(words, places)) if places else sentence
    units = list(_UNIT.finditer(sentence)) if _CHARACTER.search(sentence) else []
    places = _two_places(len(units), probability, generator)
    if not places:
        return sentence
    texts = _swapped([unit[0] for unit in units], places)
    ends = [0, *(unit.end() for unit in units)]
    between = [sentence[end : unit.start()] for end, unit in zip(ends, units, strict=False)]
    pieces = zip(between, texts, strict=True)
    return "".join(f"{before}{text}" for before, text in pieces) + sentence[ends[-1] :]


def _two_places(
    count: int, probability: float, generator: np.random.Generator
) -> tuple[int, int] | None:
    if count < 2 or generator.random() >= probability:
        return None
    first, second = generator.choice(count, size=2, replace=False)
    return int(first), int(second)


def _swapped(words: list[str], places: tuple[int, int]) -> list[str]:
    first, second = places
    words[first], words[second] = words[second], words[first]
    return words
