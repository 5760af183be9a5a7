"""Random changes of clips, keypoints and sentences in training.

Keypoints are changed in units of the encoder's 256-pixel box, and the whole video alike, except for
noise and lost frames. (0, 0) means that a point is not seen, and stays (0, 0).
"""

import re
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64

from train.data.encoder_input import ENCODER_SIZE, PoseInput, at_frames
from train.data.sign_reader import SignExample
from train.settings import AugmentationSettings

TIME_KNOTS = 4
"""Moments of a video whose displacements in time are drawn; the frames between them follow."""

_MIRRORED_BODY = (0, 4, 5, 6, 1, 2, 3)
"""For each point of the body, the one that a mirror shows there."""

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


def drop_clips(
    example: SignExample, probability: float, generator: np.random.Generator
) -> SignExample:
    """Drops clips, each with ``probability``; one always stays."""
    is_kept = generator.random(example.num_clips) >= probability
    # Drawn in any case, so that later draws do not depend on the clips.
    is_kept[generator.integers(example.num_clips)] = True
    return example if is_kept.all() else keep_clips(example, is_kept)


def keep_clips(example: SignExample, is_kept: Bool[np.ndarray, " clip"]) -> SignExample:
    """Keeps some of the clips; the keypoints of the others stay, as neighbours of those kept."""
    starts, rgb = example.clip_starts, example.rgb
    return SignExample(
        pose=example.pose,
        clip_starts=None if starts is None else starts[is_kept],
        rgb=None if rgb is None else rgb[is_kept],
    )


def noisy_features(
    features: Float32[np.ndarray, "clip rgb"], fraction: float, generator: np.random.Generator
) -> Float32[np.ndarray, "clip rgb"]:
    """Adds normal noise whose expected length is a fraction of each vector's own.

    >>> noisy_features(np.zeros((1, 2), np.float32), 0.5, np.random.default_rng(0)).tolist()
    [[0.0, 0.0]]
    """
    # sqrt(d) times this is the length of the vector and of noise with this deviation in d features.
    size = np.sqrt(np.mean(features**2, axis=-1, keepdims=True))
    return features + fraction * size * generator.standard_normal(features.shape, dtype=np.float32)


def change_keypoints(
    pose: PoseInput, settings: AugmentationSettings, generator: np.random.Generator
) -> PoseInput:
    """Makes the changes that the settings ask for."""
    # These numbers are drawn even where the settings do not use them: a resumed run must draw what
    # it drew before.
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
        noisy = {}
        for part, points in (("right", pose.right), ("left", pose.left), ("body", pose.body)):
            noise = generator.standard_normal(points.shape, dtype=np.float32)
            noisy[part] = _where_seen(points, points + settings.jitter * noise)
        pose = replace(pose, **noisy)
    return lose_frames(pose, generator.random(pose.num_frames) < settings.drop_frames)


def mirror(pose: PoseInput) -> PoseInput:
    """Mirrors the video.

    Left hands are stored mirrored, so that the mirrored signer's right hand is the left one
    unchanged, and the other way round.
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
        left=_turned(pose.left, -angle, size),  # It is stored mirrored, and so is its turn.
        body=_turned(pose.body, angle, size),
    )


def shift(pose: PoseInput, displacement: Float64[np.ndarray, " coordinate=2"]) -> PoseInput:
    """Moves the signer in the image; hands stay as they are in their boxes, which move along."""
    return replace(pose, body=_where_seen(pose.body, pose.body + displacement))


def warp_time(pose: PoseInput, displacements: Float64[np.ndarray, " _"]) -> PoseInput:
    """Replaces every frame by one that is some frames earlier or later.

    ``displacements`` are frames at evenly spread moments of the video, linear in between. Clips
    stay where they are, so that both streams still show the same moments, roughly.
    """
    # Displacements at evenly spread knots, linear in between, rounded to whole frames.
    frames = np.arange(pose.num_frames)
    moments = np.linspace(0, pose.num_frames - 1, len(displacements))
    shown = np.round(frames + np.interp(frames, moments, displacements)).astype(np.int64)
    return at_frames(pose, shown.clip(0, pose.num_frames - 1))


def lose_frames(pose: PoseInput, is_lost: Bool[np.ndarray, " frame"]) -> PoseInput:
    """Hides all keypoints of some frames."""
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


def _turned(
    points: Float32[np.ndarray, "frame joint coordinate=2"], angle: float, size: float
) -> Float32[np.ndarray, "frame joint coordinate=2"]:
    cosine, sine = np.cos(angle), np.sin(angle)
    rotation = size * np.array([[cosine, -sine], [sine, cosine]])
    middle = ENCODER_SIZE / 2
    # Points are rows, so that the matrix that turns columns is transposed.
    return _where_seen(points, (points - middle) @ rotation.T + middle)


def _where_seen(
    points: Float32[np.ndarray, "frame joint coordinate=2"],
    changed: Float[np.ndarray, "frame joint coordinate=2"],
) -> Float32[np.ndarray, "frame joint coordinate=2"]:
    """Returns the changed points, and (0, 0) where the unchanged ones are."""
    is_seen = (points != 0).any(axis=-1, keepdims=True)
    return np.where(is_seen, changed, 0).astype(np.float32)


def swap_two_words(sentence: str, probability: float, generator: np.random.Generator) -> str:
    """Exchanges two words of a sentence, chosen at random, with ``probability``.

    A sentence of fewer than two words stays as it is. Where a script has no blanks between words
    (Chinese, Japanese, Thai), characters are words; numbers and words of other scripts among them
    stay whole, and punctuation stays where it is. SEDS (arXiv 2407.16394).
    """
    # In a script without blanks, ``separators`` are the texts before, between and after the words.
    words, separators = sentence.split(), None
    if len(words) < 2:
        units = list(_UNIT.finditer(sentence)) if _CHARACTER.search(sentence) else []
        words = [unit[0] for unit in units]
        starts = [*(unit.start() for unit in units), len(sentence)]
        separators = [
            sentence[end:start]
            for end, start in zip([0, *(unit.end() for unit in units)], starts, strict=True)
        ]
    if len(words) < 2 or generator.random() >= probability:
        return sentence
    first, second = generator.choice(len(words), size=2, replace=False)
    words[first], words[second] = words[second], words[first]
    if separators is None:
        return " ".join(words)
    # There is one separator more than there are words.
    pieces = zip(separators, [*words, ""], strict=True)
    return "".join(f"{before}{word}" for before, word in pieces)
