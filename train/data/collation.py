"""Puts examples side by side into one batch, filled up with zeros."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from train.batches import ClipLayout, PoseBatch, SignBatch, TrainingBatch
from train.data.examples import ExampleKey, ExampleReader, TrainingExample
from train.data.sign_reader import PoseExample, SignExample, SignReader
from train.data.store_rows import LocatedVideo
from train.text.tokenizer import Tokenizer

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
