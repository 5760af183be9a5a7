import os
import signal

import pytest
import torch
from small_stores import SENTENCES, small_data_set
from word_tokenizer import WordTokenizer

from train.data.loading import sign_batches, training_batches
from train.data.retrieval_data import open_data
from train.data.sampler import EpochBatches
from train.settings import AugmentationSettings, TrainSettings
from train.tensor_tree import tensors_of

CHANGED = AugmentationSettings(rotate_degrees=10, jitter=1.0, drop_clips=0.3, rgb_noise=0.1)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return open_data(TrainSettings(), "fusion", **small_data_set(tmp_path_factory.mktemp("data")))


def loader(data, workers, rank=0, num_processes=1):
    sampler = EpochBatches(tuple(SENTENCES[:6]), 2, seed=0, rank=rank, num_processes=num_processes)
    return training_batches(
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


def test_processes_read_their_share(data):
    whole = list(loader(data, 0).epoch(0))
    for rank in (0, 1):
        for share, batch in zip(loader(data, 0, rank, 2).epoch(0), whole, strict=True):
            assert share.signs.num_videos == 1
            assert torch.equal(share.signs.rgb[0], batch.signs.rgb[rank])
            assert torch.equal(share.text.input_ids[0], batch.text.input_ids[rank])


def test_evaluation_goes_through_a_split_in_order(data):
    videos = data.split("train")
    batches = sign_batches(data, videos, batch_size=4, workers=0)
    assert len(batches) == 2
    for _ in range(2):
        read = list(batches)
        assert [batch.num_videos for batch in read] == [4, 2]
        lengths = torch.cat([batch.rgb[:, 0, 0] for batch in read])
        assert lengths.tolist() == [30, 9, 95, 21, 16, 40]


def test_workers_leave_the_first_sigterm_to_the_main_process(data):
    batches = sign_batches(data, data.split("train") * 4, batch_size=2, workers=1)
    reading = iter(batches)
    next(reading)
    (worker,) = batches._loader._loader._iterator._workers
    os.kill(worker.pid, signal.SIGINT)
    os.kill(worker.pid, signal.SIGTERM)
    assert len(list(reading)) == 11
    assert worker.is_alive()
    os.kill(worker.pid, signal.SIGTERM)
    worker.join(10)
    assert not worker.is_alive()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_pinned_memory(data):
    batches = sign_batches(data, data.split("dev"), batch_size=2, workers=1, pin_memory=True)
    for batch in batches:
        assert all(tensor.is_pinned() for tensor in tensors_of(batch))
