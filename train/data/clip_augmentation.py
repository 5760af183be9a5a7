"""Changes the clips of training videos at random, those of both streams alike."""

import numpy as np
from jaxtyping import Bool, Float32

from train.data.sign_reader import PoseExample, SignExample


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
