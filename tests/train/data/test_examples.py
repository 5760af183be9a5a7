import numpy as np
import pytest
from small_stores import small_data_set

from train.data.collation import ExampleKey, ExampleReader
from train.data.retrieval_data import open_data
from train.settings import AugmentationSettings, TrainSettings

EVERYTHING = AugmentationSettings(
    rotate_degrees=10, scale=0.1, jitter=1.0, mirror=0.5, drop_frames=0.1, drop_clips=0.3,
    rgb_noise=0.1,
)  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return open_data(TrainSettings(), "fusion", **small_data_set(tmp_path_factory.mktemp("data")))


def training(data, settings=EVERYTHING, seed=0):
    return ExampleReader(data.reader, settings, seed)


def key_of(data, epoch, place):
    video = data.split("train")[place]
    return ExampleKey(epoch, place, data.reader.locate(video.video_id), video.text)


def test_an_example_depends_on_seed_epoch_and_place_alone(data):
    key = key_of(data, epoch=3, place=2)
    first = training(data).read(key)
    others = training(data)
    for place in range(6):
        others.read(key_of(data, 1, place))
    again = others.read(key)
    np.testing.assert_array_equal(again.signs.rgb, first.signs.rgb)
    np.testing.assert_array_equal(again.signs.pose.frames.body, first.signs.pose.frames.body)
    assert again.augmented == first.augmented
    for other in (training(data).read(key_of(data, 4, 2)), training(data, seed=1).read(key)):
        assert not np.array_equal(other.signs.pose.frames.body, first.signs.pose.frames.body)


def test_without_augmentation_only_sentences_change(data):
    key = key_of(data, 0, 1)
    example = training(data, AugmentationSettings(swap_words=1.0)).read(key)
    plain = data.reader.read(key.video)
    np.testing.assert_array_equal(example.signs.rgb, plain.rgb)
    np.testing.assert_array_equal(example.signs.pose.frames.right, plain.pose.frames.right)
    assert example.sentence == "rain in the north"
    assert example.augmented != example.sentence
    assert sorted(example.augmented.split()) == sorted(example.sentence.split())


def test_streams_keep_the_same_clips(data):
    for epoch in range(10):
        key = key_of(data, epoch, 2)
        signs = training(data, AugmentationSettings(drop_clips=0.5)).read(key).signs
        np.testing.assert_array_equal(signs.rgb[:, 1], 3 * signs.pose.clip_starts)
