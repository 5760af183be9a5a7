import numpy as np
import pytest
import torch
from small_stores import LENGTHS, small_data_set
from word_tokenizer import WordTokenizer

from train.data.collation import TrainingExample, collate_examples, collate_signs, tokenised
from train.data.retrieval_data import open_data
from train.settings import TrainSettings


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
        clips, frames = example.num_clips, example.pose.frames.num_frames
        assert batch.clip_is_real[row].tolist() == [slot < clips for slot in range(6)]
        assert batch.pose.clip_starts[row].tolist() == [
            *example.pose.clip_starts.tolist(), *[-1] * (6 - clips)
        ]  # fmt: skip
        np.testing.assert_array_equal(batch.rgb[row, :clips], example.rgb)
        assert not batch.rgb[row, clips:].any()
        for part in ("right", "left", "body"):
            values = getattr(batch.pose, part)[row]
            np.testing.assert_array_equal(values[:frames], getattr(example.pose.frames, part))
            assert not values[frames:].any()
            assert len(values[frames:]) >= 4
    assert batch.pose.clip_starts.dtype == torch.int64
    assert batch.rgb.dtype == batch.pose.body.dtype == torch.float32


def test_a_video_is_the_same_in_any_batch(data):
    alone = collate_signs([read(data, "b")], data.layout)
    beside = collate_signs([read(data, v) for v in LENGTHS], data.layout)
    place = list(LENGTHS).index("b")
    frames = alone.pose.right.shape[1]
    torch.testing.assert_close(
        beside.pose.right[place, :frames], alone.pose.right[0], rtol=0, atol=0
    )
    torch.testing.assert_close(beside.rgb[place], alone.rgb[0], rtol=0, atol=0)


def test_sentences_and_twins_stay_beside_their_videos(data):
    tokenizer = WordTokenizer()
    examples = [
        TrainingExample(read(data, "a"), "one two", "two one"),
        TrainingExample(read(data, "d"), "three", "three"),
    ]
    batch = tokenised(collate_examples(examples, data.layout), tokenizer)
    assert batch.signs.num_videos == 2
    assert torch.equal(batch.text.input_ids, tokenizer(["one two", "three"]).input_ids)
    assert torch.equal(batch.augmented.input_ids, tokenizer(["two one", "three"]).input_ids)
