"""Examples are read, augmented, and become a batch."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from seds_core.errors import UsageError, first_names
from train.batches import ClipLayout, PoseBatch, SignBatch, TrainingBatch
from train.data.augmentation import change_keypoints, drop_clips, noisy_features, swap_two_words
from train.data.sign_reader import LocatedVideo, SignExample, SignReader
from train.random_states import example_generator
from train.settings import AugmentationSettings
from train.text.text_encoder import Tokenizer

FRAMES_AFTER_A_VIDEO = 4
"""Zero frames that follow every video: as far as the frame-wise temporal blocks of the pose encoder
look ahead, so that no video's features depend on how long the others are."""

NOT_FINITE = "hold numbers that are not finite"
ADVICE = "extract these videos again, or leave them out of the index"

_NAMES_SHOWN = 10


class ExampleKey(NamedTuple):
    """Which example, in which epoch's version of it, and all that reading it needs."""

    epoch: int
    position: int
    """Of the video in its split."""
    video: LocatedVideo
    sentence: str


def read_example(
    reader: SignReader, settings: AugmentationSettings, seed: int, key: ExampleKey
) -> tuple[SignExample, str]:
    """Reads a video, and returns it and its sentence as they are in an epoch.

    What changes at random depends on seed, epoch and the video's position, and nothing else.
    """
    # One generator for all changes: their order decides which numbers each of them gets.
    generator = example_generator(seed, key.epoch, key.position)
    signs = change_signs(reader.read(key.video), settings, generator)
    return signs, swap_two_words(key.sentence, settings.swap_words, generator)


def change_signs(
    example: SignExample, settings: AugmentationSettings, generator: np.random.Generator
) -> SignExample:
    """Makes the changes that the settings ask for."""
    pose, rgb = example.pose, example.rgb
    if pose is not None:
        pose = change_keypoints(pose, settings, generator)
    if rgb is not None and settings.rgb_noise:
        rgb = noisy_features(rgb, settings.rgb_noise, generator)
    return drop_clips(replace(example, pose=pose, rgb=rgb), settings.drop_clips, generator)


@dataclass(frozen=True)
class UntokenisedBatch:
    """Videos with sentences as they are written.

    Tokenizers stay in the main process, because their libraries are large.
    """

    signs: SignBatch
    sentences: list[str]
    augmented: list[str]


def read_training_batch(
    reader: SignReader, settings: AugmentationSettings, seed: int, keys: Sequence[ExampleKey]
) -> UntokenisedBatch:
    """Reads examples into a batch, in their order; called in reading processes."""
    examples = [read_example(reader, settings, seed, key) for key in keys]
    return UntokenisedBatch(
        signs=collate_signs([signs for signs, _ in examples], reader.layout),
        sentences=[key.sentence for key in keys],
        augmented=[augmented for _, augmented in examples],
    )


def tokenised(batch: UntokenisedBatch, tokenizer: Tokenizer) -> TrainingBatch:
    """Returns the batch with token numbers for its sentences."""
    return TrainingBatch(batch.signs, tokenizer(batch.sentences), tokenizer(batch.augmented))


def read_signs(reader: SignReader, videos: Sequence[LocatedVideo]) -> SignBatch:
    """Reads videos into a batch, in their order; called in reading processes."""
    return collate_signs([reader.read(video) for video in videos], reader.layout)


def collate_signs(examples: Sequence[SignExample], layout: ClipLayout) -> SignBatch:
    """Puts examples together in their order, each with ``layout.num_slots`` clip slots."""
    # All examples have the same streams.
    num_clips = torch.tensor([example.num_clips for example in examples])
    poses = [example.pose for example in examples if example.pose is not None]
    starts = [example.clip_starts for example in examples if example.clip_starts is not None]
    features = [example.rgb for example in examples if example.rgb is not None]
    batch = None
    if poses:
        length = max(pose.num_frames for pose in poses) + FRAMES_AFTER_A_VIDEO
        batch = PoseBatch(
            right=_padded([pose.right for pose in poses], length),
            left=_padded([pose.left for pose in poses], length),
            body=_padded([pose.body for pose in poses], length),
            clip_starts=_padded(starts, layout.num_slots, -1),
        )
    return SignBatch(
        clip_is_real=torch.arange(layout.num_slots) < num_clips[:, None],
        pose=batch,
        rgb=_padded(features, layout.num_slots) if features else None,
    )


def _padded(arrays: Sequence[np.ndarray], length: int, value: int = 0) -> Tensor:
    """A tensor with one row an array, each filled up with ``value`` to ``length``."""
    first = arrays[0]
    # Left empty at first, since each value is written below, once.
    filled = np.empty((len(arrays), length, *first.shape[1:]), first.dtype)
    for row, array in zip(filled, arrays, strict=True):
        row[: len(array)] = array
        row[len(array) :] = value
    return torch.from_numpy(filled)


class UnusableVideosError(UsageError):
    """Videos whose stored numbers are not finite; the message names them."""


def named(video_ids: Sequence[str]) -> str:
    """Names the first ids, and counts the rest.

    >>> named(["a", "b"])
    "'a', 'b'"
    """
    return first_names([f"'{video_id}'" for video_id in video_ids], _NAMES_SHOWN)


def refuse_unusable(batch: SignBatch, video_ids: Sequence[str]) -> None:
    """Raises :class:`UnusableVideosError` if some of a batch's videos are not finite."""
    if rows := batch.unusable_rows():
        names = named([video_ids[row] for row in rows])
        raise UnusableVideosError(f"the features of {names} {NOT_FINITE}: {ADVICE}")


def usable_batches(batches: Iterable[SignBatch], video_ids: Sequence[str]) -> Iterator[SignBatch]:
    """Passes on batches that hold these videos in their order.

    Raises like :func:`refuse_unusable`.
    """
    # Index of the batch's first video among all.
    first = 0
    for batch in batches:
        refuse_unusable(batch, video_ids[first : first + batch.num_videos])
        first += batch.num_videos
        yield batch
