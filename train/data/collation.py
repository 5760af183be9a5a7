"""Examples are read, augmented, and become a batch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from train.batches import ClipLayout, PoseBatch, SignBatch, TrainingBatch
from train.data.augmentation import change_keypoints, drop_clips, noisy_features, swap_two_words
from train.data.sign_reader import PoseExample, SignExample, SignReader
from train.data.store_rows import LocatedVideo
from train.random_states import example_generator
from train.settings import AugmentationSettings
from train.text.text_encoder import Tokenizer


class ExampleKey(NamedTuple):
    """Which example, in which epoch's version of it, and all that reading it needs."""

    epoch: int
    place: int
    """Place of the video in its split."""
    video: LocatedVideo
    sentence: str


@dataclass(frozen=True)
class TrainingExample:
    """A video with its sentence and the sentence's augmented twin."""

    signs: SignExample
    sentence: str
    augmented: str


@dataclass(frozen=True)
class ExampleReader:
    """Videos and sentences, changed at random: by seed, epoch and place, and nothing else."""

    signs: SignReader
    settings: AugmentationSettings
    seed: int

    def read(self, key: ExampleKey) -> TrainingExample:
        """The video at a place of the split, as it is in an epoch."""
        generator = example_generator(self.seed, key.epoch, key.place)
        return TrainingExample(
            signs=change_signs(self.signs.read(key.video), self.settings, generator),
            sentence=key.sentence,
            augmented=swap_two_words(key.sentence, self.settings.swap_words, generator),
        )


def change_signs(
    example: SignExample, settings: AugmentationSettings, generator: np.random.Generator
) -> SignExample:
    """The video with the changes that the settings ask for."""
    pose, rgb = example.pose, example.rgb
    if pose is not None:
        pose = replace(pose, frames=change_keypoints(pose.frames, settings, generator))
    if rgb is not None and settings.rgb_noise:
        rgb = noisy_features(rgb, settings.rgb_noise, generator)
    return drop_clips(SignExample(pose, rgb), settings.drop_clips, generator)


FRAMES_AFTER_A_VIDEO = 4
"""Zero frames that follow every video: as far as the frame-wise temporal blocks of the pose encoder
look ahead, so that no video sees how long the others are."""


def collate_signs(examples: Sequence[SignExample], layout: ClipLayout) -> SignBatch:
    """The examples in their order, each with ``layout.num_slots`` clip slots."""
    num_clips = torch.tensor([example.num_clips for example in examples])
    poses = [example.pose for example in examples if example.pose is not None]
    features = [example.rgb for example in examples if example.rgb is not None]
    return SignBatch(
        clip_is_real=torch.arange(layout.num_slots) < num_clips[:, None],
        pose=_collate_poses(poses, layout.num_slots) if poses else None,
        rgb=_padded(features, layout.num_slots) if features else None,
    )


@dataclass(frozen=True)
class SignBatchReader:
    """Reads videos alone into a batch. May be sent to another process."""

    reader: SignReader
    layout: ClipLayout

    def __call__(self, videos: Sequence[LocatedVideo]) -> SignBatch:
        """The videos in their order."""
        return collate_signs([self.reader.read(video) for video in videos], self.layout)


@dataclass(frozen=True)
class UntokenisedBatch:
    """Videos with sentences as they are written: tokenizers stay in the main process, because
    their libraries are large."""

    signs: SignBatch
    sentences: list[str]
    augmented: list[str]


@dataclass(frozen=True)
class TrainingBatchReader:
    """Reads examples of training into a batch. May be sent to another process."""

    reader: ExampleReader
    layout: ClipLayout

    def __call__(self, keys: Sequence[ExampleKey]) -> UntokenisedBatch:
        """The examples in their order."""
        return collate_examples([self.reader.read(key) for key in keys], self.layout)


def collate_examples(examples: Sequence[TrainingExample], layout: ClipLayout) -> UntokenisedBatch:
    """The examples in their order."""
    return UntokenisedBatch(
        signs=collate_signs([example.signs for example in examples], layout),
        sentences=[example.sentence for example in examples],
        augmented=[example.augmented for example in examples],
    )


def tokenised(batch: UntokenisedBatch, tokenizer: Tokenizer) -> TrainingBatch:
    """The batch with token numbers for its sentences."""
    return TrainingBatch(batch.signs, tokenizer(batch.sentences), tokenizer(batch.augmented))


def _padded(arrays: Sequence[np.ndarray], length: int, value: int = 0) -> Tensor:
    """A tensor with one row an array, each filled up with ``value`` to ``length``."""
    first = arrays[0]
    filled = np.empty((len(arrays), length, *first.shape[1:]), first.dtype)
    for row, array in zip(filled, arrays, strict=True):
        row[: len(array)] = array
        row[len(array) :] = value
    return torch.from_numpy(filled)


def _collate_poses(poses: Sequence[PoseExample], num_slots: int) -> PoseBatch:
    frames = [pose.frames for pose in poses]
    length = max(video.num_frames for video in frames) + FRAMES_AFTER_A_VIDEO
    return PoseBatch(
        right=_padded([video.right for video in frames], length),
        left=_padded([video.left for video in frames], length),
        body=_padded([video.body for video in frames], length),
        clip_starts=_padded([pose.clip_starts for pose in poses], num_slots, -1),
    )
