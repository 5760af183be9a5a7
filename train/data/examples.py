"""The examples of training, one by one: changed at random, in whatever process they are read."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from train.data.clip_augmentation import drop_clips, noisy_features
from train.data.keypoint_augmentation import change_keypoints
from train.data.random_generators import example_generator
from train.data.sentence_augmentation import swap_two_words
from train.data.sign_reader import SignExample, SignReader
from train.data.store_rows import LocatedVideo
from train.settings import AugmentationSettings


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
