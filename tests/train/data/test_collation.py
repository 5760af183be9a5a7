"""Examples and their batches."""

import numpy as np
import pytest
import torch
from word_tokenizer import WordTokenizer

from reference.small_stores import LENGTHS, small_data_set
from train.data.collation import (
    ExampleKey,
    UntokenisedBatch,
    collate_signs,
    read_example,
    tokenised,
)
from train.data.retrieval_data import open_data
from train.random_states import dealing_generator, example_generator
from train.settings import AugmentationSettings, TrainSettings


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return open_data(TrainSettings(), "fusion", **small_data_set(tmp_path_factory.mktemp("data")))


def read(data, video_id):
    return data.reader.read(data.reader.locate(video_id))


def test_videos_are_filled_up_with_zeros(data):
    examples = [read(data, video_id) for video_id in "bca"]
    batch = collate_signs(examples, data.layout)
    assert batch.clip_is_real.shape == (3, 6)
    assert batch.pose.right.shape == (3, 32 + 4, 21, 2)  # 95 frames: every third of them
    for row, example in enumerate(examples):
        clips, frames = example.num_clips, example.pose.num_frames
        assert batch.clip_is_real[row].tolist() == [slot < clips for slot in range(6)]
        assert batch.pose.clip_starts[row].tolist() == [
            *example.clip_starts.tolist(), *[-1] * (6 - clips)
        ]  # fmt: skip
        np.testing.assert_array_equal(batch.rgb[row, :clips], example.rgb)
        assert not batch.rgb[row, clips:].any()
        for part in ("right", "left", "body"):
            values = getattr(batch.pose, part)[row]
            np.testing.assert_array_equal(values[:frames], getattr(example.pose, part))
            assert not values[frames:].any()
            assert len(values[frames:]) >= 4
    assert batch.pose.clip_starts.dtype == torch.int64
    assert batch.rgb.dtype == batch.pose.body.dtype == torch.float32


def test_a_video_is_the_same_in_any_batch(data):
    alone = collate_signs([read(data, "b")], data.layout)
    beside = collate_signs([read(data, v) for v in LENGTHS], data.layout)
    row = list(LENGTHS).index("b")
    frames = alone.pose.right.shape[1]
    torch.testing.assert_close(beside.pose.right[row, :frames], alone.pose.right[0], rtol=0, atol=0)
    torch.testing.assert_close(beside.rgb[row], alone.rgb[0], rtol=0, atol=0)


def test_sentences_and_twins_stay_beside_their_videos(data):
    tokenizer = WordTokenizer()
    signs = collate_signs([read(data, "a"), read(data, "d")], data.layout)
    sentences, augmented = ["one two", "three"], ["two one", "three"]
    batch = tokenised(UntokenisedBatch(signs, sentences, augmented), tokenizer)
    assert batch.signs.num_videos == 2
    assert torch.equal(batch.text.input_ids, tokenizer(["one two", "three"]).input_ids)
    assert torch.equal(batch.augmented.input_ids, tokenizer(["two one", "three"]).input_ids)


EVERYTHING = AugmentationSettings(
    rotate_degrees=10, scale=0.1, jitter=1.0, mirror=0.5, drop_frames=0.1, drop_clips=0.3,
    rgb_noise=0.1,
)  # fmt: skip


def example_of(data, epoch, position, settings=EVERYTHING, seed=0):
    """The example's streams and its augmented sentence."""
    return read_example(data.reader, settings, seed, key_of(data, epoch, position))


def key_of(data, epoch, position):
    video = data.split("train")[position]
    return ExampleKey(epoch, position, data.reader.locate(video.video_id), video.text)


def test_an_example_depends_on_seed_epoch_and_position_alone(data):
    first, augmented = example_of(data, 3, 2)
    for position in range(6):
        example_of(data, 1, position)
    again, augmented_again = example_of(data, 3, 2)
    np.testing.assert_array_equal(again.rgb, first.rgb)
    np.testing.assert_array_equal(again.pose.body, first.pose.body)
    assert augmented_again == augmented
    for other, _ in (example_of(data, 4, 2), example_of(data, 3, 2, seed=1)):
        assert not np.array_equal(other.pose.body, first.pose.body)


def test_without_augmentation_only_sentences_change(data):
    signs, augmented = example_of(data, 0, 1, AugmentationSettings(swap_words=1.0))
    plain = data.reader.read(key_of(data, 0, 1).video)
    np.testing.assert_array_equal(signs.rgb, plain.rgb)
    np.testing.assert_array_equal(signs.pose.right, plain.pose.right)
    assert augmented != "rain in the north"
    assert sorted(augmented.split()) == sorted(["rain", "in", "the", "north"])


def test_streams_keep_the_same_clips(data):
    for epoch in range(10):
        signs, _ = example_of(data, epoch, 2, AugmentationSettings(drop_clips=0.5))
        np.testing.assert_array_equal(signs.rgb[:, 1], 3 * signs.clip_starts)


def test_the_same_numbers_again():
    assert example_generator(1, 2, 3).random() == example_generator(1, 2, 3).random()


def test_other_numbers_for_everything_else():
    generators = [
        example_generator(seed, epoch, position)
        for seed in (0, 1)
        for epoch in (0, 1)
        for position in (0, 1)
    ]
    generators += [dealing_generator(seed, epoch) for seed in (0, 1, 2) for epoch in (0, 1)]
    drawn = [generator.random() for generator in generators]
    assert len(set(drawn)) == len(drawn)
