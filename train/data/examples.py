"""The examples of a split, one by one: for evaluation as they are, for training changed at random.

Both are ``torch`` datasets, which read in whatever process they are asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from torch.utils.data import Dataset

from train.data.clip_augmentation import drop_clips, noisy_features
from train.data.keypoint_augmentation import change_keypoints
from train.data.random_generators import example_generator
from train.data.retrieval_data import SplitVideos
from train.data.sentence_augmentation import swap_two_words
from train.data.sign_reader import SignExample, SignReader
from train.settings import AugmentationSettings


class ExampleKey(NamedTuple):
    """Which example, in which epoch's version of it."""

    epoch: int
    place: int
    """Place of the video in its split."""


@dataclass(frozen=True)
class TrainingExample:
    """A video with its sentence and the sentence's augmented twin."""

    signs: SignExample
    sentence: str
    augmented: str


class SignDataset(Dataset[SignExample]):
    """Videos as they are in the stores."""

    def __init__(self, reader: SignReader, videos: SplitVideos) -> None:
        """Reads nothing yet."""
        self._reader = reader
        self._video_ids = [video.video_id for video in videos]

    def __len__(self) -> int:
        """Number of videos."""
        return len(self._video_ids)

    def __getitem__(self, place: int) -> SignExample:
        """The video at a place of the split."""
        return self._reader.read(self._video_ids[place])


class TrainingDataset(Dataset[TrainingExample]):
    """Videos and sentences, changed at random: by seed, epoch and place, and nothing else."""

    def __init__(
        self, reader: SignReader, videos: SplitVideos, settings: AugmentationSettings, seed: int
    ) -> None:
        """Reads nothing yet."""
        self._signs = SignDataset(reader, videos)
        self._sentences: Sequence[str] = [video.text for video in videos]
        self._settings = settings
        self._seed = seed

    def __getitem__(self, key: ExampleKey) -> TrainingExample:
        """The video at a place of the split, as it is in an epoch."""
        generator = example_generator(self._seed, key.epoch, key.place)
        sentence = self._sentences[key.place]
        return TrainingExample(
            signs=change_signs(self._signs[key.place], self._settings, generator),
            sentence=sentence,
            augmented=swap_two_words(sentence, self._settings.swap_words, generator),
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
