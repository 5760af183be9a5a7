import multiprocessing
import os
import pickle
import time
from contextlib import closing
from dataclasses import replace

import pytest
import torch
from word_tokenizer import WordTokenizer

from reference.small_stores import (
    RGB,
    SENTENCES,
    rgb_video,
    small_data_set,
    write_index,
    write_store,
)
from train.batches import tensors_of
from train.data.loading import TrainingBatches, sign_batches
from train.data.retrieval_data import open_data
from train.data.sampler import EpochBatches
from train.data.sign_reader import UnreadableVideoError
from train.settings import AugmentationSettings, TrainSettings

CHANGED = AugmentationSettings(rotate_degrees=10, jitter=1.0, drop_clips=0.3, rgb_noise=0.1)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return open_data(TrainSettings(), "fusion", **small_data_set(tmp_path_factory.mktemp("data")))


def loader(data, workers, rank=0, num_processes=1):
    sampler = EpochBatches(tuple(SENTENCES[:6]), 2, seed=0, rank=rank, num_processes=num_processes)
    return TrainingBatches(
        data,
        data.split("train"),
        WordTokenizer(),
        settings=CHANGED,
        sampler=sampler,
        seed=0,
        workers=workers,
    )


def assert_same(batches, others):
    for batch, other in zip(batches, others, strict=True):
        for tensor, expected in zip(tensors_of(batch), tensors_of(other), strict=True):
            assert torch.equal(tensor, expected)


def test_the_same_batches_for_any_number_of_workers(data):
    alone, two = loader(data, 0), loader(data, 2)
    for epoch in (0, 1):
        assert_same(two.epoch(epoch), list(alone.epoch(epoch)))
    assert_same(two.epoch(1, first_step=2), list(alone.epoch(1))[2:])
    abandoned = two.epoch(0)
    next(abandoned)
    assert_same(two.epoch(1), list(alone.epoch(1)))


@pytest.mark.parametrize("workers", [0, 1])
def test_reading_leaves_the_random_state_alone(data, workers):
    torch.manual_seed(7)
    before = torch.get_rng_state()
    list(loader(data, workers).epoch(0))
    assert torch.equal(torch.get_rng_state(), before)


def test_processes_read_their_part(data):
    whole = list(loader(data, 0).epoch(0))
    for rank in (0, 1):
        for part, batch in zip(loader(data, 0, rank, 2).epoch(0), whole, strict=True):
            assert part.signs.num_videos == 1
            assert torch.equal(part.signs.rgb[0], batch.signs.rgb[rank])
            assert torch.equal(part.text.input_ids[0], batch.text.input_ids[rank])


def test_evaluation_goes_through_a_split_in_order(data):
    videos = data.split("train")
    read = list(sign_batches(data, videos, batch_size=4, workers=0))
    assert [batch.num_videos for batch in read] == [4, 2]
    lengths = torch.cat([batch.rgb[:, 0, 0] for batch in read])
    assert lengths.tolist() == [30, 9, 95, 21, 16, 40]


def rgb_only(folder, num_videos):
    """Data of short videos, whose rows lie in one file."""
    videos = [rgb_video(f"video{number}", 17) for number in range(num_videos)]
    rgb = write_store(folder / "rgb.zarr", RGB, videos)
    lines = [(f"video{number}", "train", "rain in the north") for number in range(num_videos)]
    index = write_index(folder / "index.csv", lines)
    return open_data(TrainSettings(), "rgb", index=index, rgb=rgb, pose=None)


def test_what_is_sent_to_a_worker_does_not_grow_with_the_data(tmp_path):
    sizes = []
    for num_videos in (2, 40):
        folder = tmp_path / f"{num_videos:03}"
        folder.mkdir()
        reader = rgb_only(folder, num_videos).reader
        (rows,) = reader.rgb
        bare = replace(reader, rgb=(replace(rows, in_memory={}),))
        sizes.append(len(pickle.dumps(bare)))
        assert len(pickle.dumps(reader.locate("video1"))) < 400
    assert sizes[0] == sizes[1] < 4_000


@pytest.mark.parametrize("workers", [0, 1])
def test_a_video_that_cannot_be_read_is_named(tmp_path, workers):
    data = rgb_only(tmp_path, 4)
    (shard,) = (tmp_path / "rgb.zarr/rows/features/c").glob("*/*")
    shard.write_bytes(b"torn")
    batches = sign_batches(data, data.split("train")[2:], 2, workers)
    with closing(batches), pytest.raises(UnreadableVideoError) as raised:
        list(batches)
    assert str(raised.value).startswith("the video 'video2' cannot be read: ")
    assert f"{shard} is damaged" in str(raised.value)


def test_reading_goes_on_after_an_error(data):
    """And after it was closed: with new processes."""
    batches = loader(data, 2)
    expected = list(loader(data, 0).epoch(0))
    broken = batches._loader.batches([[None], [None], [None]])
    with closing(batches):
        with pytest.raises(AttributeError):
            list(broken)
        assert_same(batches.epoch(0), expected)
        batches.close()
        assert_same(batches.epoch(0), expected)


def test_closing_ends_the_workers_within_a_pass(data):
    others = set(multiprocessing.active_children())
    batches = sign_batches(data, data.split("train") * 4, batch_size=2, workers=2)
    next(batches)
    pids = [worker.pid for worker in set(multiprocessing.active_children()) - others]
    assert len(pids) == 2
    batches.close()
    deadline = time.monotonic() + 10
    while any(os.path.exists(f"/proc/{pid}") for pid in pids):
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_pinned_memory(data):
    batches = sign_batches(data, data.split("dev"), batch_size=2, workers=1, pin_memory=True)
    for batch in batches:
        assert all(tensor.is_pinned() for tensor in tensors_of(batch))
